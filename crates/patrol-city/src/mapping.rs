//! The mapping file: how one city names classes, states and fields. There is no default class for any city.
//!
//! ```toml
//! crs = "GCJ02"                    # WGS84 | GCJ02 | both; must be written when [fields] sends coordinates
//! path = "/api/v1/events"          # where events are posted, under the city's base address
//! [class]                          # the city's 民政/救助 class
//! big = "05"
//! small = "99"
//! [sla]
//! onsite_min = 30
//! [fields]                         # only for a city with a form of its own; without it the canonical JSON is sent
//! case_id = "event_id"
//! recDesc = "{class.name}:{text}"
//! coordX = "location.lon"
//! medias = "media.*.url"
//! recSource = "=screen patrol"     # literal text
//! [states]                         # the city's state words → ours
//! "已到场" = "ARRIVED"
//! [results]                        # the city's result words → ours
//! "劝导离开" = "LEFT"
//! ```

use crate::error::{CityError, CityProblem};
use crate::form::Form;
use patrol_core::LeadState;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use toml::{Table, Value};

/// The name of the event: a situation, not a person (`integration.md` §3.2).
const EVENT_NAME: &str = "疑似临时遇困人员(低温)";
/// The real type, since no standard code exists for it (`integration.md` §3.2).
const EVENT_EXT: &str = "RESCUE_COLD_EXPOSURE";
/// On site within 30 minutes of the report (`integration.md` §3.5, notice 001).
const ONSITE_MIN: i64 = 30;
/// Longest class code, name or path taken, characters.
const TEXT_MAX: usize = 200;

/// States a city may report; the others are ours alone (`integration.md` §3.5).
const CITY_STATES: [LeadState; 14] = [
    LeadState::Pushed,
    LeadState::Accepted,
    LeadState::NotAccepted,
    LeadState::Dispatched,
    LeadState::Arrived,
    LeadState::Handled,
    LeadState::Verified,
    LeadState::Closed,
    LeadState::Evaluated,
    LeadState::Extended,
    LeadState::Returned,
    LeadState::Suspended,
    LeadState::Urged,
    LeadState::Void,
];

/// Disposition codes of `HANDLED` (`integration.md` §3.5).
const RESULTS: [&str; 16] = [
    "ESCORTED_STATION",
    "HOSPITAL_120",
    "POLICE_IDENTITY",
    "PSYCH",
    "MINOR",
    "SHELTER_POINT",
    "SUPPLIES_REFUSED",
    "FAMILY",
    "LEFT",
    "NOT_FOUND",
    "FALSE_ANIMAL",
    "FALSE_OBJECT",
    "FALSE_WORKER",
    "FALSE_PASSERBY",
    "DUPLICATE",
    "DECEASED",
];

/// The class under which the city's 民政/救助 side receives the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CityClass {
    pub big: String,
    pub small: String,
    pub ext: String,
    pub name: String,
}

/// The coordinate system the platform reads `location.lon` and `location.lat` in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformCrs {
    Wgs84,
    Gcj02,
    /// WGS-84 with a GCJ-02 twin beside it.
    Both,
}

/// Time limits agreed with the city.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sla {
    /// From the decision to report until somebody is on site.
    pub onsite: Duration,
}

/// A checked mapping file.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    pub class: CityClass,
    pub crs: PlatformCrs,
    pub sla: Sla,
    /// Begins with `/`; appended to the base address.
    pub events_path: String,
    pub(crate) form: Option<Form>,
    states: BTreeMap<String, LeadState>,
    results: BTreeMap<String, String>,
}

impl Mapping {
    pub fn load(path: &Path) -> Result<Self, CityError> {
        let text = std::fs::read_to_string(path).map_err(|source| CityError::MappingUnreadable { path: path.to_owned(), source })?;
        Self::from_toml(&text, &path.display().to_string()).map_err(CityError::Mapping)
    }

    /// Reads a mapping; `name` stands in the problems as the file. All problems are told at once.
    pub fn from_toml(text: &str, name: &str) -> Result<Self, Vec<CityProblem>> {
        let root: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text.as_bytes().iter().take(span.start).filter(|byte| **byte == b'\n').count() + 1);
            vec![CityProblem {
                at: format!("{name}: line {line}"),
                found: error.message().to_owned(),
                wanted: "TOML".into(),
                hint: "mend the line; text stands in quotes".into(),
            }]
        })?;
        let mut reader = Reader { name, problems: Vec::new() };
        let mapping = reader.mapping(&root);
        if reader.problems.is_empty() { Ok(mapping) } else { Err(reader.problems) }
    }

    /// Our state for the city's word; `None` for a word this mapping does not know and for states that are not the city's to give.
    pub fn state(&self, word: &str) -> Option<LeadState> {
        let word = word.trim();
        self.states.get(word).copied().or_else(|| city_state(word))
    }

    /// Our disposition code for the city's word, or the word itself.
    pub fn result(&self, word: &str) -> String {
        let word = word.trim();
        self.results.get(word).cloned().unwrap_or_else(|| word.to_owned())
    }
}

fn city_state(word: &str) -> Option<LeadState> {
    CITY_STATES.into_iter().find(|state| state.name().eq_ignore_ascii_case(word))
}

/// Walks the file as written and collects what is wrong instead of stopping at it.
struct Reader<'a> {
    name: &'a str,
    problems: Vec<CityProblem>,
}

impl Reader<'_> {
    fn problem(&mut self, key: &str, found: impl Into<String>, wanted: impl Into<String>, hint: impl Into<String>) {
        let at = format!("{}: {key}", self.name);
        self.problems.push(CityProblem { at, found: found.into(), wanted: wanted.into(), hint: hint.into() });
    }

    fn mapping(&mut self, root: &Table) -> Mapping {
        self.known_keys(root, "", &["class", "crs", "path", "sla", "fields", "states", "results"]);
        let class = self.class(root);
        let sla = self.sla(root);
        let crs = self.crs(root);
        let events_path = self.text(root, "", "path").unwrap_or_else(|| "/api/v1/events".into());
        if !events_path.starts_with('/') || events_path.contains(['?', '#', ' ']) {
            self.problem("path", format!("`{events_path}`"), "a path that begins with / and has no query", "e.g. /api/v1/events");
        }
        let form = self
            .table(root, "fields")
            .map(|fields| Form::read(fields, crs, &mut |key, found, wanted, hint| self.problem(key, found, wanted, hint)));
        let states = self.states(root);
        let results = self.results(root);
        Mapping { class, crs: crs.unwrap_or(PlatformCrs::Both), sla, events_path, form, states, results }
    }

    fn class(&mut self, root: &Table) -> CityClass {
        let empty = Table::new();
        let class = self.table(root, "class").unwrap_or(&empty);
        self.known_keys(class, "class.", &["big", "small", "ext", "name"]);
        let mut code = |key| {
            if !class.contains_key(key) {
                let at = format!("class.{key}");
                self.problem(
                    &at,
                    "nothing",
                    "a code of the city's 民政/救助 class",
                    "ask the city platform: 05/02 goes to street order in many cities",
                );
            }
            self.text(class, "class.", key).unwrap_or_default()
        };
        let (big, small) = (code("big"), code("small"));
        let ext = self.text(class, "class.", "ext").unwrap_or_else(|| EVENT_EXT.into());
        let name = self.text(class, "class.", "name").unwrap_or_else(|| EVENT_NAME.into());
        CityClass { big, small, ext, name }
    }

    fn sla(&mut self, root: &Table) -> Sla {
        let mut minutes = ONSITE_MIN;
        if let Some(sla) = self.table(root, "sla") {
            self.known_keys(sla, "sla.", &["onsite_min"]);
            match sla.get("onsite_min") {
                None => {}
                Some(Value::Integer(given)) if (1..=1440).contains(given) => minutes = *given,
                Some(other) => self.problem("sla.onsite_min", shown(other), "whole minutes, 1 to 1440", "notice 001 gives 30"),
            }
        }
        Sla { onsite: Duration::from_mins(minutes.unsigned_abs()) }
    }

    fn crs(&mut self, root: &Table) -> Option<PlatformCrs> {
        match self.text(root, "", "crs")?.as_str() {
            "WGS84" => Some(PlatformCrs::Wgs84),
            "GCJ02" => Some(PlatformCrs::Gcj02),
            "both" => Some(PlatformCrs::Both),
            other => {
                self.problem("crs", format!("`{other}`"), "WGS84, GCJ02 or both", "ask the city platform: the wrong one is 300–700 m off");
                Some(PlatformCrs::Both)
            }
        }
    }

    fn states(&mut self, root: &Table) -> BTreeMap<String, LeadState> {
        let mut states = BTreeMap::new();
        for (word, value) in self.table(root, "states").into_iter().flatten() {
            if let Some(state) = value.as_str().and_then(city_state) {
                states.insert(word.trim().to_owned(), state);
            } else {
                let wanted = format!("one of {}", CITY_STATES.map(LeadState::name).join(", "));
                self.problem(&format!("states.{word}"), shown(value), wanted, "give the state that the city's word means");
            }
        }
        states
    }

    fn results(&mut self, root: &Table) -> BTreeMap<String, String> {
        let mut results = BTreeMap::new();
        for (word, value) in self.table(root, "results").into_iter().flatten() {
            if let Some(code) = value.as_str().filter(|code| RESULTS.contains(code)) {
                results.insert(word.trim().to_owned(), code.to_owned());
            } else {
                let wanted = format!("one of {}", RESULTS.join(", "));
                self.problem(&format!("results.{word}"), shown(value), wanted, "give the disposition that the city's word means");
            }
        }
        results
    }

    fn table<'t>(&mut self, root: &'t Table, key: &str) -> Option<&'t Table> {
        match root.get(key)? {
            Value::Table(table) => Some(table),
            other => {
                self.problem(key, shown(other), "a table", format!("write it as [{key}]"));
                None
            }
        }
    }

    fn text(&mut self, table: &Table, prefix: &str, key: &str) -> Option<String> {
        let at = format!("{prefix}{key}");
        match table.get(key)? {
            Value::String(text) if text.trim().is_empty() => self.problem(&at, "empty text", "text", "give it or leave the line out"),
            Value::String(text) if text.chars().count() > TEXT_MAX || text.chars().any(char::is_control) => {
                self.problem(
                    &at,
                    "text too long or with control characters",
                    format!("one line of at most {TEXT_MAX} characters"),
                    "shorten it",
                );
            }
            Value::String(text) => return Some(text.trim().to_owned()),
            other => self.problem(&at, shown(other), "text in quotes", "codes keep their leading zeros only as text, e.g. \"05\""),
        }
        None
    }

    fn known_keys(&mut self, table: &Table, prefix: &str, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            self.problem(
                &format!("{prefix}{key}"),
                "an unknown key",
                format!("one of {}", known.join(", ")),
                "correct the spelling or leave it out",
            );
        }
    }
}

pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{}`", text.chars().take(60).collect::<String>()),
        Value::Table(_) => "a table".into(),
        Value::Array(_) => "a list".into(),
        other => format!("the {} {other}", other.type_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_problems(text: &str, wanted: &[&str]) {
        let problems = Mapping::from_toml(text, "mapping.toml").expect_err("has problems");
        let found: Vec<_> = problems.iter().map(|problem| problem.at.strip_prefix("mapping.toml: ").unwrap_or(&problem.at)).collect();
        assert_eq!(found, wanted, "{problems:#?}");
        assert!(problems.iter().all(|problem| !problem.found.is_empty() && !problem.wanted.is_empty() && !problem.hint.is_empty()));
    }

    #[test]
    fn a_small_mapping_has_the_defaults_of_the_reference() {
        let mapping = Mapping::from_toml("[class]\nbig = \"11\"\nsmall = \"03\"\n", "m").expect("sound");
        assert_eq!(
            mapping.class,
            CityClass {
                big: "11".into(), small: "03".into(), ext: "RESCUE_COLD_EXPOSURE".into(), name: "疑似临时遇困人员(低温)".into()
            }
        );
        assert_eq!((mapping.crs, mapping.sla.onsite), (PlatformCrs::Both, Duration::from_mins(30)));
        assert_eq!(mapping.events_path, "/api/v1/events");
    }

    #[test]
    fn there_is_no_default_class() {
        check_problems("crs = \"WGS84\"\n", &["class.big", "class.small"]);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        check_problems(
            r#"
            crs = "BD09"
            colour = "red"
            path = "events"
            [class]
            big = 5
            smal = "99"
            [sla]
            onsite_min = 0
            [states]
            "已到场" = "HERE"
            "复核" = "REVIEW"
            [results]
            "离开" = "GONE"
            [fields]
            recTypeID = "class.middle"
            "#,
            &[
                "colour",
                "class.smal",
                "class.big",
                "class.small",
                "sla.onsite_min",
                "crs",
                "path",
                "fields.recTypeID",
                "fields",
                "states.复核",
                "states.已到场",
                "results.离开",
            ],
        );
    }

    #[test]
    fn broken_toml_is_one_problem_with_its_line() {
        check_problems("[class]\nbig = 05x\n", &["line 2"]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Mapping::load(Path::new("no/mapping.toml")).expect_err("not there").to_string();
        assert!(error.contains("no/mapping.toml"), "{error}");
    }

    #[test]
    fn city_words_become_ours_and_ours_stay_ours() {
        let text = "[class]\nbig = \"1\"\nsmall = \"2\"\n[states]\n\"已到场\" = \"ARRIVED\"\n[results]\n\"劝导离开\" = \"LEFT\"\n";
        let mapping = Mapping::from_toml(text, "m").expect("sound");
        assert_eq!(mapping.state(" 已到场 "), Some(LeadState::Arrived));
        assert_eq!(mapping.state("closed"), Some(LeadState::Closed));
        assert_eq!(mapping.state("REVIEW"), None, "not the city's to give");
        assert_eq!(mapping.state("在路上"), None);
        assert_eq!((mapping.result("劝导离开").as_str(), mapping.result("MINOR").as_str()), ("LEFT", "MINOR"));
    }
}

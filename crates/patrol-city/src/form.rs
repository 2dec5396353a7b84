//! A city's own form, filled from the canonical JSON by the `[fields]` table of the mapping.

use crate::event::PATHS;
use crate::mapping::{PlatformCrs, shown};
use serde_json::{Map, Value};

/// The most fields a form may have: a bound, several times any form seen.
const FIELDS_MAX: usize = 200;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Form {
    /// Where in the city's JSON (one name, or several for nested objects), and what.
    fields: Vec<(Vec<String>, Filling)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Filling {
    Literal(Value),
    Path(String),
    Template(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Path(String),
}

/// Told each problem as key, found, wanted, hint.
type Problems<'a> = dyn FnMut(&str, String, String, String) + 'a;

impl Form {
    /// `crs` is `None` when the mapping does not write it.
    pub(crate) fn read(table: &toml::Table, crs: Option<PlatformCrs>, problem: &mut Problems<'_>) -> Self {
        let mut fields: Vec<(Vec<String>, Filling)> = Vec::new();
        if table.len() > FIELDS_MAX {
            problem(
                "fields",
                format!("{} fields", table.len()),
                format!("at most {FIELDS_MAX}"),
                "leave out what the city does not read".into(),
            );
        }
        for (key, value) in table.iter().take(FIELDS_MAX) {
            let at = format!("fields.{key}");
            let names: Vec<String> = key.split('.').map(str::to_owned).collect();
            if names.iter().any(String::is_empty) {
                problem(&at, format!("`{key}`"), "names joined by single dots".into(), "e.g. \"Range.Lon\"".into());
                continue;
            }
            if fields.iter().any(|(other, _)| other.starts_with(&names) || names.starts_with(other)) {
                problem(&at, "a field and a part of it".into(), "one of them".into(), "leave one out".into());
            }
            match Filling::read(value) {
                Ok(filling) => {
                    for path in filling.paths().filter(|path| !is_known(path)) {
                        let known = PATHS.join(", ");
                        problem(&at, format!("`{path}`"), format!("one of {known}"), "literal text begins with =, e.g. \"=web\"".into());
                    }
                    fields.push((names, filling));
                }
                Err(wanted) => problem(&at, shown(value), wanted.into(), "a path, \"={literal}\", or a template such as \"{text}\"".into()),
            }
        }
        let uses = |wanted: &str| fields.iter().any(|(_, filling)| filling.paths().any(|path| path == wanted));
        if !uses("event_id") {
            problem(
                "fields",
                "no field for event_id".into(),
                "one".into(),
                "without it the city cannot tell a repeated message from a new person".into(),
            );
        }
        if crs.is_none() && (uses("location.lon") || uses("location.lat")) {
            problem(
                "crs",
                "nothing".into(),
                "WGS84, GCJ02 or both, since [fields] sends coordinates".into(),
                "ask the city platform: the wrong one is 300–700 m off".into(),
            );
        }
        if crs.is_some_and(|crs| crs != PlatformCrs::Both) && (uses("location.lon_gcj02") || uses("location.lat_gcj02")) {
            problem("crs", "no GCJ-02 twin".into(), "both, since [fields] sends it".into(), "or use location.lon and location.lat".into());
        }
        Self { fields }
    }

    /// The city's JSON for the canonical `event`.
    pub(crate) fn fill(&self, event: &Value) -> Value {
        let mut form = Map::new();
        for (names, filling) in &self.fields {
            put(&mut form, names, filling.value(event));
        }
        Value::Object(form)
    }
}

impl Filling {
    fn read(value: &toml::Value) -> Result<Self, &'static str> {
        Ok(match value {
            toml::Value::Integer(number) => Self::Literal((*number).into()),
            toml::Value::Float(number) => Self::Literal((*number).into()),
            toml::Value::Boolean(flag) => Self::Literal((*flag).into()),
            toml::Value::String(text) => match text.strip_prefix('=') {
                Some(literal) => Self::Literal(literal.into()),
                None if text.contains(['{', '}']) => Self::Template(template(text).ok_or("a template whose { and } pair")?),
                None => Self::Path(text.clone()),
            },
            _ => return Err("text, a number or true/false"),
        })
    }

    fn paths(&self) -> impl Iterator<Item = &str> {
        let (one, pieces) = match self {
            Self::Literal(_) => (None, [].as_slice()),
            Self::Path(path) => (Some(path.as_str()), [].as_slice()),
            Self::Template(pieces) => (None, pieces.as_slice()),
        };
        one.into_iter().chain(pieces.iter().filter_map(|piece| match piece {
            Piece::Path(path) => Some(path.as_str()),
            Piece::Text(_) => None,
        }))
    }

    fn value(&self, event: &Value) -> Value {
        match self {
            Self::Literal(value) => value.clone(),
            Self::Path(path) => at(event, path),
            Self::Template(pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Path(path) => plain(&at(event, path)),
                })
                .collect::<String>()
                .into(),
        }
    }
}

fn template(text: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (path, behind) = after.split_once('}')?;
        if before.contains('}') || path.contains('{') {
            return None;
        }
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(Piece::Path(path.trim().to_owned()));
        rest = behind;
    }
    if rest.contains('}') {
        return None;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Some(pieces)
}

/// A leaf of the canonical JSON, or an object or list above one.
fn is_known(path: &str) -> bool {
    PATHS.iter().any(|known| known.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// `media.*.url` is the comma list of all urls.
fn at(value: &Value, path: &str) -> Value {
    let mut here = value;
    let mut rest = path;
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('.').unwrap_or((rest, ""));
        if name == "*" {
            let parts = here.as_array().into_iter().flatten().map(|one| plain(&at(one, behind)));
            return parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(",").into();
        }
        let Some(next) = here.get(name) else { return Value::Null };
        (here, rest) = (next, behind);
    }
    here.clone()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn put(object: &mut Map<String, Value>, names: &[String], value: Value) {
    match names {
        [] => {}
        [name] => drop(object.insert(name.clone(), value)),
        [name, rest @ ..] => {
            let inner = object.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            // `Form::read` refuses a field beside a part of it, so that this is an object.
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Mapping;
    use serde_json::json;

    fn problems_of(fields: &str) -> Vec<String> {
        let text = format!("crs = \"WGS84\"\n[class]\nbig = \"1\"\nsmall = \"2\"\n[fields]\n{fields}");
        Mapping::from_toml(&text, "m").err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_form_takes_paths_templates_literals_and_lists() {
        let text = r#"
            crs = "GCJ02"
            [class]
            big = "1"
            small = "2"
            [fields]
            case_id = "event_id"
            recDesc = "{class.name}:{observation.people}人,{location.address}"
            recSource = "=screen"
            reportTypeID = 2
            medias = "media.*.url"
            "Range.Lon" = "location.lon"
            "Range.Lat" = "location.lat"
        "#;
        let form = Mapping::from_toml(text, "m").expect("sound").form.expect("a form");
        let event = json!({"event_id": "XL-1", "class": {"name": "人"}, "observation": {"people": 2}, "location": {"lon": 1.5, "lat": 2.5, "address": null},
            "media": [{"url": "a"}, {"id": "m2"}, {"url": "b"}]});
        let wanted = json!({"case_id": "XL-1", "recDesc": "人:2人,", "recSource": "screen", "reportTypeID": 2, "medias": "a,b", "Range": {"Lon": 1.5, "Lat": 2.5}});
        assert_eq!(form.fill(&event), wanted);
    }

    #[test]
    fn a_form_that_would_mislead_is_refused() {
        assert!(problems_of("a = \"event_id\"").is_empty());
        for (fields, words) in [
            ("a = \"text\"", "event_id"),
            ("a = \"event_id\"\nb = \"{text\"", "pair"),
            ("a = \"event_id\"\nb = \"location.lon_gcj02\"", "twin"),
            ("a = \"event_id\"\n\"a.b\" = \"text\"", "a part of it"),
            ("a = \"event_id\"\n\"a..b\" = \"text\"", "single dots"),
            ("a = \"event_id\"\nb = [1]", "a list"),
        ] {
            let problems = problems_of(fields);
            assert!(problems.iter().any(|problem| problem.contains(words)), "{fields}: {problems:?}");
        }
    }
}

//! What was measured beside what: a figure of ours, the limit or the peer of the same run, their ratio, the aim, and whether it is met.

use serde_json::{Value, json};
use std::fmt::Write as _;

/// A number, or the reason why there is none and how there would be one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Figure {
    Measured(f64),
    NotMeasured(String),
}

impl Figure {
    pub(super) fn value(&self) -> Option<f64> {
        match self {
            Self::Measured(value) => Some(*value),
            Self::NotMeasured(_) => None,
        }
    }

    pub(super) fn why_not(&self) -> Option<&str> {
        match self {
            Self::Measured(_) => None,
            Self::NotMeasured(why) => Some(why),
        }
    }
}

impl From<f64> for Figure {
    fn from(value: f64) -> Self {
        Self::Measured(value)
    }
}

impl<E: std::fmt::Display> From<Result<f64, E>> for Figure {
    fn from(result: Result<f64, E>) -> Self {
        match result {
            Ok(value) => Self::Measured(value),
            Err(why) => Self::NotMeasured(format!("{why:#}")),
        }
    }
}

/// What ours is held against: the limit, or a peer.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    pub(super) what: String,
    pub(super) figure: Figure,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub(super) struct Measure {
    /// Of the design's table of speeds: P1 to P8.
    pub(super) id: &'static str,
    pub(super) what: String,
    pub(super) unit: &'static str,
    pub(super) ours: Figure,
    pub(super) beside: Vec<Beside>,
    pub(super) aim: &'static str,
    /// `None`: not to be told from this run.
    pub(super) met: Option<bool>,
    /// What it was measured with: lengths, numbers, sizes, load of the machine.
    pub(super) with: String,
    /// More figures, for machines and for who wants to know why.
    pub(super) details: Value,
    /// Something of ours went wrong, so that there is no figure; a missing peer is no such thing.
    pub(super) failed: bool,
}

impl Measure {
    /// A measure of which there is no figure, and why.
    pub(super) fn without(
        id: &'static str,
        what: impl Into<String>,
        unit: &'static str,
        aim: &'static str,
        why: impl Into<String>,
    ) -> Self {
        Self {
            id,
            what: what.into(),
            unit,
            ours: Figure::NotMeasured(why.into()),
            beside: Vec::new(),
            aim,
            met: None,
            with: String::new(),
            details: Value::Null,
            failed: false,
        }
    }

    /// A measure that went wrong.
    pub(super) fn failed(id: &'static str, what: &str, error: &anyhow::Error) -> Self {
        Self { failed: true, ..Self::without(id, what, "", "", format!("{error:#}")) }
    }

    fn json(&self) -> Value {
        let beside: Vec<Value> = self
            .beside
            .iter()
            .map(|other| {
                json!({
                    "what": other.what,
                    "value": other.figure.value().map(rounded),
                    "ratio": ratio(&self.ours, &other.figure).map(rounded),
                    "not_measured": other.figure.why_not(),
                })
            })
            .collect();
        json!({
            "id": self.id,
            "what": self.what,
            "unit": self.unit,
            "ours": self.ours.value().map(rounded),
            "not_measured": self.ours.why_not(),
            "beside": beside,
            "aim": self.aim,
            "met": self.met,
            "measured_with": self.with,
            "details": self.details,
        })
    }
}

/// Ours over the other's.
fn ratio(ours: &Figure, other: &Figure) -> Option<f64> {
    let (ours, other) = (ours.value()?, other.value()?);
    (other > 0.0).then_some(ours / other)
}

/// To four significant digits: more is noise.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

/// Everything a run has found.
pub(super) struct Report {
    /// `short` or `full`.
    pub(super) form: &'static str,
    pub(super) machine: String,
    pub(super) wall_s: f64,
    pub(super) measures: Vec<Measure>,
}

impl Report {
    pub(super) fn has_failed(&self) -> bool {
        self.measures.iter().any(|measure| measure.failed)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "form": self.form,
            "machine": self.machine,
            "wall_s": rounded(self.wall_s),
            "measures": self.measures.iter().map(Measure::json).collect::<Vec<_>>(),
        })
    }

    /// For people: a block for each measure, since reasons and conditions are as long as they are.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ok = writeln!(text, "{} form, {:.0} s, {}", self.form, self.wall_s, self.machine).is_ok();
        for measure in &self.measures {
            let state = match (&measure.ours, measure.met) {
                (Figure::NotMeasured(_), _) => "not measured",
                (_, Some(true)) => "met",
                (_, Some(false)) => "NOT MET",
                (_, None) => "not to be told",
            };
            let _ok = writeln!(text, "\n{:<3} {}  [{state}]", measure.id, measure.what).is_ok();
            line(&mut text, "ours", &shown(&measure.ours, measure.unit));
            for other in &measure.beside {
                let ratio = ratio(&measure.ours, &other.figure).map(|ratio| format!(": ours is {} × that", number(ratio)));
                let value = shown(&other.figure, measure.unit);
                line(&mut text, &other.what, &(value + &ratio.unwrap_or_default()));
            }
            line(&mut text, "aim", measure.aim);
            if !measure.with.is_empty() {
                line(&mut text, "with", &measure.with);
            }
        }
        text
    }
}

/// Width of the column of names in the table, letters.
const NAME_WIDTH: usize = 34;

fn line(text: &mut String, name: &str, value: &str) {
    let pad = " ".repeat(NAME_WIDTH.saturating_sub(name.chars().count()));
    let _ok = writeln!(text, "      {name}{pad}  {value}").is_ok();
}

fn shown(figure: &Figure, unit: &str) -> String {
    match figure {
        Figure::Measured(value) => format!("{} {unit}", number(*value)),
        Figure::NotMeasured(why) => format!("not measured: {why}"),
    }
}

fn number(value: f64) -> String {
    let value = rounded(value);
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let measure = Measure {
            id: "P1",
            what: "whole path".into(),
            unit: "ms",
            ours: 21.23456.into(),
            beside: vec![
                Beside { what: "limit".into(), figure: 20.0.into() },
                Beside { what: "a plain script".into(), figure: Figure::NotMeasured("no cv2: pip install opencv-python-headless".into()) },
            ],
            aim: "at most 1.08 × the limit",
            met: Some(true),
            with: "300 pictures".into(),
            details: json!({"share": 1.0}),
            failed: false,
        };
        let without = Measure::without("P4", "latency", "ms", "at most 150 ms", "no histogram");
        Report { form: "short", machine: "a machine".into(), wall_s: 12.0, measures: vec![measure, without] }
    }

    #[test]
    fn json_has_a_place_for_everything() {
        let json = report().json();
        let first = &json["measures"][0];
        assert_eq!(first["ours"], json!(21.23));
        assert_eq!(first["beside"][0]["ratio"], json!(1.062));
        assert_eq!(first["beside"][1]["value"], Value::Null);
        assert!(first["beside"][1]["not_measured"].as_str().is_some_and(|why| why.contains("pip install")));
        assert_eq!((&first["met"], &first["measured_with"]), (&json!(true), &json!("300 pictures")));
        let second = &json["measures"][1];
        assert_eq!((&second["ours"], &second["met"], &second["not_measured"]), (&Value::Null, &Value::Null, &json!("no histogram")));
    }

    #[test]
    fn the_table_says_what_is_not_measured_and_what_is_not_met() {
        let mut report = report();
        report.measures[0].met = Some(false);
        let text = report.text();
        assert!(text.contains("NOT MET") && text.contains("ours is 1.062 × that"), "{text}");
        assert!(text.contains("not measured: no cv2") && text.contains("not measured: no histogram"), "{text}");
    }

    #[test]
    fn only_our_own_failures_fail_the_run() {
        let mut report = report();
        assert!(!report.has_failed(), "a peer that is missing is told, no more");
        report.measures.push(Measure::failed("P1", "whole path", &anyhow::anyhow!("no room")));
        assert!(report.has_failed() && report.text().contains("not measured: no room"));
    }

    #[test]
    fn a_ratio_needs_both_and_a_divisor() {
        assert_eq!(ratio(&3.0.into(), &1.5.into()), Some(2.0));
        assert_eq!(ratio(&3.0.into(), &0.0.into()), None);
        assert_eq!(ratio(&3.0.into(), &Figure::NotMeasured("x".into())), None);
        assert_eq!((rounded(0.012_345_6), rounded(1234.56), rounded(0.0)), (0.012_35, 1235.0, 0.0));
    }
}

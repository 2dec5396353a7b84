//! What is wrong with a pipeline file: every problem at once, each with place, found, wanted and the next step.

use serde::Serialize;
use std::fmt;
use std::ops::RangeInclusive;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// `camera[2].hfov_deg`, or a file.
    #[serde(rename = "where")]
    pub(crate) place: String,
    pub(crate) found: String,
    pub(crate) wanted: String,
    pub(crate) hint: String,
    /// A warning does not keep `run` from starting.
    pub(crate) warning: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.warning { "warning" } else { "error" };
        write!(f, "{kind}: {}: found {}; wanted {}", self.place, self.found, self.wanted)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\n    hint: {}", self.hint) }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    pub(crate) fn error(&mut self, place: impl Into<String>, found: impl Into<String>, wanted: impl Into<String>, hint: impl Into<String>) {
        self.push(place.into(), found.into(), wanted.into(), hint.into(), false);
    }
    pub(crate) fn warning(
        &mut self,
        place: impl Into<String>,
        found: impl Into<String>,
        wanted: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(place.into(), found.into(), wanted.into(), hint.into(), true);
    }
    fn push(&mut self, place: String, found: String, wanted: String, hint: String, warning: bool) {
        self.0.push(Problem { place, found, wanted, hint, warning });
    }
    /// Whether `value` is a number within `range`; notes an error otherwise. Not-a-number and infinities are in no range.
    pub(crate) fn in_range<T: PartialOrd + fmt::Display>(
        &mut self,
        place: impl Into<String>,
        value: &T,
        range: &RangeInclusive<T>,
        unit: &str,
    ) -> bool {
        let good = range.contains(value);
        if !good {
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            self.error(place, value.to_string(), format!("{} to {}{unit}", range.start(), range.end()), "");
        }
        good
    }
    /// Whether an error stands at `table` or within it: what could not be read must not be called missing too.
    pub(crate) fn has_error_in(&self, table: &str) -> bool {
        let within = |place: &str| place.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        self.0.iter().any(|problem| !problem.warning && within(&problem.place))
    }
    pub(crate) fn errors(&self) -> usize {
        self.0.iter().filter(|problem| !problem.warning).count()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// A refused pipeline: exit code 2.
impl std::error::Error for Problems {}

/// A command that cannot be carried out as it was given: exit code 2.
#[derive(Debug)]
pub(crate) struct Usage(anyhow::Error);

impl Usage {
    pub(crate) fn of(error: impl Into<anyhow::Error>) -> anyhow::Error {
        Self(error.into()).into()
    }
    pub(crate) fn msg(words: impl fmt::Display) -> anyhow::Error {
        Self(anyhow::anyhow!("{words}")).into()
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Usage {}

/// Parses an option's number; not-a-number and infinities are in no range.
pub(crate) fn number_in(range: RangeInclusive<f64>) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    move |text| match text.parse::<f64>() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("wanted a number from {} to {}", range.start(), range.end())),
    }
}

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
    /// A warning does not keep `run` from starting, and `check` is content with it.
    pub(crate) warning: bool,
    /// What an error in a register's row costs: that camera alone. `None`: the whole pipeline, unless it is a warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) camera: Option<CameraFate>,
}

/// What became of a camera whose row is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CameraFate {
    /// It does not run: its place is not seen.
    LeftOut,
    /// It runs on as it was before the register was read again.
    Kept,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match (self.warning, self.camera) {
            (true, _) => "warning",
            (false, None) => "error",
            (false, Some(CameraFate::LeftOut)) => "camera left out",
            (false, Some(CameraFate::Kept)) => "camera kept as it was",
        };
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
        self.0.push(Problem { place, found, wanted, hint, warning, camera: None });
    }
    /// Adds the problems of one camera's row; its errors cost that camera alone.
    pub(super) fn append_of_camera(&mut self, row: Problems) {
        self.0.extend(row.0.into_iter().map(|problem| Problem { camera: (!problem.warning).then_some(CameraFate::LeftOut), ..problem }));
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
    /// Errors of every kind, those that cost one camera too.
    pub(crate) fn errors(&self) -> usize {
        self.0.iter().filter(|problem| !problem.warning).count()
    }
    /// Whether an error stands that costs the whole pipeline.
    pub(crate) fn are_fatal(&self) -> bool {
        self.0.iter().any(|problem| !problem.warning && problem.camera.is_none())
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

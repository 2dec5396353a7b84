//! What is wrong with a pipeline file: every problem at once, each with place, found, wanted and the next step.

use serde::Serialize;
use std::fmt;

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

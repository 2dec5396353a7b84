//! What can be wrong with a city: its mapping file, its secret, its address, its callbacks.

use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// One problem of a mapping file, with everything needed to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CityProblem {
    /// File and key, e.g. `mapping.toml: class.big`.
    pub at: String,
    pub found: String,
    pub wanted: String,
    /// What to do next.
    pub hint: String,
}

impl fmt::Display for CityProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}, wanted {}; {}", self.at, self.found, self.wanted, self.hint)
    }
}

#[derive(Debug, Error)]
pub enum CityError {
    #[error("cannot read the mapping file {}: {source}; give the path of the city's mapping file", path.display())]
    MappingUnreadable { path: PathBuf, source: std::io::Error },
    #[error("{}", listed(.0))]
    Mapping(Vec<CityProblem>),
    #[error("the environment variable {name} that should hold the city's secret {problem}; set it before the start")]
    SecretVariable { name: String, problem: &'static str },
    #[error("cannot read the city's secret from {}: {source}; check the path and its permissions", path.display())]
    SecretUnreadable { path: PathBuf, source: std::io::Error },
    #[error("the city's secret in {} {problem}; put the secret alone into the file", path.display())]
    SecretFile { path: PathBuf, problem: &'static str },
    #[error("the city's address `{base}` {problem}; wanted http://host[:port][/path] or https://…")]
    Base { base: String, problem: String },
    #[error("the connection to the city cannot be prepared: {0}")]
    Client(String),
    /// The words go back to the city's engineer in the answer.
    #[error("the callback cannot be used: {0}")]
    Callback(String),
    #[error("the city was asked for case {case_id}: {why}")]
    Poll { case_id: String, why: String },
}

fn listed(problems: &[CityProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

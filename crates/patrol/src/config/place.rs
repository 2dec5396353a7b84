//! Where a camera's words stand: a table of the pipeline file, or a row of the register. Problems name it.

use super::register::Headings;

pub(super) struct Place<'a> {
    /// `camera[2]`, or `cameras.csv:12`.
    base: String,
    headings: Option<&'a Headings>,
}

impl<'a> Place<'a> {
    pub(super) fn of_table(index: usize) -> Self {
        Self { base: format!("camera[{index}]"), headings: None }
    }
    pub(super) fn of_row(file: &str, line: u64, headings: &'a Headings) -> Self {
        Self { base: format!("{file}:{line}"), headings: Some(headings) }
    }
    /// `camera[2].height_m`; in a register `cameras.csv:12 height_m`, or `cameras.csv:12 安装高度 (height_m)` when the column is headed so.
    pub(super) fn at(&self, key: &str) -> String {
        match self.headings {
            None => format!("{}.{key}", self.base),
            Some(headings) => format!("{} {}", self.base, headings.shown(key)),
        }
    }
    pub(super) fn base(&self) -> &str {
        &self.base
    }
    /// How a login is written here.
    pub(super) fn login_hint(&self) -> &'static str {
        match self.headings {
            None => "write user = \"…\" and password = { env = \"NAME\" } or { file = \"path\" }",
            Some(_) => "write the user into the column user, and env:NAME or file:PATH into the column secret",
        }
    }
    /// The key, or column, that refers to the password.
    pub(super) fn password_key(&self) -> &'static str {
        if self.headings.is_some() { "secret" } else { "password" }
    }
    /// Where else detectors may be named.
    pub(super) fn detectors_hint(&self) -> &'static str {
        if self.headings.is_some() {
            "or for all of its kind: [register] thermal = [\"…\"], visible = [\"…\"] in the pipeline file"
        } else {
            ""
        }
    }
}

//! Peers and audits written in Python: found, started, and said to be missing where they are.

use super::child;
use serde::de::DeserializeOwned;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The plain pipeline, and single stages of it.
const PLAIN: &str = include_str!("../../../../../benches/peers/plain.py");
/// Reads capture times out of the pictures.
const AUDIT: &str = include_str!("../../../../../benches/street/audit.py");
const BLOCKCODE: &str = include_str!("../../../../../benches/street/blockcode.py");
/// The interpreter to use; one of a virtual environment brings its packages along.
const NAMED_BY: &str = "PATROL_PYTHON";
/// `plain.py` ends so when a package is missing, and says which.
const MISSING: i32 = 3;

/// An interpreter, and the scripts in a folder.
pub(super) struct Python {
    program: OsString,
    folder: PathBuf,
}

/// A reason for a peer that could not be measured, as it stands in the report.
pub(super) type Why = String;

impl Python {
    /// Writes the scripts into `folder`.
    pub(super) fn find(folder: &Path) -> Result<Self, Why> {
        let program = std::env::var_os(NAMED_BY).filter(|name| !name.is_empty()).unwrap_or_else(|| "python3".into());
        let shown = program.to_string_lossy().into_owned();
        let tried = Command::new(&program).arg("--version").output();
        if !tried.is_ok_and(|output| output.status.success()) {
            return Err(format!("no Python at {shown:?}; install python3, or name an interpreter in {NAMED_BY}"));
        }
        for (name, text) in [("plain.py", PLAIN), ("audit.py", AUDIT), ("blockcode.py", BLOCKCODE)] {
            std::fs::write(folder.join(name), text).map_err(|error| format!("{}: {error}", folder.join(name).display()))?;
        }
        Ok(Self { program, folder: folder.to_owned() })
    }

    /// Runs `plain.py` on `core` and reads the JSON it ends with. With it the CPU time of the whole process, start of the interpreter included.
    pub(super) fn plain<T: DeserializeOwned>(&self, core: u32, args: &[OsString]) -> Result<(T, f64), Why> {
        let log = self.folder.join("plain.log");
        let script = self.folder.join("plain.py");
        let mut command = child::on_cores(&[core], &self.program);
        // Numeric libraries start a thread a core otherwise.
        command.arg(script).args(args).envs([("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1")]);
        let ended = child::run(&mut command, &log).map_err(|error| format!("{error:#}"))?;
        match ended.code {
            Some(0) => Ok((read(&ended.stdout)?, ended.cpu_s)),
            Some(MISSING) => Err(format!("{}, or name another interpreter in {NAMED_BY}", child::last_words(&log))),
            code => Err(format!("plain.py ended with {code:?}: {}", child::last_words(&log))),
        }
    }

    /// Runs `audit.py`. A broken promise is a finding, not a failure.
    pub(super) fn audit<T: DeserializeOwned>(&self, args: &[OsString]) -> Result<T, Why> {
        let log = self.folder.join("audit.log");
        let mut command = child::on_cores(&[], &self.program);
        command.arg(self.folder.join("audit.py")).args(args).arg("--json");
        let ended = child::run(&mut command, &log).map_err(|error| format!("{error:#}"))?;
        read(&ended.stdout).map_err(|_| {
            let words = child::last_words(&log);
            let missing = words.contains("ModuleNotFoundError");
            let hint =
                if missing { format!("; pip install numpy pillow, or name another interpreter in {NAMED_BY}") } else { String::new() };
            format!("audit.py: {}{hint}", words.rsplit("; ").next().unwrap_or("said nothing"))
        })
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Why> {
    serde_json::from_str(text).map_err(|error| format!("found {:?}, wanted JSON: {error}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_shown() {
        let why = read::<Vec<u32>>("Traceback").expect_err("no JSON");
        assert!(why.contains("Traceback"), "{why}");
        assert_eq!(read::<Vec<u32>>("[1, 2]\n"), Ok(vec![1, 2]));
    }
}

//! Processes under test: started on cores of their own, ended when dropped, their CPU time read.

use super::proc;
use anyhow::{Context as _, bail};
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Descriptors a process may have: a thousand sessions need one each, and some more.
const DESCRIPTORS: &str = "8192";
/// How much of a failed child's words is shown, bytes.
const WORDS_MAX: usize = 600;

/// A command on the cores `cores`; on any where that is empty or `taskset` is missing.
pub(super) fn on_cores(cores: &[u32], program: impl AsRef<OsStr>) -> Command {
    let list: Vec<String> = cores.iter().map(u32::to_string).collect();
    // The shell raises the limit of descriptors where it may, and gives way to the program: the process measured is the program's own.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$0\" 2>/dev/null; exec \"$@\"", DESCRIPTORS]);
    if !list.is_empty() && can_pin() {
        command.args(["taskset", "-c", &list.join(",")]);
    }
    command.arg(program).stdin(Stdio::null());
    command
}

/// Whether processes can be bound to cores.
pub(super) fn can_pin() -> bool {
    let tried = Command::new("taskset").arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// This very program.
pub(super) fn patrol(cores: &[u32]) -> anyhow::Result<Command> {
    Ok(on_cores(cores, std::env::current_exe().context("this program's own path")?))
}

/// What a child that has ended used and said.
pub(super) struct Ended {
    pub(super) cpu_s: f64,
    pub(super) stdout: String,
    pub(super) code: Option<i32>,
}

/// Runs a child to its end; words go to `log`. One at a time: whoever else ends meanwhile would be counted in.
pub(super) fn run(command: &mut Command, log: &Path) -> anyhow::Result<Ended> {
    let words = File::create(log).with_context(|| log.display().to_string())?;
    let before = proc::ended_children_cpu_s()?;
    let output = command.stdout(Stdio::piped()).stderr(words).output().with_context(|| format!("{command:?} could not be started"))?;
    let cpu_s = proc::ended_children_cpu_s()? - before;
    Ok(Ended { cpu_s, stdout: String::from_utf8_lossy(&output.stdout).into_owned(), code: output.status.code() })
}

/// [`run`], and an error with the child's last words when it fails.
pub(super) fn run_well(command: &mut Command, log: &Path) -> anyhow::Result<Ended> {
    let ended = run(command, log)?;
    match ended.code {
        Some(0) => Ok(ended),
        code => bail!("{} ended with {code:?}: {}", name_of(command), last_words(log)),
    }
}

fn name_of(command: &Command) -> String {
    let words: Vec<_> = command.get_args().skip(3).map(|word| word.to_string_lossy().into_owned()).collect();
    words.join(" ")
}

/// The end of what a child wrote into its log.
pub(super) fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let text = text.trim();
    let end = &text[text.ceil_char_boundary(text.len().saturating_sub(WORDS_MAX))..];
    // In one line: it stands in a table.
    end.lines().collect::<Vec<_>>().join("; ")
}

/// A child that runs until it is dropped.
pub(super) struct Running {
    child: Child,
    log: PathBuf,
    what: &'static str,
}

impl Running {
    /// Words go to `log`, results to a file beside it.
    pub(super) fn start(command: &mut Command, what: &'static str, log: &Path) -> anyhow::Result<Self> {
        let create = |path: &Path| File::create(path).with_context(|| path.display().to_string());
        let (words, results) = (create(log)?, create(&results_beside(log))?);
        let child = command.stdout(results).stderr(words).spawn().with_context(|| format!("{what} could not be started"))?;
        Ok(Self { child, log: log.to_owned(), what })
    }

    /// Its standard output so far.
    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(results_beside(&self.log)).unwrap_or_default()
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error with its last words when it has ended by itself.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended early ({status}): {}", self.what, last_words(&self.log)),
        }
    }

    /// Waits, and makes sure that it still runs.
    pub(super) fn let_run(&mut self, time: Duration) -> anyhow::Result<()> {
        std::thread::sleep(time);
        self.check()
    }
}

fn results_beside(log: &Path) -> PathBuf {
    log.with_extension("out")
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_uses_is_counted_and_its_failure_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done";
        let ended = run_well(on_cores(&[], "sh").args(["-c", busy]), &log).expect("ran");
        assert_eq!(ended.stdout.trim(), "done");
        assert!(ended.cpu_s > 0.0 && ended.cpu_s < 30.0, "{} s", ended.cpu_s);
        let error = run_well(on_cores(&[], "sh").args(["-c", "echo no camera there >&2; exit 3"]), &log).err().expect("an error");
        assert!(error.to_string().contains("no camera there") && error.to_string().contains('3'), "{error}");
    }

    #[test]
    fn a_child_that_ends_early_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let mut child = Running::start(on_cores(&[], "sh").args(["-c", "echo gone >&2"]), "the patrol", &log).expect("started");
        let error = (0..100).find_map(|_| child.let_run(Duration::from_millis(20)).err()).expect("an error");
        assert!(error.to_string().contains("the patrol ended early") && error.to_string().contains("gone"), "{error}");
    }
}

//! `patrol bench`: the speeds this software owes, each beside its limit or a peer that was measured in the same run.
//!
//! ```text
//! whole_path (P1)   cameras (P2, P5, P6)   thermal (P3, P5)   latency (P4)   inner (P7, P8)
//!      │                   └──── watched: street ─► patrol run ─► audit ────┘
//! child, proc (processes and their time)   python (peers)   metrics   models   ─► report
//! ```
//! What is measured runs in processes of its own, on cores of its own; its time is user and system time, so that a busy machine does not matter. What
//! cannot be measured is said, with the reason.

mod audit;
mod cameras;
mod child;
mod clip;
mod inner;
mod latency;
mod metrics;
mod models;
mod proc;
mod python;
mod report;
mod thermal;
mod watched;
mod whole_path;

use crate::config::Usage;
use anyhow::Context as _;
use clip::{Clip, Decoded};
use patrol_core::{Clock as _, SystemClock};
use python::{Python, Why};
use report::{Measure, Report};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Fewer and shorter runs: all within five minutes.
    #[arg(long)]
    short: bool,
    /// Only these measures: P1,P7. Default: all.
    #[arg(long, value_name = "P1,P2,…", value_delimiter = ',')]
    only: Vec<String>,
    /// Numbers of cameras for P2, P5 and P6, instead of the built-in ones.
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=4094))]
    cameras: Vec<u32>,
    /// The report as JSON on standard output; the table goes to standard error.
    #[arg(long)]
    json: bool,
    /// Decodes a recording, says how many pictures it held, and ends: the child that P1's limit is measured by.
    #[arg(long, hide = true, value_name = "FILE")]
    decode_only: Option<PathBuf>,
}

/// What all measures share.
struct Context {
    short: bool,
    cameras: Option<Vec<usize>>,
    /// Removed at the end.
    scratch: tempfile::TempDir,
    python: Result<Python, Why>,
    /// Of what is measured on one core.
    core: u32,
    all_cores: Vec<u32>,
    /// Of what is not counted; the same one where there is no other.
    street_cores: Vec<u32>,
    clip: OnceCell<Clip>,
}

impl Context {
    fn new(short: bool, cameras: Option<Vec<usize>>) -> anyhow::Result<Self> {
        let scratch = tempfile::Builder::new().prefix("patrol-bench-").tempdir().context("a folder for the bench's files")?;
        let python = Python::find(scratch.path());
        let all_cores = proc::cores();
        let core = all_cores.first().copied().unwrap_or(0);
        let others: Vec<u32> = all_cores.iter().copied().skip(1).collect();
        let street_cores = if others.is_empty() { vec![core] } else { others };
        Ok(Self { short, cameras, scratch, python, core, all_cores, street_cores, clip: OnceCell::new() })
    }

    fn root(&self) -> &Path {
        self.scratch.path()
    }

    /// A folder of that name, made when it is not there.
    fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.root().join(name);
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    }

    /// The recording of P1, made when first asked for.
    fn clip(&self) -> anyhow::Result<&Clip> {
        if let Some(clip) = self.clip.get() {
            return Ok(clip);
        }
        let made = clip::make(self.short, self.root())?;
        Ok(self.clip.get_or_init(|| made))
    }

    /// What `ask` finds with Python, or why there is none.
    fn python<T>(&self, ask: impl FnOnce(&Python) -> Result<T, Why>) -> Result<T, Why> {
        self.python.as_ref().map_err(Clone::clone).and_then(ask)
    }
}

/// Which measures are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    p1: bool,
    p2: bool,
    p3: bool,
    p4: bool,
    p5: bool,
    p6: bool,
    p7: bool,
    p8: bool,
}

const NAMES: [&str; 8] = ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8"];

impl Wanted {
    /// Those named in `only`, or all.
    fn of(only: &[String]) -> anyhow::Result<Self> {
        if let Some(unknown) = only.iter().find(|name| !NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))) {
            return Err(Usage::msg(format!("--only: found {unknown:?}, wanted some of {}", NAMES.join(","))));
        }
        let is = |name: &str| only.is_empty() || only.iter().any(|asked| asked.eq_ignore_ascii_case(name));
        let [p1, p2, p3, p4, p5, p6, p7, p8] = NAMES.map(is);
        Ok(Self { p1, p2, p3, p4, p5, p6, p7, p8 })
    }
}

/// Exit code 1 when something of ours could not be measured that should have been.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(recording) = &args.decode_only {
        let pictures = patrol_sim::street::count_decoded(recording)?;
        println!("{}", serde_json::to_string(&Decoded { pictures })?);
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = Wanted::of(&args.only)?;
    let cameras = (!args.cameras.is_empty()).then(|| {
        let mut cameras: Vec<usize> = args.cameras.iter().map(|count| *count as usize).collect();
        cameras.sort_unstable();
        cameras
    });
    let context = Context::new(args.short, cameras)?;
    if cfg!(debug_assertions) {
        eprintln!("warning: this is no release build; its figures say nothing (cargo run --release -p patrol -- bench)");
    }
    if !child::can_pin() {
        eprintln!("warning: taskset is missing (package util-linux); processes run on any core");
    }
    let clock = SystemClock::new();
    let measures = measures(&context, wanted);
    let report = Report {
        form: if args.short { "short" } else { "full" },
        machine: proc::machine(),
        wall_s: clock.monotonic().as_secs_f64(),
        measures,
    };
    if args.json {
        eprint!("{}", report.text());
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    Ok(if report.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn measures(context: &Context, wanted: Wanted) -> Vec<Measure> {
    let mut measures = Vec::new();
    let one = |id: &'static str, what: &'static str, measured: anyhow::Result<Measure>| {
        measured.unwrap_or_else(|error| Measure::failed(id, what, &error))
    };
    if wanted.p1 {
        measures.push(one("P1", "whole path, every picture", whole_path::measure(context)));
    }
    if wanted.p2 || wanted.p5 || wanted.p6 {
        measures.extend(cameras::measure(context, wanted));
    }
    if wanted.p3 || wanted.p5 {
        measures.extend(thermal::measure(context, wanted));
    }
    if wanted.p4 {
        measures.push(latency::measure(context));
    }
    if wanted.p7 {
        measures.push(one("P7", "check whether anything has changed", inner::change(context)));
    }
    if wanted.p8 {
        measures.extend(inner::tracker(context));
    }
    // P5 and P6 come from runs of P2 and P3.
    measures.sort_by_key(|measure| measure.id);
    measures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_chosen_by_name() {
        let all = Wanted::of(&[]).expect("all");
        assert!(all.p1 && all.p8);
        let some = Wanted::of(&["p2".into(), "P7".into()]).expect("two");
        assert!(some.p2 && some.p7 && !some.p1 && !some.p5);
        let error = Wanted::of(&["P9".into()]).expect_err("no such measure").to_string();
        assert!(error.contains("P9") && error.contains("P1,P2"), "{error}");
    }

    #[test]
    fn a_folder_is_there_as_long_as_the_bench() {
        let context = Context::new(true, None).expect("a context");
        let folder = context.folder("some").expect("a folder");
        assert!(folder.is_dir() && !context.all_cores.is_empty() && !context.street_cores.is_empty());
        drop(context);
        assert!(!folder.is_dir());
    }
}

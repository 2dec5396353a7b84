//! `patrol`: the command. Config, composition, telemetry. A library only so that what reads outside bytes can be fuzzed.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the command: results go to standard output, words to standard error"
)]

mod archive;
mod commands;
mod config;
mod eval;
mod failpoint;
mod faults;
mod feeds;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod kept;
mod main_stream;
mod models;
mod office;
mod scripted;
mod service;
mod sources;
mod system;
mod telemetry;

use clap::{Parser, Subcommand};
use config::{Problems, Usage};
use std::process::ExitCode;

/// 线上巡屏: finds people lying, sitting or huddled outdoors in the cold on street cameras, and puts leads into the dispatch queue.
#[derive(Parser)]
#[command(name = "patrol", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Patrol a rendered winter street, ten times as fast as real time, with a page to watch it.
    Demo(commands::demo::Args),
    /// Run a pipeline.
    Run(commands::run::Args),
    /// Report every problem of a pipeline at once.
    Check(commands::check::Args),
    /// Run a pipeline over recordings with a simulated clock; byte-equal results.
    Replay(commands::replay::Args),
    /// Detect people in pictures; writes COCO results.
    Detect(commands::detect::Args),
    /// Compare results with the truth.
    Eval(eval::Args),
    /// Render scenes with known truth, or play the city's platform.
    Sim(commands::sim::Args),
    /// The speeds we owe, each beside its limit or a peer.
    Bench(commands::bench::Args),
    /// Model cards: list, fetch, verify.
    Models(models::Args),
}

/// The command. Exit codes: 0 done, 1 failed, 2 bad usage or configuration.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::start_logging();
    let done = match cli.command {
        Command::Demo(args) => commands::demo::run(&args),
        Command::Run(args) => commands::run::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Replay(args) => commands::replay::run(&args),
        Command::Detect(args) => commands::detect::run(&args),
        Command::Eval(args) => eval::run(args).map(|()| ExitCode::SUCCESS),
        Command::Sim(args) => commands::sim::run(args),
        Command::Bench(args) => commands::bench::run(&args),
        Command::Models(args) => models::run(args),
    };
    match done {
        Ok(code) => code,
        Err(error) if error.is::<Problems>() => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
        Err(error) if error.is::<Usage>() => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

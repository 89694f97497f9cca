//! The command line of SpectralKD: parse, call, print.
//!
//! Everything that does work lives in the crates; this is the only place that prints. Two programs are made of it:
//! `xtask`, for the CPU, and with the feature `cuda` also `xtask-cuda`, which the first starts for a card; they (and the
//! benches) choose the allocator.

mod analyze;
mod cli;
mod compare;
mod cuda;
mod doctor;
mod evaluate;
mod export;
mod failure;
mod features;
mod listing;
mod model;
mod models;
mod output;
mod provenance;
mod reproduce;
mod speed;
mod step;
mod terminal;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use failure::Failure;

/// The exit code after Ctrl-C, as shells have it: 128 and the signal's number.
const STOPPED: u8 = 130;

/// Does what the arguments of this process say.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    failure::install();
    let filter = if cli.verbose {
        tracing::Level::INFO
    } else {
        tracing::Level::WARN
    };
    tracing_subscriber::fmt()
        .with_max_level(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .without_time()
        .init();
    let handed = cuda::hand_over(cli.command.device());
    let result = handed.and_then(|()| match cli.command {
        Command::Reproduce(arguments) => reproduce::reproduce(&arguments),
        Command::Models(arguments) => models::models(&arguments),
        Command::Features(arguments) => features::features(&arguments),
        Command::Evaluate(arguments) => evaluate::evaluate(&arguments),
        Command::Analyze(arguments) => analyze::analyze(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Export(arguments) => export::export(&arguments),
        Command::Speed(arguments) => speed::speed(&arguments),
        Command::Step(arguments) => step::step(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
    });
    match result.and_then(|()| output::finish().map_err(Failure::Output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Stopped) => ExitCode::from(STOPPED),
        Err(error) => {
            let report = failure::report(error);
            // Where nobody reads it, the exit code says it alone.
            drop(writeln!(std::io::stderr(), "{report:?}"));
            ExitCode::FAILURE
        }
    }
}

//! The command line of SpectralKD: parse, call, print.
//!
//! Everything that does work lives in the crates; this is
//! the only place that prints, and the only one (with the benches) that chooses an allocator.

mod analyze;
mod cli;
mod compare;
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

// Freed tensors go back to the next tensor instead of to the system, which would have to
// clear their pages again: about a third of a training step with glibc's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code after Ctrl-C, as shells have it: 128 and the signal's number.
const STOPPED: u8 = 130;

fn main() -> ExitCode {
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
    let result = match cli.command {
        Command::Reproduce(arguments) => reproduce::reproduce(&arguments),
        Command::Models(arguments) => models::models(&arguments),
        Command::Features(arguments) => features::features(&arguments),
        Command::Evaluate(arguments) => evaluate::evaluate(&arguments),
        Command::Analyze(arguments) => analyze::analyze(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Export(arguments) => export::export(&arguments),
        Command::Speed(arguments) => speed::speed(&arguments),
        Command::Step(arguments) => step::step(&arguments),
        Command::Doctor => doctor::doctor(),
    };
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

//! `reproduce`: read the experiment, show the plan, run it, show the table.

use std::sync::atomic::{AtomicBool, Ordering};

use spectralkd_base::progress::Progress;
use spectralkd_experiment::config::{self, Experiment, Source};
use spectralkd_experiment::error::Error;
use spectralkd_experiment::reproduce::{Options, Status, Summary, plan, reproduce as run};
use spectralkd_runtime::{Precision, Runtime};

use crate::cli::Reproduce;
use crate::failure::{Failure, Result};
use crate::model::workers;
use crate::output::say;
use crate::terminal::Terminal;
use crate::{listing, provenance};

static INTERRUPT: AtomicBool = AtomicBool::new(false);

/// Does what the arguments ask for.
///
/// # Errors
/// Whatever ends the experiment.
pub fn reproduce(arguments: &Reproduce) -> Result<()> {
    let root = provenance::workspace();
    let experiments = root.join("experiments");
    if arguments.list {
        return listing::list(&experiments);
    }
    let path = config::find(&experiments, &arguments.experiment)?;
    let source = Source::read(&path)?;
    let mut sets = arguments.set.clone();
    if !arguments.seeds.is_empty() {
        let seeds: Vec<String> = arguments.seeds.iter().map(u64::to_string).collect();
        sets.push(format!("seeds=[{}]", seeds.join(",")));
    }
    let experiment = config::resolve(&source, arguments.profile.as_deref(), &sets)?;

    if arguments.jobs == Some(0) {
        return Err(Failure::Usage("--jobs must be at least 1".into()));
    }
    let threads = workers(arguments.threads)?;
    let runs = root.join("runs");
    let options = Options {
        out: arguments
            .out
            .clone()
            .unwrap_or_else(|| runs.join(&experiment.name).join(&experiment.profile)),
        runs,
        data: arguments.data.clone(),
        threads,
        jobs: arguments.jobs,
        fresh: arguments.fresh,
        train_teacher: arguments.train_teacher,
        runtime: Runtime::open(arguments.device, trained_in(arguments.precision)?)?,
        provenance: provenance::provenance(),
    };
    show_plan(&experiment, &options, arguments.dry_run)?;
    if arguments.dry_run {
        return Ok(());
    }
    // A second Ctrl-C ends the process at once; the checkpoints are safe either way.
    let handler = || {
        if INTERRUPT.swap(true, Ordering::Relaxed) {
            std::process::exit(crate::STOPPED.into());
        }
    };
    ctrlc::set_handler(handler)
        .map_err(|e| Failure::Machine(format!("cannot listen for Ctrl-C: {e}")))?;
    let terminal = Terminal::new();
    let summary = match run(&experiment, &options, &terminal, &INTERRUPT) {
        Err(stopped @ Error::Stopped) => {
            terminal.note(&stopped.to_string());
            return Err(Failure::Stopped);
        }
        ended => ended?,
    };
    show_summary(&summary);
    match summary.status {
        Status::Interrupted { .. } => Err(Failure::Stopped),
        Status::Done | Status::AlreadyDone => Ok(()),
    }
}

/// Of the precisions those in which models can be trained.
fn trained_in(precision: Precision) -> Result<Precision> {
    match precision {
        Precision::Bf16 => Err(Failure::Usage(
            "--precision bf16: models are trained in f32 or tf32; a teacher's weights may be bf16 (`teacher.precision`)"
                .into(),
        )),
        precision => Ok(precision),
    }
}

fn show_plan(experiment: &Experiment, options: &Options, dry_run: bool) -> Result<()> {
    say!("{} ({})", experiment.title, experiment.profile);
    for (key, value) in plan(experiment, options, dry_run)? {
        say!("  {key:<10} {value}");
    }
    say!("  {:<10} {}", "folder", options.out.display());
    say!();
    Ok(())
}

fn show_summary(summary: &Summary) {
    say!();
    if let Some(objection) = &summary.table.objection {
        say!("{objection}\n");
    }
    say!("{}", summary.table.text());
    for sentence in &summary.sentences {
        say!("{sentence}");
    }
    say!();
    match &summary.status {
        Status::Done => say!("Done."),
        Status::AlreadyDone => say!("This was done before; --fresh starts anew."),
        Status::Interrupted { missing } => {
            say!("Stopped with {missing} runs to do; the same command goes on.");
        }
    }
    if let Some(weights) = &summary.exported {
        say!("Weights: {}", weights.display());
    }
    say!("Report:  {}", summary.report.display());
}

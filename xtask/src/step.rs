//! `step`: one training step on given weights and images, every number of it in a file.

use spectralkd_experiment::config::{self, Source};
use spectralkd_experiment::single_step::{StepOptions, step as run};
use spectralkd_runtime::{Precision, Runtime};

use crate::cli::Step;
use crate::failure::Result;
use crate::model::workers;
use crate::output::say;
use crate::provenance;
use crate::terminal::Terminal;

/// Does what the arguments ask for.
///
/// # Errors
/// As [`run`].
pub fn step(arguments: &Step) -> Result<()> {
    let experiments = provenance::workspace().join("experiments");
    let path = config::find(&experiments, &arguments.experiment)?;
    let experiment = config::resolve(
        &Source::read(&path)?,
        arguments.profile.as_deref(),
        &arguments.set,
    )?;
    let options = StepOptions {
        images: arguments.images.clone(),
        output: arguments.output.clone(),
        variant: arguments.variant.clone(),
        epoch: arguments.epoch,
        device: Runtime::open(arguments.device, Precision::F32)?.device,
    };
    workers(arguments.threads)?;
    let report = run(&experiment, &options, &Terminal::new())?;
    say!(
        "{} of {} ({})",
        report.variant,
        experiment.name,
        experiment.profile
    );
    for (name, value) in &report.losses {
        say!("  {:<24} {value:.6}", format!("loss.{name}"));
    }
    say!("  {:<24} {:.6}", "gradient norm", report.gradient_norm);
    say!("  {:<24} {}", "clipped by", report.clip);
    say!("  {:<24} {:e}", "learning rate", report.lr);
    say!("  {:<24} {} tensors", "parameters", report.parameters);
    say!("Written: {}", options.output.display());
    Ok(())
}

//! Errors as a person wants to read them: what, where, and what to do next.

use miette::{LabeledSpan, MietteDiagnostic, NamedSource, Report};
use spectralkd_experiment::error::Error as ExperimentError;

/// The result of a command.
pub type Result<T> = std::result::Result<T, Failure>;

/// Why a command has failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Arguments that make no sense, or not together.
    #[error("{0}")]
    Usage(String),
    /// The machine does not do what the command needs.
    #[error("{0}")]
    Machine(String),
    /// A result that JSON cannot hold.
    #[error("the result is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Ctrl-C: work is left, and what was done is kept. It has been said.
    #[error("stopped")]
    Stopped,
    /// What was to be printed could not be written.
    #[error("cannot write to standard output: {0}; files that the command writes are complete")]
    Output(#[source] std::io::Error),
    /// An experiment.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// A model on images.
    #[error(transparent)]
    Lens(#[from] spectralkd_lens::Error),
    /// A measurement of speed.
    #[error(transparent)]
    Speed(#[from] spectralkd_speed::Error),
    /// A device that cannot be used.
    #[error(transparent)]
    Device(#[from] spectralkd_runtime::Error),
    /// A model that is not known.
    #[error(transparent)]
    Model(#[from] spectralkd_models::Error),
}

/// Plain or graphical output, decided once: graphical where standard error is a terminal.
pub fn install() {
    // It fails only where a hook is installed already, and this is called once.
    drop(miette::set_hook(Box::new(|_| {
        Box::new(miette::MietteHandlerOpts::new().width(110).build())
    })));
}

/// Turns an error into a report; a mistake in a TOML file is shown in its line.
pub fn report(failure: Failure) -> Report {
    let Failure::Experiment(ExperimentError::Config(config)) = failure else {
        return Report::msg(chain(&failure));
    };
    let mut diagnostic = MietteDiagnostic::new(config.message.clone());
    if let Some(help) = &config.help {
        diagnostic = diagnostic.with_help(help.clone());
    }
    let name = config.path.display().to_string();
    match &config.span {
        Some(span) => {
            let label = LabeledSpan::at(span.clone(), "here");
            Report::new(diagnostic.with_label(label))
                .with_source_code(NamedSource::new(name, config.text.clone()))
        }
        None => {
            diagnostic.message = format!("{name}: {}", diagnostic.message);
            Report::new(diagnostic)
        }
    }
}

/// An error with its causes, leaving out a cause whose text the message above it holds already.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

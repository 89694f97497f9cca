//! Errors as a person wants to read them: what, where, and what to do next.

use miette::{LabeledSpan, MietteDiagnostic, NamedSource, Report};
use spectralkd_experiment::error::Error;

/// Plain or graphical output, decided once: graphical where standard error is a terminal.
pub fn install() {
    // It fails only where a hook is installed already, and this is called once.
    drop(miette::set_hook(Box::new(|_| {
        Box::new(miette::MietteHandlerOpts::new().width(110).build())
    })));
}

/// Turns an error into a report; a mistake in a TOML file is shown in its line.
pub fn report(error: Error) -> Report {
    let Error::Config(config) = error else {
        return Report::msg(chain(&error));
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

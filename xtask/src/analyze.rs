//! `analyze`: the spectra of models.

use spectralkd_experiment::error::Result;
use spectralkd_experiment::inference::{Subject, SubjectSource};
use spectralkd_experiment::lens;

use crate::cli::Analyze;
use crate::model::workers;
use crate::terminal::Terminal;

/// Analyses the spectra of one model or several.
///
/// # Errors
/// A model or images cannot be loaded, or the folder cannot be written.
pub fn analyze(arguments: &Analyze) -> Result<()> {
    workers(arguments.model.threads)?;
    let source = match &arguments.features {
        Some(file) => SubjectSource::Features(file.clone()),
        None => SubjectSource::Model(arguments.model.request()),
    };
    let first = Subject {
        label: arguments.label.clone(),
        source,
    };
    let subjects: Vec<Subject> = [first].into_iter().chain(arguments.also.clone()).collect();
    let options = arguments.look.options(arguments.model.batch);
    let (permutations, terminal) = (arguments.permutations, Terminal::new());
    let seen =
        rayon::scope(|_| lens::analyze::analyze(&subjects, &options, permutations, &terminal))?;
    println!("{}", seen.table);
    println!("Report:  {}", seen.report.display());
    Ok(())
}

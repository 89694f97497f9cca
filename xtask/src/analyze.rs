//! `analyze`: the spectra of models.

use spectralkd_lens::{FeatureSource, FeaturesFrom, analyze as lens};

use crate::cli::Analyze;
use crate::failure::Result;
use crate::model::workers;
use crate::output::say;
use crate::terminal::Terminal;

/// Analyses the spectra of one model or several.
///
/// # Errors
/// A model or images cannot be loaded, or the folder cannot be written.
pub fn analyze(arguments: &Analyze) -> Result<()> {
    workers(arguments.model.threads)?;
    let from = match &arguments.features {
        Some(file) => FeaturesFrom::File(file.clone()),
        None => FeaturesFrom::Model(arguments.model.request()),
    };
    let first = FeatureSource {
        label: arguments.label.clone(),
        from,
    };
    let sources: Vec<FeatureSource> = [first].into_iter().chain(arguments.also.clone()).collect();
    let options = arguments.lens.options(arguments.model.batch);
    let (permutations, terminal) = (arguments.permutations, Terminal::new());
    let found = rayon::scope(|_| lens::analyze(&sources, &options, permutations, &terminal))?;
    say!("{}", found.table);
    say!("Report:  {}", found.report.display());
    Ok(())
}

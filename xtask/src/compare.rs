//! `compare`: two models, layer by layer.

use spectralkd_lens::compare as lens;

use crate::cli::Compare;
use crate::failure::Result;
use crate::model::workers;
use crate::output::say;
use crate::terminal::Terminal;

/// Compares all pairs of layers of two models.
///
/// # Errors
/// A model or images cannot be loaded, or the folder cannot be written.
pub fn compare(arguments: &Compare) -> Result<()> {
    workers(arguments.threads)?;
    let options = arguments.lens.options(arguments.batch);
    let terminal = Terminal::new();
    let found = rayon::scope(|_| lens::compare(&arguments.a, &arguments.b, &options, &terminal))?;
    say!("{}", found.table);
    say!("Report:  {}", found.report.display());
    Ok(())
}

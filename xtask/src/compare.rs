//! `compare`: two models, layer by layer.

use spectralkd_experiment::error::Result;
use spectralkd_experiment::lens;

use crate::cli::Compare;
use crate::model::workers;
use crate::terminal::Terminal;

/// Compares all pairs of layers of two models.
///
/// # Errors
/// A model or images cannot be loaded, or the folder cannot be written.
pub fn compare(arguments: &Compare) -> Result<()> {
    workers(arguments.threads)?;
    let options = arguments.look.options(arguments.batch);
    let terminal = Terminal::new();
    let seen =
        rayon::scope(|_| lens::compare::compare(&arguments.a, &arguments.b, &options, &terminal))?;
    println!("{}", seen.table);
    println!("Report:  {}", seen.report.display());
    Ok(())
}

//! `export`: a finished run as a folder that timm opens.

use spectralkd_experiment::export::timm;

use crate::cli::Export;
use crate::failure::Result;
use crate::output::say;

/// Does what the arguments ask for.
///
/// # Errors
/// The folder holds no finished run, or the export cannot be written.
pub fn export(arguments: &Export) -> Result<()> {
    let exported = timm::export(&arguments.run, &arguments.to, arguments.average)?;
    say!("{} ({})", exported.title, exported.architecture);
    say!("  {}", arguments.to.display());
    say!(
        "  timm.create_model(\"local-dir:{}\", pretrained=True)",
        arguments.to.display()
    );
    Ok(())
}

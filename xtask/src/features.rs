//! `features`: a model on images, into a file.

use std::time::Instant;

use spectralkd_lens::{ModelImages, features};

use crate::cli::Features;
use crate::failure::Result;
use crate::output::say;
use crate::terminal::Terminal;

/// Does what the arguments ask for.
///
/// # Errors
/// The model or the images cannot be loaded, or the file cannot be written.
pub fn features(arguments: &Features) -> Result<()> {
    let terminal = Terminal::new();
    let loaded = arguments.model.load(arguments.device, &terminal)?;
    let mut images = ModelImages::open(&arguments.images.source()?, &loaded)?;
    let start = Instant::now();
    let batch = arguments.model.batch;
    let (taps, output) = (&arguments.taps, &arguments.output);
    // The loop runs on a worker: a caller from outside would wake one for every layer.
    let written =
        rayon::scope(|_| features::write(&loaded, &mut images, taps, batch, output, &terminal))?;
    let seconds = start.elapsed().as_secs_f64();
    say!(
        "{} on {} images in {seconds:.2} s ({:.1} images/s)",
        loaded.name,
        images.len(),
        images.len() as f64 / seconds
    );
    for (name, shape) in &written.tensors {
        say!("  {name:<12} {shape:?}");
    }
    say!("{}", output.display());
    Ok(())
}

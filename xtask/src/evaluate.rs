//! `evaluate`: the accuracy of a model on labelled images.

use crate::cli::Evaluate;
use crate::failure::Result;
use crate::output::say;
use crate::terminal::Terminal;

/// Does what the arguments ask for.
///
/// # Errors
/// The model or the images cannot be loaded, or do not fit together.
pub fn evaluate(arguments: &Evaluate) -> Result<()> {
    let terminal = Terminal::new();
    let loaded = arguments.model.load(arguments.device, &terminal)?;
    let (data, split) = (&arguments.data, arguments.split.as_deref());
    let batch = arguments.model.batch;
    let result =
        rayon::scope(|_| spectralkd_lens::evaluate(&loaded, data, split, batch, &terminal))?;
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&result)?);
        return Ok(());
    }
    say!("{} ({})", result.model, result.weights);
    say!("  images    {} from {}", result.images, result.data);
    say!("  top-1     {:.2} %", result.top1);
    say!("  top-5     {:.2} %", result.top5);
    say!("  loss      {:.4} nats", result.loss);
    say!("  speed     {:.1} images/s", result.images_per_second);
    Ok(())
}

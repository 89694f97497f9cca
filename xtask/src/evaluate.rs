//! `evaluate`: the accuracy of a model on labelled images.

use spectralkd_experiment::error::{Error, Result};
use spectralkd_experiment::inference;

use crate::cli::Evaluate;
use crate::terminal::Terminal;

/// Does what the arguments ask for.
///
/// # Errors
/// The model or the images cannot be loaded, or do not fit together.
pub fn evaluate(arguments: &Evaluate) -> Result<()> {
    let terminal = Terminal::new();
    let checkpoint = arguments.model.load(&terminal)?;
    let (data, split) = (&arguments.data, arguments.split.as_deref());
    let batch = arguments.model.batch;
    let result = rayon::scope(|_| inference::evaluate(&checkpoint, data, split, batch, &terminal))?;
    if arguments.json {
        let text = serde_json::to_string_pretty(&result)
            .map_err(|e| Error::Unfit(format!("the result is no JSON: {e}")))?;
        println!("{text}");
        return Ok(());
    }
    println!("{} ({})", result.model, result.weights);
    println!("  images    {} from {}", result.images, result.data);
    println!("  top-1     {:.2} %", result.top1);
    println!("  top-5     {:.2} %", result.top5);
    println!("  loss      {:.4} nats", result.loss);
    println!("  speed     {:.1} images/s", result.images_per_second);
    Ok(())
}

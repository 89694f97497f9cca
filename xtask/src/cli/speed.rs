//! The arguments of `speed`.

use clap::{Args, Subcommand};
use spectralkd_runtime::{self as runtime, Choice};
use spectralkd_speed::{Form, Precision};

use super::model::at_least_one;

/// Arguments of `speed`.
#[derive(Debug, Args)]
pub struct Speed {
    /// One case; without, the standard list, each in a process of its own.
    #[command(subcommand)]
    pub case: Option<SpeedCase>,
    /// Worker threads [default: all cores].
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// Timed runs [default: 10; a loss 50].
    #[arg(long, global = true, value_name = "N", value_parser = at_least_one)]
    pub runs: Option<usize>,
    /// Runs before them [default: 2; a loss 5].
    #[arg(long, global = true, value_name = "N")]
    pub warmup: Option<usize>,
    /// Number types, of step: f32, or bf16-teacher for weights of the teacher in bf16.
    #[arg(long, global = true, default_value = "f32", value_name = "TYPE")]
    pub dtype: Precision,
    /// Where to compute: cpu, cuda (the first card), cuda:N, or auto (a card where there is one).
    #[arg(long, global = true, default_value_t = Choice::Cpu, value_name = "DEVICE")]
    pub device: Choice,
    /// The products of a card: f32 or tf32.
    #[arg(long, global = true, default_value_t = runtime::Precision::F32, value_name = "PRECISION")]
    pub precision: runtime::Precision,
    /// As JSON, one line for each case.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What is timed.
#[derive(Debug, Subcommand)]
pub enum SpeedCase {
    /// A step of distillation: teacher, student, loss, backward pass, AdamW.
    Step {
        /// The model that trains.
        #[arg(long, default_value = "deit_tiny_patch16_224", value_name = "NAME")]
        student: String,
        /// The model that it learns from.
        #[arg(long, default_value = "cait_s24_224", value_name = "NAME")]
        teacher: String,
        /// Images in a batch.
        #[arg(long, default_value_t = 8, value_name = "N", value_parser = at_least_one)]
        batch: usize,
    },
    /// A step of plain training.
    Train {
        /// The model.
        #[arg(long, default_value = "deit_tiny_patch16_224", value_name = "NAME")]
        student: String,
        /// Images in a batch.
        #[arg(long, default_value_t = 16, value_name = "N", value_parser = at_least_one)]
        batch: usize,
    },
    /// A forward pass to the logits.
    Infer {
        /// The model.
        #[arg(long, default_value = "deit_tiny_patch16_224", value_name = "NAME")]
        student: String,
        /// Images in a batch.
        #[arg(long, default_value_t = 16, value_name = "N", value_parser = at_least_one)]
        batch: usize,
    },
    /// The spectral loss of one pair of feature maps, forward and backward.
    Loss {
        /// Batch, channels, height and width of the maps.
        #[arg(long, default_value = "8,192,14,14", value_name = "B,C,H,W", value_parser = shape)]
        shape: Shape,
        /// How it is computed: parseval, or fft by its definition.
        #[arg(long, default_value = "parseval", value_name = "FORM", value_parser = form)]
        form: Form,
    },
}

/// Batch, channels, height, width.
#[derive(Clone, Copy, Debug)]
pub struct Shape(pub [usize; 4]);

fn shape(text: &str) -> Result<Shape, String> {
    let sizes: Result<Vec<usize>, _> = text.split(',').map(|size| size.trim().parse()).collect();
    let shape = sizes
        .ok()
        .and_then(|sizes| <[usize; 4]>::try_from(sizes).ok());
    match shape {
        Some(shape) if !shape.contains(&0) => Ok(Shape(shape)),
        Some(_) => Err(format!("`{text}` holds a 0: all four sizes are at least 1")),
        None => Err(format!(
            "`{text}` is no batch, channels, height and width; write 8,192,14,14"
        )),
    }
}

fn form(text: &str) -> Result<Form, String> {
    match text {
        "parseval" => Ok(Form::Parseval),
        "fft" => Ok(Form::Fft),
        _ => Err(format!("`{text}` is none of parseval, fft")),
    }
}

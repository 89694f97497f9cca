//! The arguments.

mod lens;
mod model;
mod speed;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use spectralkd_models::Taps;
use spectralkd_runtime::{Choice, Precision};

pub use lens::{Analyze, Compare, Lens};
use model::taps;
pub use model::{Images, Model};
pub use speed::{Speed, SpeedCase};

/// Understand and distil Vision Transformers through their spectra.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Also print what the libraries report on the way.
    #[arg(long, global = true)]
    pub verbose: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an experiment of the paper: train, compare, analyse, report. Run again, it goes on where it stopped.
    Reproduce(Reproduce),
    /// List the models that can be named, with their sizes and costs; or show one in full.
    Models(Models),
    /// Write logits and feature maps of a model on images to a safetensors file.
    Features(Features),
    /// Measure the accuracy of a model on labelled images.
    Evaluate(Evaluate),
    /// The spectra of a model, or of several on one axis, with the controls beside them.
    Analyze(Analyze),
    /// All pairs of layers of two models: losses, similarity and distances, as tables and heat maps.
    Compare(Compare),
    /// Write a trained run as a folder that timm opens.
    Export(Export),
    /// Time a step of distillation, training, inference and the loss, against what the machine can do at best.
    Speed(Speed),
    /// One training step of an experiment on given weights and images: losses, gradients and updated parameters. Both
    /// models get the images as they are: mean, std and the teacher's class names are not used.
    Step(Step),
    /// Look at this machine: processor, memory, devices, disk, the hub and its cache; check what a device computes.
    Doctor(Doctor),
}

impl Command {
    /// Where it is to compute.
    pub fn device(&self) -> Choice {
        match self {
            Self::Doctor(arguments) => arguments.device,
            Self::Speed(arguments) => arguments.device,
            Self::Step(arguments) => arguments.device,
            Self::Features(arguments) => arguments.device,
            Self::Evaluate(arguments) => arguments.device,
            Self::Reproduce(arguments) => arguments.device,
            _ => Choice::Cpu,
        }
    }
}

/// Arguments of `models`.
#[derive(Debug, Args)]
pub struct Models {
    /// Show this model alone, with all its taps.
    pub name: Option<String>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Where to compute: cpu, cuda (the first card), cuda:N, or auto (a card where there is one).
    #[arg(long, default_value_t = Choice::Cpu, value_name = "DEVICE")]
    pub device: Choice,
    /// Compute every layer, loss, spectral operation, optimiser step, model family and step of distillation on the device
    /// and in f64 on the CPU, and compare: about a minute.
    #[arg(long)]
    pub check: bool,
    /// As JSON, one line for each comparison and one for the verdict.
    #[arg(long, requires = "check")]
    pub json: bool,
}

/// Arguments of `features`.
#[derive(Debug, Args)]
pub struct Features {
    #[command(flatten)]
    pub model: Model,
    #[command(flatten)]
    pub images: Images,
    /// Where to compute: cpu, cuda (the first card), cuda:N, or auto (a card where there is one).
    #[arg(long, default_value_t = Choice::Cpu, value_name = "DEVICE")]
    pub device: Choice,
    /// The file to write: `logits` [B, K] and `features.<i>` [B, C, H, W].
    #[arg(long, value_name = "Y.safetensors")]
    pub output: PathBuf,
    /// Which taps: all, none, indices as in 0,3,-1 (counted from the end below 0), or last:N.
    #[arg(long, default_value = "all", value_name = "TAPS", value_parser = taps, allow_hyphen_values = true)]
    pub taps: Taps,
}

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub struct Evaluate {
    #[command(flatten)]
    pub model: Model,
    /// A folder with a folder of pictures for each class, or with IDX files.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Which pair of IDX files, by the beginning of their names [default: t10k].
    #[arg(long, value_name = "NAME")]
    pub split: Option<String>,
    /// Where to compute: cpu, cuda (the first card), cuda:N, or auto (a card where there is one).
    #[arg(long, default_value_t = Choice::Cpu, value_name = "DEVICE")]
    pub device: Choice,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The folder of one run, as in runs/headline/quick/spectral/seed-0.
    pub run: PathBuf,
    /// The folder to write.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// The moving average of the weights in their place (`train.ema`).
    #[arg(long)]
    pub average: bool,
}

/// Arguments of `reproduce`.
#[derive(Debug, Args)]
pub struct Reproduce {
    /// A name in experiments/ or a path to a TOML file.
    #[arg(default_value = "headline")]
    pub experiment: String,
    /// The profile; the file names its default.
    #[arg(long)]
    pub profile: Option<String>,
    /// List the experiments and their profiles, and do nothing.
    #[arg(long)]
    pub list: bool,
    /// Show what would be done and about how long it takes, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Seeds instead of the file's, as in 0,1,2.
    #[arg(long, value_delimiter = ',', value_name = "N,N,…",
          value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seeds: Vec<u64>,
    /// Override a key of the file, as in train.epochs=3; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The run folder [default: runs/EXPERIMENT/PROFILE].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// A folder with the full data set (four IDX files, gzipped or not) instead of the embedded images.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Worker threads [default: all cores].
    #[arg(long)]
    pub threads: Option<usize>,
    /// Runs side by side, sharing the threads [default: one per thread; on a card one].
    #[arg(long)]
    pub jobs: Option<usize>,
    /// Where models are trained: cpu, cuda (the first card), cuda:N, or auto (a card where there is one). A run may go on
    /// on another device; its numbers then differ by rounding.
    #[arg(long, default_value_t = Choice::Cpu, value_name = "DEVICE")]
    pub device: Choice,
    /// The numbers of large products: f32, or on a card tf32.
    #[arg(long, default_value_t = Precision::F32, value_name = "PRECISION")]
    pub precision: Precision,
    /// Move an earlier run folder aside and start anew.
    #[arg(long)]
    pub fresh: bool,
    /// Train the teacher anew by its own recipe instead of using the weights in the repository.
    #[arg(long)]
    pub train_teacher: bool,
}

/// Arguments of `step`.
#[derive(Debug, Args)]
pub struct Step {
    /// A name in experiments/ or a path to a TOML file. `model.weights` and `teacher.weights` in it name the given
    /// weights.
    pub experiment: String,
    /// A safetensors file with `images`, f32 [B, C, H, W], already normalised, `labels`, an integer each, and perhaps
    /// `targets`, f32 [B, K].
    #[arg(long, value_name = "X.safetensors")]
    pub images: PathBuf,
    /// The file to write: `loss.<name>`, `grad.<parameter>` and `after.<parameter>`.
    #[arg(long, value_name = "Y.safetensors")]
    pub output: PathBuf,
    /// The variant [default: the first].
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// The epoch, which decides the learning rate and the weights of the losses; the first is 0.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub epoch: u64,
    /// The profile; the file names its default.
    #[arg(long)]
    pub profile: Option<String>,
    /// Override a key of the file, as in model.weights=student.safetensors; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where to compute: cpu, cuda (the first card), cuda:N, or auto (a card where there is one).
    #[arg(long, default_value_t = Choice::Cpu, value_name = "DEVICE")]
    pub device: Choice,
    /// Worker threads [default: all cores].
    #[arg(long)]
    pub threads: Option<usize>,
}

//! The arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    #[arg(long, value_delimiter = ',', value_name = "N,N,…")]
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
    /// Runs side by side, sharing the threads [default: one per thread].
    #[arg(long)]
    pub jobs: Option<usize>,
    /// Move an earlier run folder aside and start anew.
    #[arg(long)]
    pub fresh: bool,
    /// Train the teacher anew by its own recipe instead of using the weights in the repository.
    #[arg(long)]
    pub train_teacher: bool,
}

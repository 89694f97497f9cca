//! `xtask-cuda`: the same command line, linked with CUDA. `cargo xtask` starts it where a command asks for a card.

use std::process::ExitCode;

// As in `main.rs`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    xtask::run()
}

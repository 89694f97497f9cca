//! `cargo xtask`: the command line, for the CPU.

use std::process::ExitCode;

// Freed tensors go back to the next tensor instead of to the system, which would have to
// clear their pages again: about a third of a training step with glibc's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    xtask::run()
}

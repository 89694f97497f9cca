//! The second program, `xtask-cuda`: the same commands, linked with CUDA.
//!
//! A program that is linked with CUDA does not start where there is no driver: the loader ends it before its first
//! line, with the name of a file. So `cargo xtask` is linked without, and hands a command that asks for a card over to
//! `xtask-cuda`, which lies beside it where it was built; whatever is in the way, it has the words for it.

use std::path::PathBuf;
use std::process::Command;

use spectralkd_runtime::{Choice, has_cuda};

use crate::failure::{Failure, Result};

/// The name of the second program.
const NAME: &str = "xtask-cuda";
/// How it is built.
const BUILD: &str = "cargo build -p xtask --features cuda --bin xtask-cuda";

/// Goes on in `xtask-cuda` where a card is asked for that this program cannot use, and then does not return. For
/// [`Choice::Auto`] it returns where that program is not there or does not start: the CPU it is.
///
/// # Errors
/// Why there is no card for this command.
pub fn hand_over(choice: Choice) -> Result<()> {
    if !choice.may_be_card() || has_cuda() {
        return Ok(());
    }
    match program() {
        Ok(program) => {
            let mut command = Command::new(program);
            Err(replaced_by(command.args(std::env::args_os().skip(1))))
        }
        Err(_) if choice == Choice::Auto => Ok(()),
        Err(why) => Err(Failure::Machine(format!("--device {choice}: {why}"))),
    }
}

/// The second program, if it starts here; else why not.
pub fn program() -> std::result::Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|e| format!("{NAME} is not found: {e}"))?;
    let program = here.with_file_name(format!("{NAME}{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        return Err(format!(
            "cargo xtask computes on the CPU; for cards it needs {NAME} beside it ({BUILD}; docs/GPU.md has the rest)"
        ));
    }
    let started = Command::new(&program).arg("--version").output();
    match started {
        Ok(output) if output.status.success() => Ok(program),
        Ok(output) => Err(unstarted(&String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(unstarted(&error.to_string())),
    }
}

/// The loader's words for a person: `error while loading shared libraries: libcuda.so.1: cannot open …`.
fn unstarted(loader: &str) -> String {
    let library = loader
        .split_once("loading shared libraries: ")
        .and_then(|(_, rest)| rest.split(':').next());
    match library {
        Some(driver) if driver.starts_with("libcuda.so") => format!(
            "this machine has no NVIDIA driver, or it is not where programs look for it ({driver} is missing)"
        ),
        Some(library) => format!(
            "{NAME} does not start, because {library} is missing: name its folder in LD_LIBRARY_PATH (lib64 of a CUDA \
             toolkit, or nvidia/cu13/lib among PyTorch's packages)"
        ),
        None => format!("{NAME} does not start: {}", loader.trim()),
    }
}

/// Puts the command in this process's place, so that signals and the exit code are its own; returns only where that
/// fails.
#[cfg(unix)]
fn replaced_by(command: &mut Command) -> Failure {
    use std::os::unix::process::CommandExt;
    Failure::Machine(format!("{NAME} does not start: {}", command.exec()))
}

/// Runs the command and ends with its exit code.
#[cfg(not(unix))]
fn replaced_by(command: &mut Command) -> Failure {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => Failure::Machine(format!("{NAME} does not start: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_words_become_a_sentence() {
        let loader = |library: &str| {
            format!(
                "/x/xtask-cuda: error while loading shared libraries: {library}: cannot open shared object file: No \
                 such file or directory\n"
            )
        };
        assert!(unstarted(&loader("libcuda.so.1")).contains("no NVIDIA driver"));
        let text = unstarted(&loader("libcublas.so.13"));
        assert!(text.contains("libcublas.so.13 is missing") && text.contains("LD_LIBRARY_PATH"));
        assert!(unstarted("Permission denied").ends_with("does not start: Permission denied"));
    }
}

//! Results on standard output, whose reader may go away.

use std::fmt::Arguments;
use std::io::{Error, ErrorKind, Result, Write, stdout};
use std::sync::{Mutex, PoisonError};

/// What the first line ran into that could not be written.
static FAILED: Mutex<Option<Error>> = Mutex::new(None);

/// Prints a line as `println!` does, but goes on where it cannot be written: work that is under way is not lost with
/// its reader. [`finish`] says what went wrong.
macro_rules! say {
    () => { $crate::output::line(format_args!("")) };
    ($($argument:tt)*) => { $crate::output::line(format_args!($($argument)*)) };
}
pub(crate) use say;

/// Prints one line, unless one before it could not be printed.
pub fn line(text: Arguments<'_>) {
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    if failed.is_none() {
        *failed = writeln!(stdout(), "{text}").err();
    }
}

/// Whether all was printed. A reader that has read enough (`| head`) is no mistake.
///
/// # Errors
/// What the system said, such as a full disk.
pub fn finish() -> Result<()> {
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    let printed = failed.take().map_or_else(|| stdout().flush(), Err);
    match printed {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

//! `doctor`: what this machine offers, and what stands in the way.

use spectralkd_doctor::{State, examine};

use crate::failure::{Failure, Result};
use crate::output::say;
use crate::provenance::workspace;

/// Prints every finding.
///
/// # Errors
/// Something was found that has to be mended first.
pub fn doctor() -> Result<()> {
    let findings = examine(&workspace().join("runs"));
    for finding in &findings {
        let mark = match finding.state {
            State::Good => "ok  ",
            State::Warning => "note",
            State::Bad => "BAD ",
        };
        say!("{mark}  {:<11} {}", finding.topic, finding.text);
    }
    match findings.iter().filter(|f| f.state == State::Bad).count() {
        0 => Ok(()),
        bad => Err(Failure::Machine(format!(
            "{bad} things must be mended first, see above"
        ))),
    }
}

//! `doctor`: what this machine offers, what stands in the way, and whether a device computes what it should.

use spectralkd_doctor::{Finding, LIMIT, State, check, examine, verdict};
use spectralkd_runtime::{Precision, Runtime, has_cuda};

use crate::cli::Doctor;
use crate::cuda;
use crate::failure::{Failure, Result};
use crate::output::say;
use crate::provenance::workspace;

/// Prints every finding, or every comparison of a check.
///
/// # Errors
/// A device that cannot be used; something was found that has to be mended first.
pub fn doctor(arguments: &Doctor) -> Result<()> {
    let runtime = Runtime::open(arguments.device, Precision::F32)?;
    if arguments.check {
        return compare(&runtime, arguments.json);
    }
    let mut findings = examine(&workspace().join("runs"));
    if !has_cuda() {
        findings.push(cards());
    }
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

/// Whether there is a second program for cards. That there is none is nothing to mend.
fn cards() -> Finding {
    let text = match cuda::program() {
        Ok(_) => "xtask-cuda is there and starts: --device cuda".to_owned(),
        Err(why) => why,
    };
    Finding::new("cards", State::Good, text)
}

/// Prints each comparison when it is made, and a verdict.
fn compare(runtime: &Runtime, json: bool) -> Result<()> {
    let device = runtime.to_string();
    let card = runtime.card();
    if !json {
        let card = card.as_deref().map(|name| format!(" ({name})"));
        let card = card.unwrap_or_default();
        say!("{device}{card} beside f64 on the CPU: the tensor that is farthest off, of each case");
    }
    let all = check(runtime, &mut |compared| match json {
        // What cannot be written as JSON is a number that is not finite, and there is none.
        true => say!("{}", serde_json::to_string(compared).unwrap_or_default()),
        false => say!("{compared}"),
    });
    let verdict = verdict(&all);
    if json {
        let record = serde_json::json!({
            "device": device,
            "card": card,
            "passed": verdict.is_ok(),
            "verdict": verdict.as_ref().unwrap_or_else(|problem| problem),
            "limit": LIMIT,
        });
        say!("{record}");
    }
    match verdict {
        Ok(text) if !json => say!("{text}; the limit in f32 is {LIMIT:e}"),
        Ok(_) => {}
        Err(problem) => return Err(Failure::Machine(problem)),
    }
    Ok(())
}

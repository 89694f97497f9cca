//! Whether a device computes what it should: every layer, spectral operation and loss, optimiser and average, whole
//! models of every family and a whole step of distillation, on the device and in f64 on the CPU, on the same numbers.
//!
//! ```text
//! Place     where and in what a case is computed
//! Draw      its numbers: drawn by name, rounded to f32, then brought to the place
//! Case      a computation as a function of the place: results and gradients by name
//! Compared  how far two places are apart, tensor by tensor
//! ```
//!
//! Distances are ||a - b|| / ||b|| of a whole tensor, `b` the f64 one. In f32 each is held to [`LIMIT`]. The cases are also
//! computed in bf16 throughout: reported, without a limit.

mod case;
mod compared;
mod draw;
mod layers;
mod losses;
mod models;
mod optimiser;
mod place;
mod spectra;
mod step;

#[cfg(test)]
mod tests;

use std::time::Instant;

use spectralkd_runtime::{Precision, Runtime};

pub use compared::{Compared, LIMIT, Outcome, verdict};

use case::Case;
use place::Place;

/// Computes every case on the runtime's device in f32 (on a card with TF32 off) and in bf16, and compares it with f64 on the
/// CPU. `seen` gets each case when it is compared, for a check that may not come to its end.
pub fn check(runtime: &Runtime, seen: &mut dyn FnMut(&Compared)) -> Vec<Compared> {
    // Products in TF32 are another computation, which the limit does not hold for.
    Precision::F32.apply();
    let all = run(&cases(), runtime, seen);
    runtime.precision.apply();
    all
}

/// All cases, the smallest first.
fn cases() -> Vec<Case> {
    let mut cases = layers::cases();
    cases.extend(spectra::cases());
    cases.extend(losses::cases());
    cases.extend(optimiser::cases());
    cases.extend(models::cases());
    cases.extend(step::cases());
    cases
}

fn run(cases: &[Case], runtime: &Runtime, seen: &mut dyn FnMut(&Compared)) -> Vec<Compared> {
    let mut all = Vec::new();
    for case in cases {
        let reference = case.run(&Place::reference());
        for place in Place::all_of(runtime) {
            let clock = Instant::now();
            let found = case.run(&place);
            let mut compared = Compared::new(case, place.precision(), &found, &reference);
            compared.seconds = clock.elapsed().as_secs_f64();
            seen(&compared);
            all.push(compared);
        }
    }
    all
}

//! What tests compare tensors with: a development dependency of the other crates.
//!
//! - [`tensor`], [`drawn`]: reproducible numbers;
//! - [`flat`], [`scalar`], [`bits`]: a tensor as numbers;
//! - [`distance`], [`difference`], [`relative`], [`assert_close`], [`assert_near`]: how far two are
//!   apart;
//! - [`value_and_gradient`], [`step_gradient`], [`assert_gradient`]: derivatives, by backward pass and by differences;
//! - [`on_pools`]: the same on several numbers of threads.
//!
//! It panics wherever a test has to fail, on tensors of other shapes and on whatever candle refuses. NaN is equal to
//! nothing.
//!
//! ```
//! use spectralkd_testing::{assert_gradient, relative, tensor};
//!
//! let x = tensor(1, &[2, 3]);
//! assert_eq!(relative(&(&x * 1.25).unwrap(), &x), 0.25);
//! assert_gradient(&x, |x| x.sqr()?.sum_all());
//! ```
#![deny(missing_docs)]

mod compare;
mod gradients;
mod numbers;

pub use compare::{assert_close, assert_near, difference, distance, relative};
pub use gradients::{assert_gradient, step_gradient, value_and_gradient};
pub use numbers::{bits, drawn, flat, scalar, tensor};

/// Runs `f` on thread pools of 1, 2, 3 and 7 workers; what each gave.
pub fn on_pools<R: Send>(f: impl Fn() -> R + Sync) -> Vec<R> {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(&f)
    };
    [1, 2, 3, 7].into_iter().map(run).collect()
}

//! Whole experiments in small, from a TOML file to what stays on the disk: a net under the code between the two.
//!
//! Tests go through `config::load` and `reproduce` and look at the run folder only, so that they hold whatever is
//! moved, split or renamed behind. How an experiment is written down and what its loss terms are called stands in
//! `schema.rs` alone; the numbers in `pins/` are the contract and outlive both.
//!
//! Pinned numbers hold on any processor: terms and gradient norms of a first step to 1e-5 (rounding in f32 makes
//! about 1e-7 of difference), sums over training to the tolerance that is given with them, and accuracies to a few
//! images. Fifteen steps move them by less than 1e-6 where weights are off by their last bit, or where kernels run in
//! scalars instead of vectors. Nothing in them comes from another program; that the parts are right is shown by the
//! golden files of the crates.

mod disk;
mod first_weights;
mod four_variants;
mod parameters;
mod pictures;
mod pins;
mod ranks;
mod recipe;
mod refusals;
mod report_page;
mod resume;
mod schema;
mod teachers;
mod variants;
mod workplace;

//! The CPU kernels: forward and backward of each operation on f32 slices.
//!
//! One short file per operation, each with its formula. Public so that tests and benches
//! can run a kernel by itself on each instruction set; layers are the interface to use.
//! Conventions, for all of them:
//!
//! - Tensors are row-major slices without gaps; a "row" is the last axis (channels).
//!   [`storage`] makes them so, and copies where a tensor is strided.
//! - A kernel takes the instruction set as its first argument ([`simd::Arch`]) where it
//!   has vector code, and checks the lengths of its slices with `assert!`: kernels are
//!   called by operations that have turned bad shapes into errors already.
//! - Outputs are written once: kernels fill `MaybeUninit` slices ([`storage::filled`]).
//! - Threads come from rayon's current pool through [`parallel`] only. Work is cut by
//!   shape, sums over pieces are added in order: the result is bit-identical for any
//!   number of threads.
//! - `unsafe` lives in this folder and nowhere else, each block with its argument.
//! - Each kernel is held by a test to its layer's composed form in f64.

pub mod attention;
pub mod bf16;
pub mod functions;
pub mod gelu;
pub mod layer_norm;
pub mod linear;
pub mod matmul;
pub mod merge;
pub mod mlp;
pub mod parallel;
pub mod patches;
pub mod residual;
pub mod simd;
pub mod storage;
pub mod tokens;
pub mod transpose;

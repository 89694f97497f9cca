//! Scalar twins: each operation once more, as plain loops that follow the formula.
//!
//! They are generic over f32 and f64 ([`Real`]). In f64 they serve CPU tensors of that
//! type, which makes finite differences of whole models possible, and they are the
//! oracles that the vector kernels are tested against. They are not meant to be fast.

pub mod attention;
pub mod bf16;
pub mod gelu;
pub mod layer_norm;
pub mod linear;
pub mod merge;
pub mod mlp;
pub mod patches;
pub mod residual;
pub mod tokens;
pub mod windows;

use candle_core::WithDType;

/// The numbers that the twins are generic over: f32 and f64.
pub trait Real: WithDType + std::ops::Neg<Output = Self> {
    /// e^x.
    fn exp(self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// The error function, 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x.
    fn erf(self) -> Self;
    /// A small constant in this type.
    fn of(x: f64) -> Self {
        Self::from_f64(x)
    }
}

impl Real for f32 {
    fn exp(self) -> Self {
        self.exp()
    }
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    fn erf(self) -> Self {
        libm::erff(self)
    }
}

impl Real for f64 {
    fn exp(self) -> Self {
        self.exp()
    }
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    fn erf(self) -> Self {
        libm::erf(self)
    }
}

//! Squared errors of two feature maps in one pass, plain or weighted by frequency along the rows.
//!
//! With `d = a - b` over `[..., H, W]`, the three energies are
//!
//! * `E`: the sum of `d^2`;
//! * `E_dc = 1/W * sum over rows of (sum over w of d)^2`: the part of `E` in the frequency 0
//!   along W;
//! * `E_nyq = 1/W * sum over rows of (sum over w of (-1)^w d)^2`: the part in the frequency W/2,
//!   for even W.
//!
//! The op gives `scale * (E + dc * E_dc + nyquist * E_nyq)` and the gradient
//! `2 scale (d + dc/W * sum d + nyquist/W * (-1)^w * sum (-1)^w d)` for `a`, its negative for `b`.

mod kernel;
#[cfg(test)]
mod tests;

use candle_core::{
    CpuStorage, CustomOp2, D, DType, Device, Layout, Result, Shape, Storage, Tensor, WithDType,
    bail,
};

use kernel::Difference;

/// The factors on the three energies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weights {
    scale: f64,
    dc: f64,
    nyquist: f64,
}

impl Weights {
    /// The mean squared error of tensors of this shape.
    pub(crate) fn mean(dims: &[usize]) -> Self {
        let count = dims.iter().product::<usize>();
        Self {
            scale: 1.0 / count as f64,
            dc: 0.0,
            nyquist: 0.0,
        }
    }

    /// The mean squared error of the real and imaginary parts of the ortho half spectra of `[...,
    /// H, W]` tensors.
    ///
    /// Of the full spectrum, whose energy is `E` (Parseval), the half spectrum keeps one column of
    /// every conjugate pair, and both columns that have no partner: `(E + E_dc + E_nyq) / 2`, over
    /// `2 * H * (W/2 + 1)` numbers a plane.
    pub(crate) fn half_spectrum(dims: &[usize]) -> Self {
        let (rows, width) = match dims.split_last() {
            Some((&width, rows)) => (rows.iter().product::<usize>(), width),
            None => (1, 1),
        };
        let nyquist = if width.is_multiple_of(2) { 1.0 } else { 0.0 };
        Self {
            scale: 1.0 / (4 * rows * (width / 2 + 1)) as f64,
            dc: 1.0,
            nyquist,
        }
    }

    /// Whether rows matter at all.
    fn is_plain(self) -> bool {
        self.dc == 0.0 && self.nyquist == 0.0
    }
}

/// The weighted squared error of two tensors `[..., H, W]` of one shape, element type (f32 or f64)
/// and device, as a scalar tensor. Differentiable in both.
pub(crate) fn squared_error(a: &Tensor, b: &Tensor, weights: Weights) -> Result<Tensor> {
    match a.device() {
        Device::Cpu => a.apply_op2(b, SquaredError(weights)),
        _ => composed(a, b, weights),
    }
}

/// The same out of candle's ops, for other devices.
fn composed(a: &Tensor, b: &Tensor, weights: Weights) -> Result<Tensor> {
    let difference = a.sub(b)?;
    let mut energy = difference.sqr()?.sum_all()?;
    if !weights.is_plain() {
        let width = difference.dim(D::Minus1)?;
        let dc = difference.sum(D::Minus1)?.sqr()?.sum_all()?;
        let signs: Vec<f64> = (0..width)
            .map(|w| if w % 2 == 0 { 1.0 } else { -1.0 })
            .collect();
        let signs = Tensor::new(signs, &Device::Cpu)?
            .to_dtype(a.dtype())?
            .to_device(a.device())?;
        let nyquist = difference
            .broadcast_mul(&signs)?
            .sum(D::Minus1)?
            .sqr()?
            .sum_all()?;
        energy = (energy + (dc * (weights.dc / width as f64))?)?;
        energy = (energy + (nyquist * (weights.nyquist / width as f64))?)?;
    }
    energy * weights.scale
}

struct SquaredError(Weights);

impl CustomOp2 for SquaredError {
    fn name(&self) -> &'static str {
        "squared-error"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        fn run<T: WithDType>(
            weights: Weights,
            (s1, l1): (&CpuStorage, &Layout),
            (s2, l2): (&CpuStorage, &Layout),
        ) -> Result<CpuStorage> {
            let error = Difference::<T>::new((s1, l1), (s2, l2))?.energy(weights);
            Ok(T::to_cpu_storage_owned(vec![T::from_f64(error)]))
        }
        let storage = match s1 {
            CpuStorage::F64(_) => run::<f64>(self.0, (s1, l1), (s2, l2))?,
            _ => run::<f32>(self.0, (s1, l1), (s2, l2))?,
        };
        Ok((storage, Shape::from(())))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        fn run<T: WithDType>(
            weights: Weights,
            a: &Tensor,
            b: &Tensor,
            grad: &Tensor,
        ) -> Result<Tensor> {
            let ((s1, l1), (s2, l2)) = (a.storage_and_layout(), b.storage_and_layout());
            let (Storage::Cpu(s1), Storage::Cpu(s2)) = (&*s1, &*s2) else {
                bail!("squared-error's CPU backward pass was given tensors of another device")
            };
            let slope = grad.to_scalar::<T>()?.to_f64();
            let values = Difference::<T>::new((s1, l1), (s2, l2))?.gradient(weights, slope);
            Tensor::from_vec(values, a.shape(), &Device::Cpu)
        }
        if !a.track_op() && !b.track_op() {
            return Ok((None, None));
        }
        let for_a = match a.dtype() {
            DType::F64 => run::<f64>(self.0, a, b, grad)?,
            _ => run::<f32>(self.0, a, b, grad)?,
        };
        let for_b = b.track_op().then(|| for_a.neg()).transpose()?;
        Ok((a.track_op().then_some(for_a), for_b))
    }
}

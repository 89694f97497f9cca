//! Reading, drawing and comparing numbers.

use candle_core::{DType, Device, Tensor};

use super::{TestCaseError, TestCaseResult, done};

/// `n` reproducible values in [-1, 1) (SplitMix64).
pub(super) fn noise(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut draw = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) >> 11
    };
    (0..n)
        .map(|_| draw() as f64 / (1u64 << 52) as f64 - 1.0)
        .collect()
}

/// Noise of another tensor's shape, element type and device.
pub(super) fn noise_like(seed: u64, x: &Tensor) -> Result<Tensor, TestCaseError> {
    like(noise(seed, x.elem_count()), x)
}

/// Values with another tensor's shape, element type and device.
pub(super) fn like(values: Vec<f64>, x: &Tensor) -> Result<Tensor, TestCaseError> {
    done(
        Tensor::from_vec(values, x.shape(), &Device::Cpu)
            .and_then(|t| t.to_dtype(x.dtype())?.to_device(x.device())),
    )
}

/// The elements in row-major order, as f64.
pub(super) fn flat(x: &Tensor) -> Result<Vec<f64>, TestCaseError> {
    done(
        x.to_device(&Device::Cpu)
            .and_then(|x| x.to_dtype(DType::F64)?.flatten_all()?.to_vec1()),
    )
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// The error that results computed from inputs of this element type may have, relative to the
/// largest of them: some hundred times its rounding, thousands of times less than any mistake.
pub(super) fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 1e-12,
        DType::F32 => 2e-5,
        DType::F16 => 2e-2,
        _ => 1e-1,
    }
}

/// Compares with what is expected, in shape and, relative to its largest value, in numbers.
pub(super) fn same(
    property: &str,
    got: &Tensor,
    shape: &[usize],
    expected: &[f64],
    tolerance: f64,
) -> TestCaseResult {
    if got.dims() != shape {
        return Err(TestCaseError::fail(format!(
            "{property}: the result has shape {:?}, expected {shape:?}",
            got.dims()
        )));
    }
    let largest = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let got = flat(got)?;
    // False for NaN, which differs from everything.
    let close = |a: f64, b: f64| (a - b).abs() <= tolerance * largest;
    let mut pairs = got.iter().zip(expected).enumerate();
    match pairs.find(|(_, (a, b))| !close(**a, **b)) {
        None => Ok(()),
        Some((at, (a, b))) => Err(TestCaseError::fail(format!(
            "{property}: {a} where {b} is expected, at index {:?} of {shape:?}",
            unravel(at, shape)
        ))),
    }
}

/// The index along every axis of a row-major position.
pub(super) fn unravel(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &size) in index.iter_mut().zip(shape).rev() {
        *i = at % size.max(1);
        at /= size.max(1);
    }
    index
}

/// Applies `f` to every line along an axis; all results have one length.
pub(super) fn along(
    (values, shape): (Vec<f64>, Vec<usize>),
    axis: usize,
    f: impl Fn(&[f64]) -> Vec<f64>,
) -> (Vec<f64>, Vec<usize>) {
    let inner: usize = shape[axis + 1..].iter().product();
    let outer: usize = shape[..axis].iter().product();
    let n = shape[axis];
    let outputs = f(&vec![0.0; n]).len();
    let mut out = vec![0.0; outer * outputs * inner];
    for o in 0..outer {
        for i in 0..inner {
            let line: Vec<f64> = (0..n).map(|k| values[(o * n + k) * inner + i]).collect();
            for (k, value) in f(&line).into_iter().enumerate() {
                out[(o * outputs + k) * inner + i] = value;
            }
        }
    }
    let mut shape = shape;
    shape[axis] = outputs;
    (out, shape)
}

//! Between candle's storages and the slices that kernels work on.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use candle_core::{CpuStorage, Device, Layout, Result, Shape, Storage, Tensor, WithDType};

use crate::error::Error;

/// The numbers of a CPU tensor in row-major order: borrowed where they lie so, copied
/// where the tensor is transposed, broadcast or has gaps.
pub fn slice<'a, T: WithDType>(storage: &'a CpuStorage, layout: &Layout) -> Result<Cow<'a, [T]>> {
    let data = T::cpu_storage_as_slice(storage)?;
    if let Some((start, end)) = layout.contiguous_offsets() {
        return Ok(Cow::Borrowed(&data[start..end]));
    }
    let mut out = Vec::with_capacity(layout.shape().elem_count());
    gather(
        &data[layout.start_offset()..],
        layout.dims(),
        layout.stride(),
        &mut out,
    );
    Ok(Cow::Owned(out))
}

/// Appends the elements of a strided tensor in row-major order.
fn gather<T: Copy>(data: &[T], dims: &[usize], strides: &[usize], out: &mut Vec<T>) {
    match (dims, strides) {
        ([], _) | (_, []) => out.push(data[0]),
        (&[n], &[1]) => out.extend_from_slice(&data[..n]),
        (&[n], &[0]) => out.extend(std::iter::repeat_n(data[0], n)),
        (&[n], &[stride]) => out.extend((0..n).map(|i| data[i * stride])),
        (&[n, ref dims @ ..], &[stride, ref strides @ ..]) => {
            for i in 0..n {
                gather(&data[i * stride..], dims, strides, out);
            }
        }
    }
}

/// The CPU storage of a tensor that a backward pass holds.
pub fn cpu(storage: &Storage) -> Result<&CpuStorage> {
    match storage {
        Storage::Cpu(storage) => Ok(storage),
        _ => Err(candle_core::Error::Msg(
            "this backward pass works on CPU tensors; other devices take the composed path".into(),
        )),
    }
}

/// A copy of a CPU tensor's numbers in row-major order: for small tensors, and tests.
pub fn to_vec<T: WithDType>(tensor: &Tensor) -> Result<Vec<T>> {
    let (storage, layout) = tensor.storage_and_layout();
    Ok(slice(cpu(&storage)?, layout)?.into_owned())
}

/// Runs `f` on the numbers of a CPU tensor in row-major order.
pub fn with<T: WithDType, R>(tensor: &Tensor, f: impl FnOnce(&[T]) -> R) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    Ok(f(&slice(cpu(&storage)?, layout)?))
}

/// A CPU tensor around `data`, without a copy.
pub fn tensor<T: WithDType>(data: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(data, shape.into(), &Device::Cpu)
}

/// The error of an operation that has no kernel for this type.
pub fn unsupported(op: &'static str, storage: &CpuStorage) -> candle_core::Error {
    use candle_core::backend::BackendStorage;
    Error::DType {
        op,
        dtype: storage.dtype(),
    }
    .into()
}

/// A vector of `len` numbers that `fill` writes, without zeroing them first.
///
/// # Safety
/// `fill` must write every element of the slice that it is given.
pub unsafe fn filled<T: Copy>(len: usize, fill: impl FnOnce(&mut [MaybeUninit<T>])) -> Vec<T> {
    let mut out = Vec::with_capacity(len);
    fill(&mut out.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is at least `len`, and the caller vouches that `fill` has
    // written the first `len` elements.
    unsafe { out.set_len(len) };
    out
}

/// A slice whose elements have all been written, as plain numbers.
///
/// # Safety
/// Every element of `slice` must have been written.
pub unsafe fn written<T: Copy>(slice: &mut [MaybeUninit<T>]) -> &mut [T] {
    // SAFETY: `MaybeUninit<T>` has the layout of `T`, and the caller vouches for the values.
    unsafe { &mut *(std::ptr::from_mut(slice) as *mut [T]) }
}

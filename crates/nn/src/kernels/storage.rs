//! Between candle's storages and the slices that kernels work on.

use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::ops::{Deref, Range};

use candle_core::{
    CpuStorage, Device, Layout, Result, Shape, Storage, StorageRef, Tensor, WithDType,
};

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

/// The numbers of a matrix [N, K] that lies column by column, without gaps, in that order:
/// [K, N]. `None` for every other layout.
pub fn columns<'a, T: WithDType>(
    storage: &'a CpuStorage,
    layout: &Layout,
) -> Result<Option<&'a [T]>> {
    let (&[rows, cols], &[1, stride]) = (layout.dims(), layout.stride()) else {
        return Ok(None);
    };
    if stride != rows || rows < 2 || cols < 2 {
        return Ok(None);
    }
    let data = T::cpu_storage_as_slice(storage)?;
    Ok(Some(&data[layout.start_offset()..][..rows * cols]))
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

/// The CPU storage of a tensor.
pub fn cpu(storage: &Storage) -> Result<&CpuStorage> {
    match storage {
        Storage::Cpu(storage) => Ok(storage),
        _ => Err(candle_core::Error::Msg(
            "a CPU kernel was given a tensor of another device".into(),
        )),
    }
}

/// The numbers of a CPU tensor in row-major order, for as long as this value lives: what
/// [`slice()`] gives, where there is a tensor and not a storage (in backward passes).
pub struct Numbers<'a, T> {
    guard: StorageRef<'a>,
    copy: Option<Vec<T>>,
    range: Range<usize>,
}

/// The numbers of `tensor`, which must be on the CPU and of type T.
pub fn numbers<T: WithDType>(tensor: &Tensor) -> Result<Numbers<'_, T>> {
    let (guard, layout) = tensor.storage_and_layout();
    let copy = match slice(cpu(&guard)?, layout)? {
        Cow::Borrowed(_) => None,
        Cow::Owned(copy) => Some(copy),
    };
    let start = layout.start_offset();
    let range = start..start + layout.shape().elem_count();
    Ok(Numbers { guard, copy, range })
}

impl<T: WithDType> Deref for Numbers<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match (&self.copy, &*self.guard) {
            (Some(copy), _) => copy,
            // `numbers` has read the storage as T before, so that the default is never used.
            (None, Storage::Cpu(storage)) => {
                T::cpu_storage_as_slice(storage).map_or(&[], |data| &data[self.range.clone()])
            }
            (None, _) => &[],
        }
    }
}

/// A copy of a CPU tensor's numbers in row-major order.
pub fn to_vec<T: WithDType>(tensor: &Tensor) -> Result<Vec<T>> {
    Ok(numbers(tensor)?.to_vec())
}

/// A CPU tensor around `data`, without a copy.
pub fn tensor<T: WithDType>(data: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(data, shape.into(), &Device::Cpu)
}

/// `gradient`, if anything that `argument` was made of wants one.
pub fn wanted(argument: &Tensor, gradient: impl Into<Option<Tensor>>) -> Option<Tensor> {
    gradient.into().filter(|_| argument.track_op())
}

/// Refuses numbers that an operation has no kernel for: all but f32.
///
/// # Errors
/// [`Error::DType`].
pub fn only_f32(op: &'static str, storage: &CpuStorage) -> Result<()> {
    use candle_core::backend::BackendStorage;
    match storage {
        CpuStorage::F32(_) => Ok(()),
        other => {
            let dtype = other.dtype();
            Err(Error::DType { op, dtype }.into())
        }
    }
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

/// Copies `from` into `out`; all of it is written. Panics unless the lengths agree.
#[inline(always)]
pub fn copy(from: &[f32], out: &mut [MaybeUninit<f32>]) {
    assert_eq!(from.len(), out.len());
    for (out, &x) in out.iter_mut().zip(from) {
        out.write(x);
    }
}

/// Room for `len` numbers that are written before they are read.
pub fn scratch(len: usize) -> Box<[MaybeUninit<f32>]> {
    Box::new_uninit_slice(len)
}

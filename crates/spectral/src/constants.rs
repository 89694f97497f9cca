//! Matrices that transforms and pooling multiply with: made once for each device, type and shape.

use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Tensor};

use crate::Result;

/// More of them than a run needs; beyond, all are made anew.
const MOST: usize = 256;

static KEPT: Mutex<Vec<Constant>> = Mutex::new(Vec::new());

struct Constant {
    key: Key,
    dtype: DType,
    device: Device,
    tensor: Tensor,
}

/// Which matrix it is: a name of its own, and the numbers that it follows from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Key {
    pub name: &'static str,
    pub sizes: [usize; 2],
    pub scale: f64,
    pub variant: u8,
}

/// The matrix of this key, [rows, columns], of the type and on the device of `like`; `values` makes it where it is not
/// there yet, row by row.
pub(crate) fn matrix(
    key: Key,
    shape: (usize, usize),
    like: &Tensor,
    values: impl FnOnce() -> Vec<f64>,
) -> Result<Tensor> {
    let (dtype, device) = (like.dtype(), like.device());
    let is_it = |constant: &&Constant| {
        constant.key == key && constant.dtype == dtype && constant.device.same_device(device)
    };
    let lock = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(constant) = lock().iter().find(is_it) {
        return Ok(constant.tensor.clone());
    }
    let matrix = Tensor::from_vec(values(), shape, &Device::Cpu)?;
    let tensor = matrix.to_dtype(dtype)?.to_device(device)?;
    let mut kept = lock();
    if kept.len() >= MOST {
        kept.clear();
    }
    kept.push(Constant {
        key,
        dtype,
        device: device.clone(),
        tensor: tensor.clone(),
    });
    Ok(tensor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key {
        name: "test",
        sizes: [2, 1],
        scale: 0.5,
        variant: 0,
    };

    #[test]
    fn a_matrix_is_made_once_for_each_type_and_key() {
        let like = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
        let made = std::cell::Cell::new(0);
        let matrix = |key: Key, like: &Tensor| {
            let values = || {
                made.set(made.get() + 1);
                vec![key.scale; 2]
            };
            matrix(key, (2, 1), like, values).unwrap()
        };
        let first = matrix(KEY, &like);
        assert_eq!(first.to_vec2::<f32>().unwrap(), [[0.5], [0.5]]);
        assert_eq!(matrix(KEY, &like).id(), first.id());
        assert_eq!(made.get(), 1);
        let double = like.to_dtype(DType::F64).unwrap();
        assert_eq!(matrix(KEY, &double).dtype(), DType::F64);
        let other = Key { scale: 0.25, ..KEY };
        assert_eq!(matrix(other, &like).to_vec2::<f32>().unwrap()[0], [0.25]);
        assert_eq!(made.get(), 3);
    }
}

//! What the losses on feature maps share.

use candle_core::{DType, Tensor};
use spectralkd_spectral::adaptive_avg_pool_channels;

use crate::{Error, Result};

/// Checks a pair of maps, student's `[B, C_s, H, W]` and teacher's `[B, C_t, H, W]` with `C_s <=
/// C_t`, and brings it to one precision and the student's channels, the teacher detached. No copy
/// where both are so already.
pub(crate) fn matched(student: &Tensor, teacher: &Tensor) -> Result<(Tensor, Tensor)> {
    check_map("student features", student)?;
    check_map("teacher features", teacher)?;
    check_grids(student, teacher)?;
    let (ours, theirs) = (student.dims(), teacher.dims());
    if ours[1] > theirs[1] {
        return Err(Error::StudentWider {
            student: ours.to_vec(),
            teacher: theirs.to_vec(),
        });
    }
    let precision = working_precision(student);
    let teacher = teacher.detach().to_dtype(precision)?;
    let teacher = adaptive_avg_pool_channels(&teacher, ours[1])?;
    Ok((student.to_dtype(precision)?, teacher))
}

/// f64 for f64, else f32.
pub(crate) fn working_precision(x: &Tensor) -> DType {
    match x.dtype() {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

/// A map has four axes, elements and a floating-point type.
pub(crate) fn check_map(what: &'static str, x: &Tensor) -> Result<()> {
    if x.rank() != 4 || x.elem_count() == 0 {
        return Err(Error::Shape {
            what,
            expected: "[B, C, H, W]",
            shape: x.dims().to_vec(),
        });
    }
    if !x.dtype().is_float() {
        return Err(Error::DType {
            what,
            expected: "a floating-point tensor",
            dtype: x.dtype(),
        });
    }
    Ok(())
}

/// Two maps have the same batch, height and width.
pub(crate) fn check_grids(student: &Tensor, teacher: &Tensor) -> Result<()> {
    let (ours, theirs) = (student.dims(), teacher.dims());
    if ours[0] == theirs[0] && ours[2..] == theirs[2..] {
        return Ok(());
    }
    Err(Error::Mismatch {
        left: "student features",
        left_shape: ours.to_vec(),
        right: "teacher features",
        right_shape: theirs.to_vec(),
        axes: "batch, height or width ([B, C, H, W]; only channels may differ)",
    })
}

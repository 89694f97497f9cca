//! Checking axes, and moving them to the end and back as views.

use candle_core::shape::{Dim, Dims};
use candle_core::{Shape, Tensor};

use crate::{Error, Result};

/// The number of one axis of `shape`, which must hold elements.
pub(crate) fn one(op: &'static str, shape: &[usize], axis: impl Dim) -> Result<usize> {
    let axis = axis.to_index(&Shape::from(shape), op)?;
    not_empty(op, shape, &[axis])?;
    Ok(axis)
}

/// The numbers of two different axes of `shape`, which must hold elements.
pub(crate) fn two(op: &'static str, shape: &[usize], axes: impl Dims) -> Result<[usize; 2]> {
    let axes = axes.to_indexes(&Shape::from(shape), op)?;
    let Ok(axes) = <[usize; 2]>::try_from(axes.as_slice()) else {
        return Err(Error::Range {
            op,
            what: "the number of axes",
            range: "2",
            value: axes.len().to_string(),
        });
    };
    not_empty(op, shape, &axes)?;
    Ok(axes)
}

fn not_empty(op: &'static str, shape: &[usize], axes: &[usize]) -> Result<()> {
    match axes.iter().find(|&&axis| shape[axis] == 0) {
        None => Ok(()),
        Some(axis) => Err(Error::EmptyAxis {
            op,
            axis: format!("axis {axis}"),
            shape: shape.to_vec(),
        }),
    }
}

/// The tensor with `axes` last, in their order, as planes: a single axis `n` becomes `[1, n]`.
pub(crate) fn move_last(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let moved = x.permute(order(x.rank(), axes))?;
    Ok(match axes.len() {
        1 => moved.unsqueeze(moved.rank() - 1)?,
        _ => moved,
    })
}

/// What [`move_last`] did to a tensor of that rank, undone.
pub(crate) fn move_back(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let moved = match axes.len() {
        1 => x.squeeze(x.rank() - 2)?,
        _ => x.clone(),
    };
    let order = order(moved.rank(), axes);
    let mut back = vec![0; order.len()];
    for (to, from) in order.into_iter().enumerate() {
        back[from] = to;
    }
    Ok(moved.permute(back)?)
}

fn order(rank: usize, axes: &[usize]) -> Vec<usize> {
    let rest = (0..rank).filter(|axis| !axes.contains(axis));
    rest.chain(axes.iter().copied()).collect()
}

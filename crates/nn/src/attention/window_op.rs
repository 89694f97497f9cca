//! The differentiable operation of attention within windows.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, Layout, Tensor};

use crate::error::{Error, Result};
use crate::kernels::attention::Partition;
use crate::kernels::attention::windows::{self as kernel, Windowed};
use crate::kernels::simd;
use crate::kernels::storage::{filled, numbers, only_f32, slice, tensor, wanted};

/// Self-attention of `heads` heads within the windows of every image: packed rows
/// [q | k | v] of a tensor [B, T, 3C] to [B, T, C], where the T tokens are the map's, row by
/// row, and behind them the padding (see [`Windows::partition`](super::Windows::partition)).
/// `table` [(2h - 1) (2w - 1), heads] holds the bias of each relative position. The
/// kernels' form, F32 on a CPU; the other is
/// [`composed::biased_attention`](super::composed::biased_attention).
///
/// # Errors
/// If the tensors do not have these shapes, differ in type, or have no kernel.
pub fn window_attention(
    qkv: &Tensor,
    table: &Tensor,
    partition: &Arc<Partition>,
    heads: usize,
) -> Result<Tensor> {
    let op = WindowOp {
        partition: partition.clone(),
        heads,
    };
    op.check(qkv.dims(), table.dims())?;
    Ok(qkv.apply_op2(table, op)?)
}

/// The operation of [`window_attention`].
pub(super) struct WindowOp {
    pub partition: Arc<Partition>,
    pub heads: usize,
}

impl WindowOp {
    const NAME: &'static str = "window attention";

    /// The sizes of packed rows [B, T, 3C], if they fit.
    fn check(&self, qkv: &[usize], table: &[usize]) -> Result<Windowed<'_>> {
        let error = |expected: String, got: &[usize]| Error::Shape {
            layer: Self::NAME,
            expected,
            got: got.to_vec(),
        };
        let (partition, heads) = (&*self.partition, self.heads);
        let tokens = partition.windows() * partition.area();
        if heads == 0 || table != [partition.rows(), heads] {
            let expected = format!("a table of biases [{}, {heads} heads]", partition.rows());
            return Err(error(expected, table));
        }
        match *qkv {
            [images, n, width] if n == tokens && width > 0 && width % (3 * heads) == 0 => {
                Ok(Windowed {
                    partition,
                    images,
                    heads,
                    head_dim: width / 3 / heads,
                })
            }
            _ => Err(error(
                format!("[B, {tokens}, 3C] with C a multiple of {heads} heads"),
                qkv,
            )),
        }
    }
}

impl CustomOp2 for WindowOp {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn cpu_fwd(
        &self,
        qkv: &CpuStorage,
        qkv_layout: &Layout,
        table: &CpuStorage,
        table_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, candle_core::Shape)> {
        let windowed = self.check(qkv_layout.dims(), table_layout.dims())?;
        let shape = (
            windowed.images,
            windowed.tokens(),
            windowed.shape().channels(),
        );
        only_f32(Self::NAME, qkv)?;
        let (qkv, table) = (slice(qkv, qkv_layout)?, slice(table, table_layout)?);
        // SAFETY: `forward` writes all of its result.
        let out = unsafe {
            filled(qkv.len() / 3, |out| {
                kernel::forward(simd::best(), windowed, &qkv, &table, out);
            })
        };
        Ok((CpuStorage::F32(out), shape.into()))
    }

    fn bwd(
        &self,
        qkv: &Tensor,
        table: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let windowed = self.check(qkv.dims(), table.dims())?;
        let (qkv_data, biases) = (numbers::<f32>(qkv)?, numbers(table)?);
        let (grad, mut d_table) = (numbers(grad)?, Vec::new());
        // SAFETY: `backward` writes all of the gradient.
        let d_qkv = unsafe {
            filled(qkv_data.len(), |d_qkv| {
                let arch = simd::best();
                d_table = kernel::backward(arch, windowed, &qkv_data, &biases, &grad, d_qkv);
            })
        };
        let d_qkv = tensor(d_qkv, qkv.shape())?;
        let d_table = tensor(d_table, table.shape())?;
        Ok((wanted(qkv, d_qkv), wanted(table, d_table)))
    }
}

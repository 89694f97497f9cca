//! Residual connections with LayerScale and drop path.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Shape, Tensor};
use candle_nn::Init;

use crate::builder::{Builder, Form};
use crate::chain::{End, Stored};
use crate::drop_path::DropPath;
use crate::error::{Error, Result};
use crate::kernels::residual::{self as kernel, Factors};
use crate::kernels::simd;
use crate::kernels::storage::{numbers, only_f32, slice, tensor, wanted};
use crate::pass::Pass;

/// LayerScale: a trainable factor per channel (Touvron et al. 2021, "Going deeper with
/// image transformers", equation 4).
#[derive(Clone, Debug)]
pub struct LayerScale {
    gamma: Tensor,
}

impl LayerScale {
    /// The parameter `name`, `[channels]`, of `init` everywhere at first. timm calls it
    /// `gamma_1` and `gamma_2` in CaiT's blocks and starts deep models at 1e-5; shallow
    /// models want about 0.1.
    pub fn new<'a>(
        channels: usize,
        init: f64,
        name: &str,
        vb: impl Into<Builder<'a>>,
    ) -> Result<Self> {
        let gamma = vb.into().get(channels, name, Init::Const(init))?;
        Ok(Self { gamma })
    }

    /// The factors, `[channels]`.
    pub fn gamma(&self) -> &Tensor {
        &self.gamma
    }
}

/// The end of a residual branch, in one operation: x + drop_path(gamma * branch).
#[derive(Clone, Debug)]
pub struct Residual {
    scale: Option<LayerScale>,
    drop: DropPath,
    form: Form,
}

impl Residual {
    /// A connection with or without LayerScale.
    pub fn new(scale: Option<LayerScale>, drop: DropPath, form: Form) -> Self {
        Self { scale, drop, form }
    }

    /// x + drop_path(gamma * branch), both [B, ..., C]; same shape.
    pub fn forward(&self, x: &Tensor, branch: &Tensor, pass: &Pass) -> Result<Tensor> {
        let factors = self.prepare(x, branch, pass)?;
        if self.form == Form::Composed {
            return self.compose(x, branch, factors);
        }
        let op = ResidualOp { factors };
        Ok(match &self.scale {
            Some(scale) => x.apply_op3(branch, &scale.gamma, op)?,
            None => x.apply_op2(branch, op)?,
        })
    }

    /// This connection as the end of a chain on `x`, with the draws of `pass`.
    pub(crate) fn end(&self, x: &Tensor, pass: &Pass) -> Result<End> {
        Ok(End {
            op: ResidualOp {
                factors: self.prepare(x, x, pass)?,
            },
            gamma: self.scale.as_ref().map(|scale| scale.gamma.clone()),
        })
    }

    fn compose(&self, x: &Tensor, branch: &Tensor, factors: Option<Vec<f64>>) -> Result<Tensor> {
        let mut branch = match &self.scale {
            Some(scale) => branch.broadcast_mul(&scale.gamma)?,
            None => branch.clone(),
        };
        if let Some(factors) = factors {
            let mut shape = vec![1; x.rank()];
            shape[0] = factors.len();
            let factors = Tensor::from_vec(factors, shape, &candle_core::Device::Cpu)?;
            let factors = factors.to_dtype(x.dtype())?.to_device(x.device())?;
            branch = branch.broadcast_mul(&factors)?;
        }
        Ok((x + branch)?)
    }

    /// Checks the shapes and draws the samples' factors.
    fn prepare(&self, x: &Tensor, branch: &Tensor, pass: &Pass) -> Result<Option<Vec<f64>>> {
        let shape = |expected: String, got: &Tensor| Error::Shape {
            layer: "Residual",
            expected,
            got: got.dims().to_vec(),
        };
        if branch.dims() != x.dims() {
            return Err(shape(format!("a branch of shape {:?}", x.dims()), branch));
        }
        let &[batch, .., channels] = x.dims() else {
            return Err(shape("[batch, ..., channels]".into(), x));
        };
        if let Some(gamma) = self.scale.as_ref().map(LayerScale::gamma)
            && (gamma.dims() != [channels] || channels == 0)
        {
            return Err(shape(format!("[batch, ..., {}]", gamma.elem_count()), x));
        }
        self.drop.factors(batch, pass)
    }
}

/// x, branch and perhaps gamma to x + f gamma branch.
pub(crate) struct ResidualOp {
    /// The factors f of the samples, if they are not all 1.
    pub factors: Option<Vec<f64>>,
}

impl ResidualOp {
    /// The result, and its shape.
    pub fn forward(
        &self,
        x: Stored<'_>,
        z: Stored<'_>,
        gamma: Option<Stored<'_>>,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        only_f32("residual", x.0)?;
        let gamma = gamma.map(|g| slice(g.0, g.1)).transpose()?;
        let samples = self.factors32();
        let factors = self.with(x.1.dims(), gamma.as_deref(), samples.as_deref());
        let (numbers, z) = (slice(x.0, x.1)?, slice(z.0, z.1)?);
        let y = kernel::forward(simd::best(), factors, &numbers, &z);
        Ok((CpuStorage::F32(y), x.1.shape().clone()))
    }

    /// The gradients of the branch z and, where gamma is tracked, of gamma, for which alone
    /// z is needed.
    pub fn backward(
        &self,
        z: Option<&Tensor>,
        gamma: Option<&Tensor>,
        dy: &Tensor,
    ) -> candle_core::Result<(Tensor, Option<Tensor>)> {
        if gamma.is_none() && self.factors.is_none() {
            return Ok((dy.clone(), None));
        }
        let channels = dy.dims().last().copied().unwrap_or(1);
        let trained = gamma.filter(|gamma| gamma.track_op()).and(z);
        let (gamma, samples) = (gamma.map(numbers).transpose()?, self.factors32());
        let factors = self.with(dy.dims(), gamma.as_deref(), samples.as_deref());
        let (arch, dy_numbers) = (simd::best(), numbers(dy)?);
        let dgamma = match trained {
            Some(z) => {
                let dgamma = kernel::gamma_gradient(arch, factors, &numbers(z)?, &dy_numbers);
                Some(tensor(dgamma, channels)?)
            }
            None => None,
        };
        let dz = kernel::branch_gradient(arch, factors, &dy_numbers);
        Ok((tensor(dz, dy.shape())?, dgamma))
    }

    fn factors32(&self) -> Option<Vec<f32>> {
        let factors = self.factors.as_ref()?;
        Some(factors.iter().map(|&f| f as f32).collect())
    }

    fn with<'a>(
        &self,
        dims: &[usize],
        gamma: Option<&'a [f32]>,
        samples: Option<&'a [f32]>,
    ) -> Factors<'a> {
        let channels = dims.last().copied().unwrap_or(1);
        let rows = dims.iter().skip(1).product::<usize>() / channels.max(1);
        Factors {
            channels,
            gamma,
            samples,
            rows,
        }
    }
}

impl CustomOp3 for ResidualOp {
    fn name(&self) -> &'static str {
        "residual"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        z: &CpuStorage,
        z_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.forward((x, x_layout), (z, z_layout), Some((gamma, gamma_layout)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        z: &Tensor,
        gamma: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dz, dgamma) = self.backward(Some(z), Some(gamma), dy)?;
        Ok((wanted(x, dy.clone()), wanted(z, dz), dgamma))
    }
}

impl CustomOp2 for ResidualOp {
    fn name(&self) -> &'static str {
        "residual"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        z: &CpuStorage,
        z_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.forward((x, x_layout), (z, z_layout), None)
    }

    fn bwd(
        &self,
        x: &Tensor,
        z: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let (dz, _) = self.backward(None, None, dy)?;
        Ok((wanted(x, dy.clone()), wanted(z, dz)))
    }
}

/// a + b, two f32 tensors of one shape on the CPU.
pub(crate) fn sum(a: &Tensor, b: &Tensor) -> candle_core::Result<Tensor> {
    let factors = ResidualOp { factors: None };
    let factors = factors.with(a.dims(), None, None);
    let sum = kernel::forward(simd::best(), factors, &numbers(a)?, &numbers(b)?);
    tensor(sum, a.shape())
}

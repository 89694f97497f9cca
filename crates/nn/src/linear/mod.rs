//! The linear layer.

mod op;

use candle_core::{DType, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::bf16;
use crate::chain::{Of2, Of3, Operation};
use crate::error::{Error, Result};
use op::LinearOp;

/// timm's first linear weights: N(0, 0.02) (its truncation at +-2 never bites).
pub const LINEAR_INIT: Init = Init::Randn {
    mean: 0.0,
    stdev: 0.02,
};

/// y = x weight^T + bias over the last axis (`torch.nn.Linear`).
///
/// A weight of type bf16, for a teacher that is only asked, is packed once for the product of
/// [`crate::kernels::bf16`], whose page has the rounding and its bounds, and is in memory in no
/// other form. Such a layer takes f32 inputs on the CPU without gradients, and is refused any other.
#[derive(Clone, Debug)]
pub struct Linear(Stored);

/// The parameters, as a layer keeps them.
#[derive(Clone, Debug)]
enum Stored {
    /// f32 or f64: a weight [outputs, inputs] and perhaps a bias.
    Tensors(Tensor, Option<Tensor>),
    /// The weight in bf16.
    Packed(bf16::Parameters),
}

impl Linear {
    /// A layer from `inputs` to `outputs` numbers with the parameter `weight`, [outputs,
    /// inputs], N(0, 0.02) at first as timm's transformers have it, and, if `bias`, the
    /// parameter `bias`, `[outputs]`, 0 at first.
    pub fn new(inputs: usize, outputs: usize, bias: bool, vb: VarBuilder) -> Result<Self> {
        let weight = vb.get_with_hints((outputs, inputs), "weight", LINEAR_INIT)?;
        let zeros = Init::Const(0.0);
        let bias = bias
            .then(|| vb.get_with_hints(outputs, "bias", zeros))
            .transpose()?;
        Self::from_tensors(weight, bias)
    }

    /// A layer of these parameters: weight [outputs, inputs], bias `[outputs]`. On a CPU, parameters that
    /// no gradient can reach are copied into the order that the forward product reads. A weight of type bf16
    /// (with a bias of type f32) is packed.
    ///
    /// # Errors
    /// If a shape does not fit; if a bf16 weight is on another device than the CPU, or is trained.
    pub fn from_tensors(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        let shape = |expected: &str, got: &Tensor| Error::Shape {
            layer: "Linear",
            expected: expected.to_string(),
            got: got.dims().to_vec(),
        };
        let &[outputs, inputs] = weight.dims() else {
            return Err(shape("a weight of two axes, [outputs, inputs]", &weight));
        };
        if outputs == 0 || inputs == 0 {
            return Err(shape(
                "a weight of at least one input and one output",
                &weight,
            ));
        }
        if let Some(bias) = bias.as_ref().filter(|bias| bias.dims() != [outputs]) {
            return Err(shape(&format!("a bias of shape [{outputs}]"), bias));
        }
        if weight.dtype() == DType::BF16 {
            return Ok(Self(Stored::Packed(bf16::pack(&weight, bias)?)));
        }
        // What never changes is laid out for the forward product once and for all.
        let frozen = !weight.track_op() && !bias.as_ref().is_some_and(Tensor::track_op);
        let weight = if frozen && weight.device().is_cpu() {
            weight.t()?.contiguous()?.t()?
        } else {
            weight
        };
        Ok(Self(Stored::Tensors(weight, bias)))
    }

    /// The weight, [outputs, inputs].
    ///
    /// # Errors
    /// If it is packed in bf16: then there is no tensor of it.
    pub fn weight(&self) -> Result<&Tensor> {
        match &self.0 {
            Stored::Tensors(weight, _) => Ok(weight),
            Stored::Packed(_) => Err(Error::Bf16 {
                layer: "Linear",
                reason: "there is no tensor of the weight; use f32 weights where one is needed"
                    .into(),
            }),
        }
    }

    /// Weight and bias, if the weight is packed in bf16.
    pub(crate) fn packed(&self) -> Option<&bf16::Parameters> {
        match &self.0 {
            Stored::Tensors(..) => None,
            Stored::Packed(packed) => Some(packed),
        }
    }

    /// (outputs, inputs).
    pub(crate) fn sizes(&self) -> Result<(usize, usize)> {
        match &self.0 {
            Stored::Tensors(weight, _) => Ok(weight.dims2()?),
            Stored::Packed(bf16::Parameters { weight, .. }) => {
                Ok((weight.outputs(), weight.inputs()))
            }
        }
    }

    /// The bias, `[outputs]`, if there is one.
    pub fn bias(&self) -> Option<&Tensor> {
        match &self.0 {
            Stored::Tensors(_, bias) => bias.as_ref(),
            Stored::Packed(packed) => packed.bias.as_ref(),
        }
    }

    /// Weight and bias, if there are tensors of both.
    pub(crate) fn parameters(&self) -> Option<[Tensor; 2]> {
        match &self.0 {
            Stored::Tensors(weight, Some(bias)) => Some([weight.clone(), bias.clone()]),
            _ => None,
        }
    }

    /// y, [..., outputs], of `x`, [..., inputs]. F32 or F64 on a CPU.
    ///
    /// # Errors
    /// If `x` has another shape; with a weight in bf16 also if it is not f32 on the CPU, or a
    /// gradient could be asked of it.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        if let Some(packed) = self.packed() {
            return bf16::linear(x, packed);
        }
        let weight = self.weight()?;
        if !x.device().is_cpu() {
            return self.forward_composed(x);
        }
        Ok(match self.bias() {
            Some(bias) => x.apply_op3(weight, bias, LinearOp)?,
            None => x.apply_op2(weight, LinearOp)?,
        })
    }

    /// The layer as a link of a chain on the CPU; none with a weight in bf16.
    pub(crate) fn operation(&self) -> Option<Box<dyn Operation>> {
        let Stored::Tensors(weight, bias) = &self.0 else {
            return None;
        };
        Some(match bias {
            Some(bias) => Box::new(Of3 {
                op: LinearOp,
                parameters: [weight.clone(), bias.clone()],
                cheap: false,
            }),
            None => Box::new(Of2(LinearOp, weight.clone())),
        })
    }

    /// The same out of candle's own operations: the path of other devices. There is none for a weight
    /// in bf16.
    pub fn forward_composed(&self, x: &Tensor) -> Result<Tensor> {
        let weight = self.weight()?;
        let (outputs, inputs) = weight.dims2()?;
        self.check(x)?;
        let mut shape = x.dims().to_vec();
        let rows = x.elem_count() / inputs;
        shape[x.rank() - 1] = outputs;
        let y = x.reshape((rows, inputs))?.matmul(&weight.t()?)?;
        let y = match self.bias() {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        Ok(y.reshape(shape)?)
    }

    pub(crate) fn check(&self, x: &Tensor) -> Result<()> {
        let (outputs, inputs) = self.sizes()?;
        if x.dims().last() == Some(&inputs) {
            return Ok(());
        }
        Err(Error::Shape {
            layer: "Linear",
            expected: format!("[..., {inputs}] (for {inputs} inputs and {outputs} outputs)"),
            got: x.dims().to_vec(),
        })
    }
}

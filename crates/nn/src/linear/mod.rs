//! The linear layer.

mod op;

use candle_core::{DType, Tensor};
use candle_nn::Init;

use crate::bf16;
use crate::builder::{Builder, Form};
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
/// In the composed form it stays a tensor, and inputs and results of its product are rounded to bf16.
#[derive(Clone, Debug)]
pub struct Linear {
    stored: Stored,
    form: Form,
}

/// The parameters, as a layer keeps them.
#[derive(Clone, Debug)]
enum Stored {
    /// A weight [outputs, inputs] and perhaps a bias.
    Tensors(Tensor, Option<Tensor>),
    /// The weight in bf16, for the kernels.
    Packed(bf16::Parameters),
}

impl Linear {
    /// A layer from `inputs` to `outputs` numbers with the parameter `weight`, [outputs,
    /// inputs], N(0, 0.02) at first as timm's transformers have it, and, if `bias`, the
    /// parameter `bias`, `[outputs]`, 0 at first.
    pub fn new<'a>(
        inputs: usize,
        outputs: usize,
        bias: bool,
        vb: impl Into<Builder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        let weight = vb.get((outputs, inputs), "weight", LINEAR_INIT)?;
        let zeros = Init::Const(0.0);
        let bias = bias.then(|| vb.get(outputs, "bias", zeros)).transpose()?;
        Self::in_form(weight, bias, vb.form())
    }

    /// A layer of these parameters: weight [outputs, inputs], bias `[outputs]`. For the kernels, parameters that
    /// no gradient can reach are copied into the order that the forward product reads. A weight of type bf16
    /// (with a bias of type f32) is packed.
    ///
    /// # Errors
    /// If a shape does not fit, or a weight that is to be packed is trained.
    pub fn from_tensors(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        // What comes in beside a bf16 weight is f32.
        let dtype = match weight.dtype() {
            DType::BF16 => DType::F32,
            other => other,
        };
        let form = Form::of(weight.device(), dtype);
        Self::in_form(weight, bias, form)
    }

    fn in_form(weight: Tensor, bias: Option<Tensor>, form: Form) -> Result<Self> {
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
        if weight.dtype() == DType::BF16 && form == Form::Kernels {
            let stored = Stored::Packed(bf16::pack(&weight, bias)?);
            return Ok(Self { stored, form });
        }
        // What never changes is laid out for the forward product once and for all.
        let frozen = !weight.track_op() && !bias.as_ref().is_some_and(Tensor::track_op);
        let weight = if frozen && form == Form::Kernels {
            weight.t()?.contiguous()?.t()?
        } else {
            weight
        };
        let stored = Stored::Tensors(weight, bias);
        Ok(Self { stored, form })
    }

    /// The weight, [outputs, inputs].
    ///
    /// # Errors
    /// If it is packed in bf16: then there is no tensor of it.
    pub fn weight(&self) -> Result<&Tensor> {
        match &self.stored {
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
        match &self.stored {
            Stored::Tensors(..) => None,
            Stored::Packed(packed) => Some(packed),
        }
    }

    /// (outputs, inputs).
    pub(crate) fn sizes(&self) -> Result<(usize, usize)> {
        match &self.stored {
            Stored::Tensors(weight, _) => Ok(weight.dims2()?),
            Stored::Packed(bf16::Parameters { weight, .. }) => {
                Ok((weight.outputs(), weight.inputs()))
            }
        }
    }

    /// The bias, `[outputs]`, if there is one.
    pub fn bias(&self) -> Option<&Tensor> {
        match &self.stored {
            Stored::Tensors(_, bias) => bias.as_ref(),
            Stored::Packed(packed) => packed.bias.as_ref(),
        }
    }

    /// Weight and bias, if there are tensors of both.
    pub(crate) fn parameters(&self) -> Option<[Tensor; 2]> {
        match &self.stored {
            Stored::Tensors(weight, Some(bias)) => Some([weight.clone(), bias.clone()]),
            _ => None,
        }
    }

    /// y, [..., outputs], of `x`, [..., inputs].
    ///
    /// # Errors
    /// If `x` has another shape; with a weight in bf16 also if it is not f32 on the CPU, or a
    /// gradient could be asked of it.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        if let Some(packed) = self.packed() {
            return bf16::linear(x, packed);
        }
        if self.form == Form::Composed {
            return self.composed(x);
        }
        let weight = self.weight()?;
        Ok(match self.bias() {
            Some(bias) => x.apply_op3(weight, bias, LinearOp)?,
            None => x.apply_op2(weight, LinearOp)?,
        })
    }

    /// The layer as a link of a chain on the CPU; none with a weight in bf16.
    pub(crate) fn operation(&self) -> Option<Box<dyn Operation>> {
        let Stored::Tensors(weight, bias) = &self.stored else {
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

    fn composed(&self, x: &Tensor) -> Result<Tensor> {
        let weight = self.weight()?;
        let (outputs, inputs) = weight.dims2()?;
        let mut shape = x.dims().to_vec();
        let rows = x.elem_count() / inputs;
        shape[x.rank() - 1] = outputs;
        let rows = x.reshape((rows, inputs))?;
        let y = match weight.dtype() {
            DType::BF16 if x.dtype() != DType::BF16 => {
                let product = rows.to_dtype(DType::BF16)?.matmul(&weight.t()?)?;
                product.to_dtype(x.dtype())?
            }
            _ => rows.matmul(&weight.t()?)?,
        };
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

//! What layers are built from: where their parameters come from, and the form in which they compute.

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::error::Result;

/// How a layer computes; it is chosen once, when the layer is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Hand-written kernels, forward and backward: f32 on a CPU.
    Kernels,
    /// candle's own differentiable operations: every other device and type, and the reference of the kernels.
    Composed,
}

impl Form {
    /// The fastest form for tensors of this type on this device.
    pub fn of(device: &Device, dtype: DType) -> Self {
        match (device, dtype) {
            (Device::Cpu, DType::F32) => Self::Kernels,
            _ => Self::Composed,
        }
    }
}

/// candle's builder of parameters, and the form of the layers that are built with it. Every layer's `new` takes one, or a
/// `VarBuilder`, whose layers compute in the form of its device and type.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use spectralkd_base::random::Stream;
/// use spectralkd_nn::{Builder, Form, LayerNorm, Params};
///
/// let params = Params::new();
/// let vb = params.builder(&Stream::new(7, "init"), DType::F32, &Device::Cpu);
/// let norm = LayerNorm::new(4, 1e-6, vb.clone())?;
/// let reference = LayerNorm::new(4, 1e-6, Builder::from(vb).in_form(Form::Composed))?;
/// let x = Tensor::new(&[[1f32, 2.0, 3.0, 4.0]], &Device::Cpu)?;
/// let apart = (norm.forward(&x)? - reference.forward(&x)?)?.abs()?.max_all()?;
/// assert!(apart.to_scalar::<f32>()? < 1e-6);
/// # Ok::<(), spectralkd_nn::Error>(())
/// ```
#[derive(Clone)]
pub struct Builder<'a> {
    params: VarBuilder<'a>,
    form: Form,
}

impl<'a> From<VarBuilder<'a>> for Builder<'a> {
    fn from(params: VarBuilder<'a>) -> Self {
        let form = Form::of(params.device(), params.dtype());
        Self { params, form }
    }
}

impl Builder<'_> {
    /// The same, for layers that compute in this form.
    #[must_use]
    pub fn in_form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// The form of its layers.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Where its parameters are.
    pub fn device(&self) -> &Device {
        self.params.device()
    }

    /// The type of its parameters.
    pub fn dtype(&self) -> DType {
        self.params.dtype()
    }

    /// The names that it stands below, with dots: "blocks.3".
    pub fn prefix(&self) -> String {
        self.params.prefix()
    }

    /// The builder of what stands below `name`.
    #[must_use]
    pub fn pp(&self, name: impl ToString) -> Self {
        let params = self.params.pp(name);
        let form = self.form;
        Self { params, form }
    }

    /// The parameter `name`; where it is made anew, its first values are `init`'s.
    ///
    /// # Errors
    /// There is none of this name, or it has another shape.
    pub fn get(&self, shape: impl Into<Shape>, name: &str, init: Init) -> Result<Tensor> {
        Ok(self.params.get_with_hints(shape.into(), name, init)?)
    }
}

//! One link of a chain.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use crate::kernels::storage::cpu;

/// A tensor's storage and layout, as candle hands them to a custom operation.
pub(crate) type Stored<'a> = (&'a CpuStorage, &'a Layout);

/// The gradient of the tensor, and that of each parameter; those that nobody wants are none.
pub(crate) type Gradients = (Option<Tensor>, Vec<Option<Tensor>>);

/// A map of one tensor, with parameters, and its gradients by hand.
pub(crate) trait Operation: Send + Sync {
    /// The parameters, in the order of their gradients.
    fn parameters(&self) -> Vec<Tensor>;

    /// The result, row-major, and its shape. The operation may keep what [`backward`] will
    /// read (only if `keep`), and is not run on another tensor afterwards.
    ///
    /// [`backward`]: Operation::backward
    fn forward(&self, x: Stored<'_>, keep: bool) -> Result<(CpuStorage, Shape)>;

    /// The gradients of what is tracked: `x` perhaps, and parameters.
    fn backward(&self, x: &Tensor, dy: &Tensor) -> Result<Gradients>;

    /// Whether computing the result again is cheaper than keeping it.
    fn is_cheap(&self) -> bool {
        false
    }
}

// The custom operations of this crate do not look at their result in backward, so that the
// gradient can take its place as an argument.

/// An operation of candle's kind without parameters.
pub(crate) struct Of1<T>(pub T);

impl<T: CustomOp1 + Send + Sync> Operation for Of1<T> {
    fn parameters(&self) -> Vec<Tensor> {
        Vec::new()
    }

    fn forward(&self, x: Stored<'_>, _: bool) -> Result<(CpuStorage, Shape)> {
        self.0.cpu_fwd(x.0, x.1)
    }

    fn backward(&self, x: &Tensor, dy: &Tensor) -> Result<Gradients> {
        Ok((self.0.bwd(x, dy, dy)?, Vec::new()))
    }
}

/// An operation of candle's kind with one parameter.
pub(crate) struct Of2<T>(pub T, pub Tensor);

impl<T: CustomOp2 + Send + Sync> Operation for Of2<T> {
    fn parameters(&self) -> Vec<Tensor> {
        vec![self.1.clone()]
    }

    fn forward(&self, x: Stored<'_>, _: bool) -> Result<(CpuStorage, Shape)> {
        let (storage, layout) = self.1.storage_and_layout();
        self.0.cpu_fwd(x.0, x.1, cpu(&storage)?, layout)
    }

    fn backward(&self, x: &Tensor, dy: &Tensor) -> Result<Gradients> {
        let (dx, d_parameter) = self.0.bwd(x, &self.1, dy, dy)?;
        Ok((dx, vec![d_parameter]))
    }
}

/// An operation of candle's kind with two parameters.
pub(crate) struct Of3<T> {
    /// The operation.
    pub op: T,
    /// Its second and third operand.
    pub parameters: [Tensor; 2],
    /// See [`Operation::is_cheap`].
    pub cheap: bool,
}

impl<T: CustomOp3 + Send + Sync> Operation for Of3<T> {
    fn parameters(&self) -> Vec<Tensor> {
        self.parameters.to_vec()
    }

    fn forward(&self, x: Stored<'_>, _: bool) -> Result<(CpuStorage, Shape)> {
        let [(a, a_layout), (b, b_layout)] =
            self.parameters.each_ref().map(Tensor::storage_and_layout);
        let (a, b) = (cpu(&a)?, cpu(&b)?);
        self.op.cpu_fwd(x.0, x.1, a, a_layout, b, b_layout)
    }

    fn backward(&self, x: &Tensor, dy: &Tensor) -> Result<Gradients> {
        let [a, b] = &self.parameters;
        let (dx, d_a, d_b) = self.op.bwd(x, a, b, dy, dy)?;
        Ok((dx, vec![d_a, d_b]))
    }

    fn is_cheap(&self) -> bool {
        self.cheap
    }
}

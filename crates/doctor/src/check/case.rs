//! A computation that is compared.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{Device, Tensor, Var, backprop::GradStore};

use super::draw::Draw;
use super::place::Place;
use crate::error::Result;

/// What a computation gives, by name, on the CPU; none for a gradient that did not come.
pub(super) type Tensors = BTreeMap<String, Option<Tensor>>;

/// The rows of a gradient, by its parameter, that are rounding alone, so that no two computations agree in them.
pub(super) type Exempt = dyn Fn(&str) -> Option<Range<usize>>;

/// What a case computes, where it is told to.
type Run = dyn Fn(&Place) -> Result<Tensors>;

/// Before the names of gradients.
pub(super) const GRADIENT: &str = "grad ";

/// A computation under a name.
pub(super) struct Case {
    pub(super) group: &'static str,
    pub(super) name: String,
    run: Box<Run>,
    exempt: Box<Exempt>,
}

impl Case {
    pub(super) fn new(
        group: &'static str,
        name: impl Into<String>,
        run: impl Fn(&Place) -> Result<Tensors> + 'static,
    ) -> Self {
        Self {
            group,
            name: name.into(),
            run: Box::new(run),
            exempt: Box::new(|_| None),
        }
    }

    /// A case that draws its numbers.
    pub(super) fn drawn(
        group: &'static str,
        name: impl Into<String>,
        run: impl Fn(&Draw) -> Result<Tensors> + 'static,
    ) -> Self {
        Self::new(group, name, move |place| run(&Draw::new(place)))
    }

    /// The same, but for some rows of some gradients.
    pub(super) fn but_for(
        mut self,
        exempt: impl Fn(&str) -> Option<Range<usize>> + 'static,
    ) -> Self {
        self.exempt = Box::new(exempt);
        self
    }

    /// The same with other results.
    #[cfg(test)]
    pub(super) fn changed(self, change: impl Fn(&Place, &mut Tensors) + 'static) -> Self {
        let run = self.run;
        let run = Box::new(move |place: &Place| {
            let mut tensors = run(place)?;
            change(place, &mut tensors);
            Ok(tensors)
        });
        Self { run, ..self }
    }

    pub(super) fn run(&self, place: &Place) -> Result<Tensors> {
        (self.run)(place)
    }

    /// The rows of a tensor that are not compared.
    pub(super) fn exempt(&self, tensor: &str) -> Range<usize> {
        let of = |parameter| (self.exempt)(parameter);
        let rows = tensor
            .strip_prefix(GRADIENT)
            .or_else(|| tensor.strip_prefix("after "))
            .and_then(of);
        rows.unwrap_or(0..0)
    }
}

/// A copy on the CPU.
pub(super) fn host(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.detach().contiguous()?.to_device(&Device::Cpu)?)
}

/// Adds the gradient of every variable.
pub(super) fn gradients(
    vars: &BTreeMap<String, Var>,
    store: &GradStore,
    all: &mut Tensors,
) -> Result<()> {
    for (name, var) in vars {
        let gradient = store.get(var).map(host).transpose()?;
        all.insert(format!("{GRADIENT}{name}"), gradient);
    }
    Ok(())
}

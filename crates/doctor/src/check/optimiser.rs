//! AdamW, the moving average of the weights and the norm of the gradients.

use std::collections::BTreeMap;

use candle_core::Var;
use spectralkd_trainer::{AdamW, Ema, Hyper, norm};

use super::case::{Case, Tensors, host};
use super::draw::normal;
use super::place::Place;
use crate::error::Result;

/// The paper's constants.
pub(super) const HYPER: Hyper = Hyper {
    betas: [0.9, 0.999],
    eps: 1e-8,
    weight_decay: 0.05,
};

const SHAPES: [(&str, &[usize]); 5] = [
    ("matrix", &[64, 48]),
    ("bias", &[64]),
    ("token", &[1, 1, 48]),
    ("patches", &[8, 3, 4, 4]),
    ("strided", &[1000, 192]),
];

pub(super) fn cases() -> Vec<Case> {
    vec![Case::new("optimiser", "AdamW, EMA, norm: 10 steps", steps)]
}

fn steps(place: &Place) -> Result<Tensors> {
    let on = |name: &str, shape: &[usize], scale| -> Result<_> {
        let tensor = normal(name, shape, scale)?.to_device(&place.device)?;
        Ok(tensor.to_dtype(place.dtype)?)
    };
    let mut vars = BTreeMap::new();
    for (name, shape) in SHAPES {
        vars.insert(name.to_owned(), Var::from_tensor(&on(name, shape, 0.1)?)?);
    }
    let mut adamw = AdamW::new(&vars, HYPER, |name, rank| rank > 1 && name != "token")?;
    let mut ema = Ema::new(&vars, 0.99)?;
    let mut all = Tensors::new();
    for step in 0..10 {
        let mut gradients = BTreeMap::new();
        for (name, shape) in SHAPES {
            let gradient = on(&format!("{name} {step}"), shape, 1.0)?;
            // As a backward pass may leave it.
            let gradient = match name {
                "strided" => gradient.t()?.contiguous()?.t()?,
                _ => gradient,
            };
            gradients.insert(name.to_owned(), gradient);
        }
        let global = candle_core::Tensor::new(norm(&gradients)?.global, &candle_core::Device::Cpu)?;
        all.insert(format!("norm {step}"), Some(global));
        adamw.step(&gradients, 1e-3, 0.7)?;
        ema.update()?;
    }
    for (name, var) in &vars {
        all.insert(format!("after {name}"), Some(host(var.as_tensor())?));
        let average = ema.tensors().get(name).map(host).transpose()?;
        all.insert(format!("average {name}"), average);
    }
    Ok(all)
}

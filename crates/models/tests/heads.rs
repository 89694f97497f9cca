//! The heads apart, and the prefix tokens of taps, against timm (`golden/heads.py`).

mod common;

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use common::{Golden, all_golden_files, assert_gradient, path, rms, trainable};
use spectralkd_models::{Output, Taps, Wanted, frozen};
use spectralkd_nn::Pass;
use spectralkd_testing::{flat, relative};

/// What timm computed for the models of [`all_golden_files`] of these names.
struct Expected {
    tensors: HashMap<String, Tensor>,
    model: &'static str,
}

impl Expected {
    fn read(model: &'static str) -> Self {
        let file = path("heads.safetensors");
        let tensors = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
        Self { tensors, model }
    }

    fn get(&self, key: &str) -> &Tensor {
        &self.tensors[&format!("{}.{key}", self.model)]
    }

    fn gradient(&self, what: &str, parameter: &str) -> Option<&Tensor> {
        let key = format!("{}.gradient.{what}.{parameter}", self.model);
        self.tensors.get(&key)
    }

    /// The golden scalar of one value.
    fn product(&self, value: &Tensor, key: &str) -> Tensor {
        let cotangent = self.get(&format!("cotangent.{key}"));
        (value * cotangent).unwrap().sum_all().unwrap()
    }
}

fn all_prefix(maps: Taps) -> Wanted {
    let prefix = Taps::All;
    Wanted { maps, prefix }
}

fn assert_close(found: &Tensor, expected: &Tensor, what: &str) {
    let error = relative(found, expected);
    assert!(error < 1e-4, "{what} is off by {error:.1e} of its RMS");
}

/// A DeiT and a distilled one, with what timm says of them.
fn deits() -> [(Golden, Expected); 2] {
    let [deit, distilled, _, _] = all_golden_files();
    [
        (deit, Expected::read("deit")),
        (distilled, Expected::read("distilled")),
    ]
}

#[test]
fn heads_and_prefix_tokens_are_those_of_timm() {
    for (golden, expected) in deits() {
        let model = frozen(&golden.config, &golden.weights, &Device::Cpu).unwrap();
        let blocks = golden.taps();
        // With the last map, and without it, where the last block computes its prefix tokens alone.
        for maps in [Taps::All, Taps::None] {
            let wanted = all_prefix(maps);
            let output = model
                .outputs(&golden.images, &wanted, &Pass::eval())
                .unwrap();
            assert!(output.prefix.iter().map(|(i, _)| *i).eq(0..blocks));
            for (i, tokens) in &output.prefix {
                let key = format!("prefix.{i}");
                assert_eq!(tokens.dim(1).unwrap(), model.info().prefix);
                assert_close(tokens, expected.get(&key), &key);
            }
            let Some(distillation) = &output.heads.distillation else {
                assert!(!model.info().distilled);
                assert_eq!(flat(&output.heads.class), flat(&output.logits));
                continue;
            };
            assert!(model.info().distilled);
            assert_close(&output.heads.class, expected.get("class"), "class");
            assert_close(distillation, expected.get("distillation"), "distillation");
            let mean = ((&output.heads.class + distillation).unwrap() * 0.5).unwrap();
            assert_eq!(flat(&output.logits), flat(&mean));
            assert_close(&output.logits, golden.get("logits"), "logits");
        }
    }
}

#[test]
fn gradients_of_heads_and_prefix_tokens_are_those_of_timm() {
    let [_, (golden, expected)] = deits();
    let (vars, model) = trainable(&golden.config, &golden.weights, DType::F32);
    let scalar = |what: &str, output: &Output| match what {
        "class" => expected.product(&output.heads.class, what),
        "distillation" => expected.product(output.heads.distillation.as_ref().unwrap(), what),
        _ => {
            let terms = output.prefix.iter();
            let terms = terms.map(|(i, tokens)| expected.product(tokens, &format!("prefix.{i}")));
            terms.reduce(|sum, term| (sum + term).unwrap()).unwrap()
        }
    };
    for what in ["class", "distillation", "prefix"] {
        for maps in [Taps::All, Taps::None] {
            let output = model.outputs(&golden.images, &all_prefix(maps), &Pass::eval());
            let gradients = scalar(what, &output.unwrap()).backward().unwrap();
            let largest = vars
                .keys()
                .filter_map(|name| expected.gradient(what, name))
                .map(|gradient| rms(&flat(gradient)))
                .fold(0.0, f64::max);
            for (name, var) in &vars {
                let Some(expected) = expected.gradient(what, name) else {
                    assert!(gradients.get(var).is_none(), "{what} reaches {name}");
                    continue;
                };
                let found = gradients.get(var);
                let found = found.unwrap_or_else(|| panic!("{what}: no gradient of {name}"));
                let exempt = golden.config.zero_gradient(name).unwrap_or(0..0);
                let what = format!("{what}: {name}");
                assert_gradient(found, expected, exempt, largest, &what);
            }
        }
    }
}

/// As for maps: in ascending order, once each, and only those asked for.
#[test]
fn prefix_tokens_come_in_order_once_and_only_on_request() {
    for (golden, _) in deits() {
        let model = frozen(&golden.config, &golden.weights, &Device::Cpu).unwrap();
        let outputs = |wanted: &Wanted| model.outputs(&golden.images, wanted, &Pass::eval());
        let all = outputs(&all_prefix(Taps::None)).unwrap();
        assert!(all.features.is_empty());
        let last = golden.taps() - 1;
        for (prefix, expected) in [
            (Taps::None, vec![]),
            (Taps::List(vec![-1, 0, -1]), vec![0, last]),
            (Taps::Last(1), vec![last]),
        ] {
            let maps = Taps::List(vec![0]);
            let some = outputs(&Wanted { maps, prefix }).unwrap();
            assert!(some.features.iter().map(|(i, _)| *i).eq([0]));
            assert!(some.prefix.iter().map(|(i, _)| *i).eq(expected));
            for (i, tokens) in &some.prefix {
                assert_eq!(flat(tokens), flat(&all.prefix[*i].1));
            }
        }
        let prefix = Taps::List(vec![0, last as isize + 1]);
        let error = outputs(&Wanted {
            maps: Taps::None,
            prefix,
        });
        let words = format!("tap {} does not exist", last + 1);
        assert!(error.unwrap_err().to_string().contains(&words));
    }
}

#[test]
fn taps_without_prefix_tokens_say_so() {
    let [_, _, cait, swin] = all_golden_files();
    for golden in [cait, swin] {
        let model = frozen(&golden.config, &golden.weights, &Device::Cpu).unwrap();
        let info = model.info();
        assert_eq!((info.prefix, info.distilled), (0, false));
        let refused = |prefix: Taps| {
            let wanted = Wanted {
                maps: Taps::All,
                prefix,
            };
            // Images of another type would fail in the first layer.
            let images = golden.images.to_dtype(DType::U8).unwrap();
            let error = model.outputs(&images, &wanted, &Pass::eval());
            error.unwrap_err().to_string()
        };
        let words = format!(
            "the prefix tokens of tap 1 were asked for, and the taps of this {}",
            info.family
        );
        assert!(refused(Taps::List(vec![2, 1])).starts_with(&words));
        assert!(refused(Taps::All).starts_with("the prefix tokens of tap 0"));
        assert!(refused(Taps::List(vec![99])).contains("tap 99 does not exist"));
        assert!(!refused(Taps::List(vec![])).contains("were asked for"));

        let output = model.outputs(&golden.images, &Wanted::default(), &Pass::eval());
        let output = output.unwrap();
        assert!(output.prefix.is_empty() && output.heads.distillation.is_none());
        assert_eq!(flat(&output.heads.class), flat(&output.logits));
    }
}

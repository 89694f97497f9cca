//! A branch: differences check the gradients of its composed form in f64; in f32 it is one
//! operation, with the bits of the layers one by one.

mod common;

use candle_core::{DType, Tensor, Var};
use common::{CPU, check_finite_differences, gradients, same_on_all_pools, tensor, var};
use spectralkd_base::random::Stream;
use spectralkd_nn::{
    Attention, DropPath, Form, LayerNorm, LayerScale, Mlp, Params, Pass, Residual, Sublayer,
    TalkingHeadAttention, WindowAttention, Windows, params,
};
use spectralkd_testing::{assert_close, bits};

const WIDTH: usize = 12;
const HEADS: usize = 3;

/// A norm, a residual connection and a layer with parameters of their own.
struct Branch {
    params: Params,
    norm: LayerNorm,
    layer: Box<dyn Layer>,
    residual: Residual,
}

/// A sublayer in a box.
trait Layer {
    fn branch(&self, residual: &Residual, x: &Tensor, norm: &LayerNorm, pass: &Pass) -> Tensor;
    fn forward(&self, x: &Tensor) -> Tensor;
    fn is_one_operation(&self, x: &Tensor) -> bool;
}

impl<T: Sublayer> Layer for T {
    fn branch(&self, residual: &Residual, x: &Tensor, norm: &LayerNorm, pass: &Pass) -> Tensor {
        residual.branch(x, norm, self, pass).unwrap()
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        Sublayer::forward(self, x).unwrap()
    }

    fn is_one_operation(&self, x: &Tensor) -> bool {
        self.operations(x).unwrap().is_some()
    }
}

impl Branch {
    /// The branch around `kind`, with LayerScale if `scale`.
    fn new(kind: &str, scale: bool, dtype: DType) -> Self {
        let params = Params::new();
        let vb = params.builder(&Stream::new(3, "init"), dtype, &CPU);
        let windows = |map| Windows::new(map, [3, 3], [1, 1]).unwrap();
        let inner = vb.pp("layer");
        let layer: Box<dyn Layer> = match kind {
            "attention" => Box::new(Attention::new(WIDTH, HEADS, true, inner).unwrap()),
            "no bias" => Box::new(Attention::new(WIDTH, HEADS, false, inner).unwrap()),
            "talking" => Box::new(TalkingHeadAttention::new(WIDTH, HEADS, true, inner).unwrap()),
            "windows" => {
                let windows = windows([6, 3]);
                Box::new(WindowAttention::new(WIDTH, HEADS, windows, true, inner).unwrap())
            }
            "padded windows" => {
                let windows = windows([9, 2]);
                Box::new(WindowAttention::new(WIDTH, HEADS, windows, true, inner).unwrap())
            }
            _ => Box::new(Mlp::new(WIDTH, 20, inner).unwrap()),
        };
        let gamma = LayerScale::new(WIDTH, 0.3, "gamma", vb.clone()).unwrap();
        let drop = DropPath::new(0.5, "branch").unwrap();
        let branch = Self {
            norm: LayerNorm::new(WIDTH, 1e-5, vb.pp("norm")).unwrap(),
            layer,
            residual: Residual::new(scale.then_some(gamma), drop, Form::of(&CPU, dtype)),
            params,
        };
        // No parameter at a special value.
        for (seed, var) in (100..).zip(branch.params.vars().values()) {
            let moved = (tensor(seed, var.dims(), dtype) * 0.5).unwrap();
            var.set(&(moved + var.as_tensor()).unwrap()).unwrap();
        }
        branch
    }

    /// Every parameter that takes part.
    fn vars(&self, scale: bool) -> Vec<Var> {
        let vars = self.params.vars().into_iter();
        vars.filter(|(name, _)| scale || name != "gamma")
            .map(|(_, var)| var)
            .collect()
    }

    fn layers(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let branch = self.layer.forward(&self.norm.forward(x).unwrap());
        self.residual.forward(x, &branch, pass).unwrap()
    }

    fn branch(&self, x: &Tensor, pass: &Pass) -> Tensor {
        self.layer.branch(&self.residual, x, &self.norm, pass)
    }
}

const KINDS: [&str; 6] = [
    "attention",
    "no bias",
    "talking",
    "windows",
    "padded windows",
    "mlp",
];

/// Runs `f` for every kind of layer, with and without LayerScale and drop path.
fn for_all(dtype: DType, f: impl Fn(&str, &Branch, &[Var], &Pass)) {
    let step = Stream::new(5, "drop path").at(0);
    for kind in KINDS {
        for scale in [false, true] {
            let branch = Branch::new(kind, scale, dtype);
            for pass in [Pass::eval(), Pass::train(&step, &[0, 1, 2, 3])] {
                f(kind, &branch, &branch.vars(scale), &pass);
            }
        }
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    for_all(DType::F64, |_, branch, vars, pass| {
        let x = var(1, &[4, 18, WIDTH], DType::F64);
        // A number added to all scores of a head does nothing: differences see only noise.
        let shift = branch.params.vars().remove("layer.proj_l.bias");
        let is_shift = |var: &Var| shift.as_ref().is_some_and(|shift| shift.id() == var.id());
        let vars = vars.iter().filter(|var| !is_shift(var));
        let all: Vec<_> = vars.chain([&x]).collect();
        check_finite_differences(|| branch.branch(&x, pass), &all);
    });
}

#[test]
fn one_operation_gives_the_bits_of_the_layers() {
    for_all(DType::F32, |kind, branch, vars, pass| {
        let x = var(1, &[4, 18, WIDTH], DType::F32);
        let one = branch.layer.is_one_operation(&x);
        assert_eq!(one, kind != "padded windows", "{kind}");
        let all: Vec<_> = vars.iter().chain([&x]).collect();
        let (got, want) = (branch.branch(&x, pass), branch.layers(&x, pass));
        assert_eq!(bits(&got), bits(&want), "{kind}: y");
        let (got, want) = (gradients(&got, &all), gradients(&want, &all));
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            assert_eq!(bits(got), bits(want), "{kind}: gradient {i}");
        }
    });
}

#[test]
fn a_second_backward_pass_gives_the_same() {
    for_all(DType::F32, |kind, branch, vars, pass| {
        let x = var(1, &[4, 18, WIDTH], DType::F32);
        let all: Vec<_> = vars.iter().chain([&x]).collect();
        let y = branch.branch(&x, pass);
        let (first, second) = (gradients(&y, &all), gradients(&y, &all));
        for (first, second) in first.iter().zip(&second) {
            assert_eq!(bits(first), bits(second), "{kind}");
        }
    });
}

#[test]
fn only_what_is_tracked_gets_a_gradient() {
    for kind in KINDS {
        let branch = Branch::new(kind, true, DType::F32);
        let vars = branch.vars(true);
        // Data in, as the first block of a model with a frozen stem has it.
        let data = tensor(1, &[4, 18, WIDTH], DType::F32);
        let y = branch.branch(&data, &Pass::eval());
        let grads = y.sum_all().unwrap().backward().unwrap();
        assert!(grads.get(&data).is_none(), "{kind}");
        for var in &vars {
            assert!(grads.get(var.as_tensor()).is_some(), "{kind}");
        }
    }
    // Frozen parameters pass a gradient on.
    let trained = Branch::new("mlp", false, DType::F32);
    let weights = trained.params.vars().into_iter();
    let weights = weights.map(|(name, var)| (name, var.as_detached_tensor()));
    let vb = params::frozen(weights.collect(), DType::F32, &CPU);
    let norm = LayerNorm::new(WIDTH, 1e-5, vb.pp("norm")).unwrap();
    let mlp = Mlp::new(WIDTH, 20, vb.pp("layer")).unwrap();
    let x = var(1, &[4, 18, WIDTH], DType::F32);
    let frozen = |x: &Tensor| {
        let branch = trained.residual.branch(x, &norm, &mlp, &Pass::eval());
        branch.unwrap()
    };
    let want = gradients(&trained.layers(&x, &Pass::eval()), &[&x]);
    assert_close(&gradients(&frozen(&x), &[&x])[0], &want[0], 2e-6, "dx");
    assert!(!frozen(&x.detach()).track_op());
}

#[test]
fn bits_do_not_depend_on_the_pool() {
    for kind in KINDS {
        same_on_all_pools(|| {
            let branch = Branch::new(kind, true, DType::F32);
            let x = var(1, &[64, 18, WIDTH], DType::F32);
            let vars = branch.vars(true);
            let all: Vec<_> = vars.iter().chain([&x]).collect();
            let y = branch.branch(&x, &Pass::eval());
            let mut all = gradients(&y, &all);
            all.push(y);
            all
        });
    }
}

#[test]
fn bad_shapes_are_errors() {
    let branch = Branch::new("mlp", false, DType::F32);
    let params = Params::new();
    let vb = params.builder(&Stream::new(3, "init"), DType::F32, &CPU);
    let narrow = Mlp::new(WIDTH - 1, 20, vb).unwrap();
    let x = tensor(1, &[2, 5, WIDTH], DType::F32);
    let error = branch
        .residual
        .branch(&x, &branch.norm, &narrow, &Pass::eval());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("[..., 11]"), "{error}");
}

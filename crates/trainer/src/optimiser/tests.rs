//! The update of one parameter, and that of several.

use candle_core::DType;

use super::*;

fn hyper() -> Hyper {
    Hyper {
        betas: [0.9, 0.99],
        eps: 1e-8,
        weight_decay: 0.1,
    }
}

fn wave(n: usize, phase: f64) -> Vec<f32> {
    (0..n)
        .map(|i| ((i as f64 * 0.37 + phase).sin() * 2.0) as f32)
        .collect()
}

/// A slot of `n` numbers in the middle of a training, driven by the given update.
fn drive(n: usize, composed: bool) -> Vec<f32> {
    let var = Var::from_vec(wave(n, 0.0), n, &Device::Cpu).unwrap();
    let zeros = || Tensor::zeros(n, DType::F32, &Device::Cpu).unwrap();
    let mut slot = Slot {
        var: var.clone(),
        decay: 0.1,
        steps: 0,
        first: zeros(),
        second: zeros(),
    };
    for step in 0..20 {
        let g = Tensor::from_vec(wave(n, f64::from(step)), n, &Device::Cpu).unwrap();
        let plan = slot.plan(&hyper(), 0.01, 0.5);
        if composed {
            slot.composed(&g, &plan).unwrap();
        } else {
            slot.fused(&g, &plan).unwrap();
        }
    }
    var.to_vec1().unwrap()
}

#[test]
fn the_composed_update_agrees_with_the_fused_one() {
    for (a, b) in drive(1000, false).iter().zip(drive(1000, true)) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn the_same_bits_over_any_number_of_threads() {
    let n = 100_003; // several chunks, the last one ragged
    let on = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| drive(n, false))
    };
    let one = on(1);
    for threads in [2, 3, 7] {
        let many = on(threads);
        assert!(
            one.iter()
                .zip(&many)
                .all(|(a, b)| a.to_bits() == b.to_bits())
        );
    }
}

#[test]
fn a_strided_gradient_is_read_in_its_own_order() {
    let var = Var::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
    let vars = BTreeMap::from([("w".to_string(), var.clone())]);
    let mut adamw = AdamW::new(&vars, hyper(), |_, _| false).unwrap();
    let columns = Tensor::new(&[[1f32, -1.0], [1.0, -1.0], [1.0, -1.0]], &Device::Cpu).unwrap();
    let gradients = BTreeMap::from([("w".to_string(), columns.t().unwrap())]);
    adamw.step(&gradients, 1.0, 1.0).unwrap();
    assert_eq!(
        var.to_vec2::<f32>().unwrap(),
        [[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]
    );
}

#[test]
fn a_parameter_without_gradient_stays() {
    let vars: BTreeMap<String, Var> = ["a", "b"]
        .map(|name| {
            let var = Var::ones((2, 2), DType::F64, &Device::Cpu).unwrap();
            (name.to_string(), var)
        })
        .into();
    let mut adamw = AdamW::new(&vars, hyper(), |_, _| true).unwrap();
    let gradient = Tensor::ones((2, 2), DType::F64, &Device::Cpu).unwrap();
    adamw
        .step(&BTreeMap::from([("b".to_string(), gradient)]), 0.1, 1.0)
        .unwrap();
    assert_eq!(vars["a"].to_vec2::<f64>().unwrap(), [[1.0; 2]; 2]);
    assert!(vars["b"].to_vec2::<f64>().unwrap()[0][0] < 0.9);
}

#[test]
fn wrong_gradients_and_shared_variables_are_named() {
    let var = Var::ones((2, 2), DType::F32, &Device::Cpu).unwrap();
    let twice = BTreeMap::from([
        ("first".to_string(), var.clone()),
        ("second".to_string(), var.clone()),
    ]);
    let error = AdamW::new(&twice, hyper(), |_, _| true).err().unwrap();
    assert!(
        error.to_string().contains("`first` and `second`"),
        "{error}"
    );

    let vars = BTreeMap::from([("w".to_string(), var.clone())]);
    let mut adamw = AdamW::new(&vars, hyper(), |_, _| true).unwrap();
    let flat = Tensor::ones(4, DType::F32, &Device::Cpu).unwrap();
    for (name, said) in [("w", "gradient of `w`"), ("v", "`v`, which is not trained")] {
        let gradients = BTreeMap::from([(name.to_string(), flat.clone())]);
        let error = adamw.step(&gradients, 0.1, 1.0).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    assert_eq!(var.to_vec2::<f32>().unwrap(), [[1.0; 2]; 2]);
}

fn guard(go: bool, scale: f64) -> Guard {
    Guard {
        go: Tensor::new(u8::from(go), &Device::Cpu).unwrap(),
        scale: Some(Tensor::new(scale, &Device::Cpu).unwrap()),
    }
}

/// All bits of what is kept for a parameter.
fn bits_of(slot: &Slot) -> Vec<Vec<u32>> {
    let bits = |t: &Tensor| t.to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits);
    let tensors = [slot.var.as_tensor(), &slot.first, &slot.second];
    tensors.map(|t| bits(t).collect()).to_vec()
}

#[test]
fn what_the_guard_lets_through_is_the_composed_update_and_nothing_else_is() {
    let slot = || Slot {
        var: Var::from_vec(wave(50, 0.0), 50, &Device::Cpu).unwrap(),
        decay: 0.1,
        steps: 3,
        first: Tensor::from_vec(wave(50, 0.5), 50, &Device::Cpu).unwrap(),
        second: Tensor::from_vec(wave(50, 1.0), 50, &Device::Cpu)
            .and_then(|t| t.sqr())
            .unwrap(),
    };
    let gradient = Tensor::from_vec(wave(50, 2.0), 50, &Device::Cpu).unwrap();
    let (mut plain, mut guarded) = (slot(), slot());
    let plan = plain.plan(&hyper(), 0.01, 0.5);
    plain.composed(&gradient, &plan).unwrap();
    let plan = guarded.plan(&hyper(), 0.01, 1.0);
    guarded
        .guarded(&gradient, &plan, &guard(true, 0.5))
        .unwrap();
    assert_eq!(bits_of(&plain), bits_of(&guarded));

    let mut held = slot();
    let before = bits_of(&held);
    let broken = gradient.affine(f64::NAN, 0.0).unwrap();
    for gradient in [&gradient, &broken] {
        let plan = held.plan(&hyper(), 0.01, 1.0);
        held.guarded(gradient, &plan, &guard(false, f64::NAN))
            .unwrap();
        assert_eq!(bits_of(&held), before);
    }
}

#[test]
fn a_guarded_step_is_a_step_or_none() {
    // f32 in place, and bf16, which is composed on every device.
    for dtype in [DType::F32, DType::BF16] {
        let tensor = |phase| {
            let wave = Tensor::from_vec(wave(64, phase), (8, 8), &Device::Cpu).unwrap();
            wave.to_dtype(dtype).unwrap()
        };
        let set = || {
            let var = Var::from_tensor(&tensor(0.0).copy().unwrap()).unwrap();
            let vars = BTreeMap::from([("w".to_string(), var.clone())]);
            (var, AdamW::new(&vars, hyper(), |_, _| true).unwrap())
        };
        let values = |var: &Var| -> Vec<u32> {
            let values = var.to_dtype(DType::F32).unwrap().flatten_all().unwrap();
            let values = values.to_vec1::<f32>().unwrap();
            values.into_iter().map(f32::to_bits).collect()
        };
        let gradients = BTreeMap::from([("w".to_string(), tensor(1.0))]);
        let ((plain, mut one), (guarded, mut other)) = (set(), set());
        for go in [true, false, true] {
            let before = values(&guarded);
            let counts = other.counts();
            other
                .guarded_step(&gradients, 0.01, &guard(go, 0.25))
                .unwrap();
            if go {
                one.step(&gradients, 0.01, 0.25).unwrap();
                assert_ne!(values(&guarded), before);
            } else {
                assert_eq!(values(&guarded), before);
                other.recount(&counts);
            }
            assert_eq!(values(&plain), values(&guarded), "{dtype:?}");
        }
        assert_eq!(other.counts(), [2]);
    }
}

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

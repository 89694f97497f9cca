//! The composed form's gradients against finite differences.

use spectralkd_nn::kernels::attention::Shape;

use crate::case::{Case, NAMES};

#[test]
fn gradients_agree_with_finite_differences() {
    for (shape, talking) in [
        (Case::self_attention(2, 5, 3, 4), false),
        (Case::self_attention(2, 4, 3, 2), true),
        (
            Shape {
                batch: 2,
                queries: 1,
                keys: 6,
                heads: 2,
                head_dim: 3,
            },
            false,
        ),
        (
            Shape {
                batch: 1,
                queries: 3,
                keys: 4,
                heads: 2,
                head_dim: 3,
            },
            true,
        ),
    ] {
        let mut case = Case::new(shape, talking, 1.0);
        let (_, gradients) = case.composed();
        let fields: [fn(&mut Case) -> &mut [f64]; 4] = [
            |case| &mut case.q,
            |case| &mut case.k,
            |case| &mut case.v,
            |case| case.mixing.as_deref_mut().unwrap(),
        ];
        assert_eq!(gradients.len(), if talking { 4 } else { 3 });
        for ((field, gradient), name) in fields.iter().zip(&gradients).zip(&NAMES[1..]) {
            assert_eq!(field(&mut case).len(), gradient.len());
            for (i, &expected) in gradient.iter().enumerate() {
                let step = 1e-5;
                let mut at = |shift: f64| {
                    field(&mut case)[i] += shift;
                    let objective = case.objective();
                    field(&mut case)[i] -= shift;
                    objective
                };
                let numeric = (at(step) - at(-step)) / (2.0 * step);
                let error = (numeric - expected).abs();
                assert!(
                    error < 1e-8 * (1.0 + expected.abs()),
                    "{name}[{i}]: {expected}, numerically {numeric}"
                );
            }
        }
    }
}

//! Features of any kind, and features that cannot be compared.

use candle_core::{DType, Tensor};
use spectralkd_base::progress::Silent;
use spectralkd_evaluation::Error;
use spectralkd_evaluation::compare::{FeatureTensors, Features, Measure, Options, compare};
use spectralkd_report::csv::Reader;

use super::{model, noise, pair, run};

#[test]
fn any_type_and_strides_will_do() {
    let x = noise("x", [4, 2, 3, 3]).to_dtype(DType::F32).unwrap();
    let tokens = x.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap();
    let strided = tokens.permute((0, 3, 1, 2)).unwrap();
    let row = pair(&x, &strided);
    assert_eq!((row.energy, row.spectrum_distance), (0.0, 0.0));
    let half = pair(&x, &x.to_dtype(DType::BF16).unwrap());
    assert!(half.mse > 0.0 && half.mse < 1e-4);
}

#[test]
fn layers_that_never_change_have_no_cka() {
    let still = noise("still", [1, 2, 3, 3]).repeat((5, 1, 1, 1)).unwrap();
    let moving = noise("moving", [5, 2, 3, 3]);
    let found = run(&[(0, still), (1, moving.clone())], &[(0, moving.clone())]);
    assert_eq!(
        (found.rows[0].cka, found.rows[0].cka_debiased),
        (None, None)
    );
    assert_eq!(found.matrix(Measure::Cka)[0], [None]);
    assert!(found.rows[1].cka.is_some());
    assert!(Reader::parse(&found.csv()).unwrap().texts("cka").unwrap()[0].is_empty());
    // Three images: too few for the debiased form.
    let few = moving.narrow(0, 0, 3).unwrap();
    let row = pair(&few, &few);
    assert!(row.cka.is_some() && row.cka_debiased.is_none());
    // One: for either, and there is no heat map of it.
    let one = moving.narrow(0, 0, 1).unwrap();
    let found = run(&[(0, one.clone())], &[(0, one)]);
    assert_eq!(found.rows[0].cka, None);
    assert_eq!(found.figures(("student", "teacher")).unwrap().len(), 3);
}

/// Features that misbehave at one layer.
struct Odd(FeatureTensors, fn(Tensor) -> Result<Tensor, String>);

impl Features for Odd {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn images(&self) -> usize {
        self.0.images()
    }

    fn layers(&self) -> Vec<(usize, [usize; 3])> {
        self.0.layers()
    }

    fn read(&mut self, layer: usize, first: usize, count: usize) -> Result<Tensor, String> {
        let read = self.0.read(layer, first, count)?;
        if layer == 5 { self.1(read) } else { Ok(read) }
    }
}

#[test]
fn bad_features_are_errors() {
    let x = noise("x", [3, 2, 4, 4]);
    let good = || model("good", vec![(0, x.clone())]);
    let layers = vec![(0, x.clone()), (5, x.clone())];
    let with = |how| {
        let mut odd = Odd(model("odd", layers.clone()), how);
        compare(&mut good(), &mut odd, &Options::default(), &Silent).unwrap_err()
    };
    let text = with(|_| Err("the disk is gone".into())).to_string();
    assert_eq!(text, "features of odd, layer 5: the disk is gone");
    let text = with(|t| Ok(t.narrow(1, 0, 1).unwrap())).to_string();
    assert!(
        text.contains("[3, 2, 4, 4]") && text.contains("[3, 1, 4, 4]"),
        "{text}"
    );
    let text = with(|t| Ok(t.to_dtype(DType::U32).unwrap())).to_string();
    assert!(text.contains("U32"), "{text}");
    let nan = with(|t| Ok((t.zeros_like().unwrap() / 0.0).unwrap()));
    assert!(matches!(nan, Error::NotFinite { index: 0, .. }));
    assert!(nan.to_string().contains("layer 5 of odd, image 0"), "{nan}");

    let fails = |a: Vec<(usize, Tensor)>, b: Vec<(usize, Tensor)>| {
        let (mut a, mut b) = (model("A", a), model("B", b));
        compare(&mut a, &mut b, &Options::default(), &Silent).unwrap_err()
    };
    let few = x.narrow(0, 0, 2).unwrap();
    let error = fails(vec![(0, few)], vec![(0, x.clone())]);
    assert!(matches!(
        error,
        Error::Lengths {
            left_len: 2,
            right_len: 3,
            ..
        }
    ));
    assert!(matches!(
        fails(vec![], layers.clone()),
        Error::TooFew { .. }
    ));
    let twice = vec![(0, x.clone()), (0, x.clone())];
    assert!(matches!(
        fails(twice, layers),
        Error::Features { layer: 0, .. }
    ));
    let ragged = vec![(0, x.clone()), (1, x.narrow(0, 0, 1).unwrap())];
    assert!(matches!(
        FeatureTensors::new("x", ragged),
        Err(Error::Shape { .. })
    ));
}

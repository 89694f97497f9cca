//! Weights on disk: what is written is read, and what is wrong is said.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use common::{evaluate, golden_files};
use serde_json::json;
use spectralkd_models::{Error, Mismatch, frozen, weights};
use spectralkd_testing::{flat, relative};

const CPU: Device = Device::Cpu;

#[test]
fn saved_weights_are_loaded_to_the_bit_with_their_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let note = json!({"epoch": 3, "config": {"depth": 3}, "accuracy": 0.5});
    for golden in golden_files() {
        let paths = ["a.safetensors", "b.safetensors"].map(|name| folder.path().join(name));
        for path in &paths {
            weights::save(path, &golden.weights, &note).unwrap();
        }
        assert_eq!(fs::read(&paths[0]).unwrap(), fs::read(&paths[1]).unwrap());
        assert_eq!(weights::metadata(&paths[0]).unwrap(), Some(note.clone()));

        let loaded = weights::load(&paths[0], &golden.config, &CPU).unwrap();
        assert!(loaded.keys().eq(golden.weights.keys()));
        for (name, value) in &loaded {
            assert_eq!(flat(value), flat(&golden.weights[name]), "{name}");
        }
        let model = frozen(&golden.config, &loaded, &CPU).unwrap();
        golden.compare(&evaluate(&*model, &golden.images)).unwrap();
    }
    assert_eq!(
        weights::metadata(&common::path("deit.safetensors")).unwrap(),
        None
    );
}

#[test]
fn other_float_types_are_converted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let [golden, _] = golden_files();
    for dtype in [DType::F64, DType::F16, DType::BF16] {
        let converted = golden
            .weights
            .iter()
            .map(|(k, v)| (k.clone(), v.to_dtype(dtype).unwrap()));
        weights::save(&path, &converted.collect(), &json!(null)).unwrap();
        let loaded = weights::load(&path, &golden.config, &CPU).unwrap();
        assert!(loaded.values().all(|value| value.dtype() == DType::F32));
        let (found, expected) = (&loaded["norm.weight"], &golden.weights["norm.weight"]);
        assert!(relative(found, expected) < 1e-2);
    }
}

/// Weights of the golden DeiT with one of each fault.
fn faulty(weights: &BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    let mut faulty = weights.clone();
    faulty.remove("norm.bias").unwrap();
    faulty.insert(
        "dist_token".into(),
        Tensor::zeros((1, 1, 30), DType::F32, &CPU).unwrap(),
    );
    faulty.insert(
        "head.weight".into(),
        Tensor::zeros((4, 30), DType::F32, &CPU).unwrap(),
    );
    faulty
}

#[test]
fn one_error_lists_all_tensors_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let [golden, cait] = golden_files();
    let faulty = faulty(&golden.weights);
    weights::save(&path, &faulty, &json!(null)).unwrap();
    let from_file = weights::load(&path, &golden.config, &CPU).unwrap_err();
    let from_memory = frozen(&golden.config, &faulty, &CPU).err().unwrap();
    for error in [&from_file, &from_memory] {
        let Error::Mismatch { mismatch, .. } = error else {
            panic!("{error}")
        };
        let expected = Mismatch {
            missing: vec!["norm.bias [30]".into()],
            unexpected: vec!["dist_token [1, 1, 30]".into()],
            misshaped: vec!["head.weight [4, 30], not [7, 30]".into()],
            mistyped: vec![],
        };
        assert_eq!(**mismatch, expected);
    }
    assert_eq!(
        from_file.to_string(),
        format!(
            "the weights in {} do not fit the deit model they are loaded into: 1 missing: norm.bias [30]; \
             1 unexpected: dist_token [1, 1, 30]; 1 of another shape: head.weight [4, 30], not [7, 30]",
            path.display()
        )
    );
    assert!(weights::load(&path, &cait.config, &CPU).is_err());
}

#[test]
fn tensors_that_are_no_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let [golden, _] = golden_files();

    let mut integers = golden.weights.clone();
    integers.insert(
        "norm.bias".into(),
        Tensor::zeros(30, DType::U32, &CPU).unwrap(),
    );
    candle_core::safetensors::save(&integers.clone().into_iter().collect(), &path).unwrap();
    let error = weights::load(&path, &golden.config, &CPU)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("1 of an unusable type: norm.bias is U32"),
        "{error}"
    );
    let error = frozen(&golden.config, &integers, &CPU)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("norm.bias is U32"), "{error}");
    let error = weights::save(&path, &integers, &json!(null))
        .unwrap_err()
        .to_string();
    assert!(error.contains("norm.bias is of type U32"), "{error}");

    // A type that candle does not know: its own reader would refuse the whole file.
    let flags = [1u8; 30];
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::BOOL, vec![30], &flags).unwrap();
    safetensors::serialize_to_file([("norm.bias", view)], None, &path).unwrap();
    let error = weights::load(&path, &golden.config, &CPU)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("1 of an unusable type: norm.bias is BOOL"),
        "{error}"
    );

    let mut mixed = golden.weights.clone();
    mixed.insert(
        "norm.bias".into(),
        golden.weights["norm.bias"].to_dtype(DType::F64).unwrap(),
    );
    assert!(frozen(&golden.config, &mixed, &CPU).is_err());
}

#[test]
fn values_that_are_no_numbers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let [golden, _] = golden_files();
    let mut bad = golden.weights.clone();
    let mut values = vec![0f32; 30];
    (values[3], values[5]) = (f32::NAN, f32::NEG_INFINITY);
    bad.insert(
        "norm.bias".into(),
        Tensor::from_vec(values, 30, &CPU).unwrap(),
    );
    weights::save(&path, &bad, &json!(null)).unwrap();
    let errors = [
        weights::load(&path, &golden.config, &CPU)
            .unwrap_err()
            .to_string(),
        frozen(&golden.config, &bad, &CPU)
            .err()
            .unwrap()
            .to_string(),
    ];
    for error in errors {
        assert!(
            error.contains("not finite numbers, in norm.bias (2 of 30)"),
            "{error}"
        );
    }
}

#[test]
fn broken_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let [golden, _] = golden_files();
    let load = |path: &Path| weights::load(path, &golden.config, &CPU).unwrap_err();

    let missing = load(&path);
    assert!(matches!(missing, Error::Read { .. }));
    assert!(missing.to_string().contains("w.safetensors"), "{missing}");

    weights::save(&path, &golden.weights, &json!(null)).unwrap();
    let whole = fs::read(&path).unwrap();
    let longer = [&whole[..], b"more"].concat();
    let cases: [(&[u8], &str); 9] = [
        (b"", "is not a whole safetensors file"),
        (&whole[..5], "is not a whole safetensors file"),
        (&whole[..500], "is not a whole safetensors file"),
        (&whole[..whole.len() - 1], "truncated"),
        (&longer, "bytes after its end"),
        (b"PK\x03\x04 archive/data.pkl", "PyTorch file"),
        (
            b"<!DOCTYPE html><html>not found</html>",
            "another kind of file",
        ),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
            "Git LFS pointer",
        ),
        (b"\x08\0\0\0\0\0\0\0not json", "corrupted"),
    ];
    for (bytes, words) in cases {
        fs::write(&path, bytes).unwrap();
        let error = load(&path);
        assert!(
            matches!(error, Error::Format { .. } | Error::Archive { .. }),
            "{error}"
        );
        assert!(
            error.to_string().contains(words),
            "{words:?} is not in {error}"
        );
    }
}

#[test]
fn a_file_is_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let [golden, _] = golden_files();
    let nowhere = folder.path().join("missing").join("w.safetensors");
    let error = weights::save(&nowhere, &golden.weights, &json!(null)).unwrap_err();
    assert!(matches!(error, Error::Write(_)), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

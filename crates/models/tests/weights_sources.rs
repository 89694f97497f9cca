//! PyTorch's archives, folders, and names of other programs (see `golden/make_weights.py`).

mod common;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::{Value, json};
use spectralkd_base::random::Stream;
use spectralkd_models::{Error, ModelConfig, weights};
use spectralkd_testing::flat;

const CPU: Device = Device::Cpu;

/// The configuration and weights of a source of `adapted.safetensors`.
fn source(name: &str) -> (ModelConfig, BTreeMap<String, Tensor>) {
    let bytes = fs::read(common::path("adapted.safetensors")).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let cases: Vec<Value> =
        serde_json::from_str(&header.metadata().as_ref().unwrap()["cases"]).unwrap();
    let case = cases.iter().find(|case| case["source"] == name).unwrap();
    let config = serde_json::from_value(case["source_config"].clone()).unwrap();
    let tensors: HashMap<String, Tensor> =
        candle_core::safetensors::load_buffer(&bytes, &CPU).unwrap();
    let prefix = format!("{name}.");
    let own = tensors
        .into_iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?.to_string(), value)));
    (config, own.collect())
}

/// Loads strictly, compares to the bit, and returns the notes.
fn loads(path: &Path, config: &ModelConfig, expected: &BTreeMap<String, Tensor>) -> Vec<String> {
    let strict = weights::load(path, config, &CPU).unwrap();
    assert!(strict.keys().eq(expected.keys()));
    for (name, value) in &strict {
        assert_eq!(value.dims(), expected[name].dims(), "{name}");
        assert_eq!(flat(value), flat(&expected[name]), "{name}");
    }
    let fresh = Stream::new(1, "init");
    weights::load_adapted(path, config, &fresh, &CPU)
        .unwrap()
        .notes
}

#[test]
fn archives_of_torch_are_read() {
    let (config, expected) = source("deit");
    for name in ["plain.pth", "protocol4.pth"] {
        assert!(loads(&common::path(name), &config, &expected).is_empty());
    }
    // Parameters, other types, columns first, parts of shared storages, an optimiser, arguments, flags.
    assert_eq!(
        loads(&common::path("nested.pth"), &config, &expected),
        [
            "took the weights under `state_dict`, `model`",
            "took `module.` from the names",
            "passed over tensors named `attn_mask` (1)",
            "skipped `mask`, a tensor of type BOOL"
        ]
    );
}

#[test]
fn the_names_of_microsofts_swin_are_converted() {
    let (config, expected) = source("swin");
    assert_eq!(
        loads(&common::path("microsoft.pth"), &config, &expected),
        [
            "took the weights under `model`",
            "converted Microsoft's names to timm's: each downsampling goes to the next stage, `head` becomes `head.fc`",
            "passed over tensors named `attn_mask` (4)",
            "passed over tensors named `relative_position_index` (4)"
        ]
    );
}

#[test]
fn files_of_torch_without_weights_say_what_to_do() {
    let (config, _) = source("deit");
    let (swin, _) = source("swin");
    let error = |name: &str| {
        let error = weights::load(&common::path(name), &config, &CPU).unwrap_err();
        assert!(matches!(error, Error::Archive { .. }), "{error}");
        error.to_string()
    };
    let legacy = error("legacy.pth");
    assert!(
        legacy.contains("before 1.6") && legacy.contains("torch.save(torch.load("),
        "{legacy}"
    );
    assert!(error("scripted.pth").contains("TorchScript module"));
    assert!(matches!(
        weights::load(&common::path("plain.pth"), &swin, &CPU),
        Err(Error::Mismatch { .. })
    ));
}

/// Whatever is done to an archive, it is an error or the right weights.
#[test]
fn broken_archives_are_errors() {
    let (config, expected) = source("deit");
    let whole = fs::read(common::path("plain.pth")).unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("w.pth");
    let mut errors = 0;
    let mut check = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        match weights::load(&path, &config, &CPU) {
            Ok(loaded) => assert_eq!(flat(&loaded["norm.weight"]), flat(&expected["norm.weight"])),
            Err(error) => {
                errors += 1;
                assert!(error.to_string().contains("w.pth"), "{error}");
            }
        }
    };
    for at in (0..whole.len()).step_by(19) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x41;
        check(&flipped);
    }
    for length in (0..whole.len()).step_by(97) {
        check(&whole[..length]);
    }
    assert!(errors > 200, "{errors}");
}

#[test]
fn a_folder_gives_its_weights_or_a_list() {
    let (config, expected) = source("deit");
    let place = tempfile::tempdir().unwrap();
    let error = |words: &str| {
        let error = weights::load(place.path(), &config, &CPU).unwrap_err();
        assert!(matches!(error, Error::Folder { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    error("it is empty");
    fs::write(place.path().join("README.md"), "# Model").unwrap();
    fs::create_dir(place.path().join("logs")).unwrap();
    error(
        "there is no model.safetensors and no other *.safetensors, *.pth, *.pth.tar, *.pt, *.bin file; it holds \
           README.md, logs/",
    );

    fs::copy(common::path("plain.pth"), place.path().join("best.pth")).unwrap();
    loads(place.path(), &config, &expected);
    fs::copy(common::path("plain.pth"), place.path().join("last.pth")).unwrap();
    error(
        "there are several *.pth files, and none is called model.safetensors: name the file; it holds README.md, \
           best.pth, last.pth, logs/",
    );
    fs::copy(
        common::path("nested.pth"),
        place.path().join("pytorch_model.bin"),
    )
    .unwrap();
    loads(place.path(), &config, &expected);

    // In two files.
    let (first, second): (BTreeMap<_, _>, BTreeMap<_, _>) = expected
        .clone()
        .into_iter()
        .partition(|(name, _)| name.starts_with("blocks."));
    let mut map = BTreeMap::new();
    for (name, part) in [("a.safetensors", first), ("b.safetensors", second)] {
        weights::save(&place.path().join(name), &part, &json!(null)).unwrap();
        map.extend(part.into_keys().map(|key| (key, name)));
    }
    let index = place.path().join("model.safetensors.index.json");
    fs::write(
        &index,
        json!({"metadata": {}, "weight_map": map}).to_string(),
    )
    .unwrap();
    loads(place.path(), &config, &expected);
    fs::write(
        &index,
        json!({"weight_map": {"a": "../a.safetensors"}}).to_string(),
    )
    .unwrap();
    error("which is no file beside it");
    fs::write(&index, "{").unwrap();
    error("the list of files is broken");

    weights::save(
        &place.path().join("model.safetensors"),
        &expected,
        &json!(null),
    )
    .unwrap();
    assert!(loads(place.path(), &config, &expected).is_empty());
}

#[test]
fn flags_and_buffers_do_not_spoil_a_file() {
    let (config, expected) = source("deit");
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("w.safetensors");
    let data: BTreeMap<&str, Vec<u8>> = expected
        .iter()
        .map(|(name, tensor)| {
            let bytes = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            (
                name.as_str(),
                bytes.iter().flat_map(|v| v.to_le_bytes()).collect(),
            )
        })
        .collect();
    let view = safetensors::tensor::TensorView::new;
    let mut views: Vec<(String, _)> = data
        .iter()
        .map(|(name, bytes)| {
            let shape = expected[*name].dims().to_vec();
            let view = view(safetensors::Dtype::F32, shape, bytes).unwrap();
            (format!("_orig_mod.module.{name}"), view)
        })
        .collect();
    for (name, dtype, shape) in [
        ("used", safetensors::Dtype::BOOL, 16),
        ("blocks.0.attn.attn_mask", safetensors::Dtype::BOOL, 16),
        (
            "blocks.0.attn.relative_position_index",
            safetensors::Dtype::I64,
            2,
        ),
    ] {
        let name = format!("_orig_mod.module.{name}");
        views.push((name, view(dtype, vec![shape], &[1; 16]).unwrap()));
    }
    safetensors::serialize_to_file(views.clone(), None, &path).unwrap();
    assert_eq!(
        loads(&path, &config, &expected),
        [
            "took `_orig_mod.module.` from the names",
            "passed over tensors named `attn_mask` (1)",
            "passed over tensors named `relative_position_index` (1)",
            "skipped `used`, a tensor of type BOOL"
        ]
    );

    // Other integers are no buffers that are known, and no prefix is taken from some of the names.
    views.push((
        "steps".into(),
        view(safetensors::Dtype::I64, vec![2], &[1; 16]).unwrap(),
    ));
    safetensors::serialize_to_file(views, None, &path).unwrap();
    let error = weights::load(&path, &config, &CPU).unwrap_err().to_string();
    assert!(
        error.contains("steps [2]") && error.contains("missing"),
        "{error}"
    );
}

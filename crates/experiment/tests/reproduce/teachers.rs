//! Where a teacher's outputs come from, and which classes it knows.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use spectralkd_models::weights;

use crate::disk;
use crate::four_variants::EXPERIMENT;
use crate::schema::{Loss, Written};
use crate::workplace::{WEIGHTS, Workplace, run_folder};

const SPECTRAL: Written = Written {
    seeds: &[0],
    variants: &[("spectral", Loss::Spectral), ("mse", Loss::MatchedMse)],
    compared: false,
    ..EXPERIMENT
};

/// The experiment with these keys of `[teacher]`.
fn with(keys: &str) -> String {
    let toml = SPECTRAL.toml();
    let marked = toml.replacen("[teacher]\n", &format!("[teacher]\n{keys}\n"), 1);
    assert_ne!(toml, marked);
    marked
}

/// The weights of the students are the same to the bit. (The files name their experiments.)
fn same_students(a: &Path, b: &Path) {
    let weights = |out: &Path, variant| {
        let path = run_folder(out, variant, 0).join("weights.safetensors");
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        let bits = |t: Tensor| {
            t.flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap()
                .into_iter()
                .map(f32::to_bits)
                .collect()
        };
        let bits = tensors
            .into_iter()
            .map(|(name, tensor)| (name, bits(tensor)));
        bits.collect::<BTreeMap<String, Vec<u32>>>()
    };
    for (variant, _) in SPECTRAL.variants {
        assert!(weights(a, variant) == weights(b, variant), "{variant}");
    }
}

fn placement(out: &Path) -> String {
    let manifest = disk::json(&out.join("manifest.json"));
    manifest["teacher"]["placement"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn online_and_cached_teachers_make_the_same_student() {
    let workplace = Workplace::new();
    let (_, cached) = workplace.run("cached", &with("cache_gb = 1.0"));
    let (_, online) = workplace.run("online", &with("cache_gb = 0.0"));
    assert!(
        placement(&cached).contains("kept"),
        "{}",
        placement(&cached)
    );
    assert!(
        placement(&online).contains("every batch"),
        "{}",
        placement(&online)
    );
    same_students(&cached, &online);
}

#[test]
fn a_bf16_teacher_makes_nearly_the_same_first_step() {
    let workplace = Workplace::new();
    let (_, single) = workplace.run("single", &with("precision = \"f32\""));
    let (_, half) = workplace.run("half", &with("precision = \"bf16\""));
    let terms = |out: &Path| disk::first_step(&run_folder(out, "spectral", 0))["parts"].clone();
    let (a, b) = (terms(&single), terms(&half));
    assert_eq!(a["cross-entropy"], b["cross-entropy"]);
    for term in ["kl", "spectral"] {
        let off = (b[term].as_f64().unwrap() / a[term].as_f64().unwrap() - 1.0).abs();
        assert!(off > 0.0 && off < 0.02, "{term}: {off}");
    }
}

/// The classes of the images, in their order.
const CLASSES: &str = "\"T-shirt/top\", \"Trouser\", \"Pullover\", \"Dress\", \"Coat\", \"Sandal\", \"Shirt\", \"Sneaker\", \"Bag\", \"Ankle boot\"";

#[test]
fn classes_are_matched_by_name() {
    let workplace = Workplace::new();
    let (_, plain) = workplace.run("plain", &with(&format!("classes = [{CLASSES}]")));

    // The same teacher with the rows of its head in reverse, and the names with them.
    let path = workplace.path(WEIGHTS);
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    let reverse = Tensor::new((0..10u32).rev().collect::<Vec<_>>(), &Device::Cpu).unwrap();
    for name in ["head.weight", "head.bias"] {
        let reversed = tensors[name].index_select(&reverse, 0).unwrap();
        tensors.insert(name.to_owned(), reversed);
    }
    let tensors = tensors.into_iter().collect();
    weights::save(&path, &tensors, &serde_json::Value::Null).unwrap();
    std::fs::remove_file(path.with_extension("json")).unwrap();
    let reversed: Vec<&str> = CLASSES
        .split(", ")
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    let (_, matched) = workplace.run(
        "matched",
        &with(&format!("classes = [{}]", reversed.join(", "))),
    );
    same_students(&plain, &matched);

    // Names that are not the images': its logits teach nothing, its features may.
    let strangers = CLASSES.replace("Bag", "Sack");
    workplace.write("strangers", &with(&format!("classes = [{strangers}]")));
    let error = workplace.error("strangers", &workplace.options("strangers"));
    assert!(error.contains("`kl`") && error.contains("Bag"), "{error}");
    let features = Written {
        variants: &[("features", Loss::FeaturesOnly)],
        ..SPECTRAL
    };
    let keys = format!("[teacher]\nclasses = [{strangers}]\n");
    let (_, taught) = workplace.run(
        "features",
        &features.toml().replacen("[teacher]\n", &keys, 1),
    );
    let manifest = disk::json(&taught.join("manifest.json"));
    assert!(manifest["teacher"].get("top1").is_none());
}

//! The spectral lens from files of features to folders of tables, figures and a report.

use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use spectralkd_base::progress::Silent;
use spectralkd_base::provenance::Provenance;
use spectralkd_base::random::Stream;
use spectralkd_lens::{FeatureSource, FeaturesFrom, Options, analyze, compare};

/// A file of noise features: two layers of `channels` channels for five images.
fn features(path: &Path, name: &str, channels: usize) -> FeatureSource {
    let map = |layer: u64| {
        let mut noise = Stream::new(3, name).at(layer);
        let values = (0..5 * channels * 16).map(|_| noise.normal() as f32);
        let values: Vec<f32> = values.collect();
        Tensor::from_vec(values, (5, channels, 4, 4), &Device::Cpu).unwrap()
    };
    let file = path.join(format!("{channels}.safetensors"));
    let tensors = [("features.0", map(0)), ("features.3", map(3))];
    candle_core::safetensors::save(&tensors.into(), &file).unwrap();
    FeatureSource {
        label: Some(name.to_owned()),
        from: FeaturesFrom::File(file),
    }
}

fn options(out: &Path) -> Options {
    Options {
        images: None,
        limit: None,
        batch: 2,
        seed: 0,
        out: out.to_owned(),
        fresh: false,
        provenance: Provenance::default(),
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The values of one column of a CSV file.
fn column(text: &str, name: &str) -> Vec<f64> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = header.iter().position(|column| *column == name).unwrap();
    lines
        .map(|line| line.split(',').nth(at).unwrap().parse().unwrap())
        .collect()
}

#[test]
fn one_model_leaves_its_tables_in_the_folder_itself() {
    let dir = tempfile::tempdir().unwrap();
    let source = features(dir.path(), "noise", 6);
    let out = dir.path().join("out");
    let seen = analyze::analyze(&[source], &options(&out), 20, &Silent).unwrap();
    assert!(seen.table.contains("noise (5 images)"), "{}", seen.table);

    let spectra = read(&out.join("spectra.csv"));
    assert!(spectra.starts_with("layer,bin,frequency,amplitude\n"));
    assert_eq!(
        column(&spectra, "bin"),
        [0., 1., 2., 3., 4., 5., 0., 1., 2., 3., 4., 5.]
    );
    let intensity = read(&out.join("intensity.csv"));
    assert!(intensity.starts_with("layer,intensity,normalised_intensity\n"));
    assert_eq!(column(&intensity, "layer"), [0.0, 3.0]);
    // White noise has a normalised intensity of 1, and 480 values know it to a few percent.
    for value in column(&intensity, "normalised_intensity") {
        assert!((value - 1.0).abs() < 0.15, "{value}");
    }
    for (layer, mean) in column(&intensity, "intensity").iter().enumerate() {
        let bins = &column(&spectra, "amplitude")[layer * 6..][..6];
        assert!((bins.iter().sum::<f64>() / 6.0 - mean).abs() < 1e-12);
    }
    for name in ["bands.csv", "quantiles.csv", "radial.csv", "summary.csv"] {
        assert!(read(&out.join(name)).starts_with("layer,"), "{name}");
    }
    let manifest: serde_json::Value =
        serde_json::from_str(&read(&out.join("manifest.json"))).unwrap();
    assert_eq!(manifest["subjects"][0]["images"], 5);
    assert_eq!(manifest["settings"]["permutations"], 20);
    assert!(read(&seen.report).contains("Spectra of noise"));
    assert!(fs::read_dir(out.join("figures")).unwrap().count() >= 10);
}

#[test]
fn several_models_stand_on_one_axis_and_in_folders_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let sources = [
        features(dir.path(), "a", 6),
        features(dir.path(), "../odd name", 4),
    ];
    let out = dir.path().join("out");
    analyze::analyze(&sources, &options(&out), 0, &Silent).unwrap();
    assert!(out.join("1-a").join("spectra.csv").is_file());
    assert!(out.join("2-___odd_name").join("intensity.csv").is_file());
    let report = read(&out.join("report.html"));
    assert!(report.contains("have no control"));

    let again = analyze::analyze(&sources, &options(&out), 0, &Silent);
    let text = again.unwrap_err().to_string();
    assert!(
        text.contains("is not empty") && text.contains("--fresh"),
        "{text}"
    );
    let fresh = Options {
        fresh: true,
        ..options(&out)
    };
    analyze::analyze(&sources[..1], &fresh, 0, &Silent).unwrap();
    assert!(dir.path().join("out.1").join("1-a").is_dir());

    let twice = [sources[0].clone(), sources[0].clone()];
    let out = dir.path().join("twice");
    let text = analyze::analyze(&twice, &options(&out), 0, &Silent)
        .unwrap_err()
        .to_string();
    assert!(text.contains("label="), "{text}");
}

#[test]
fn a_comparison_finds_a_model_in_itself() {
    let dir = tempfile::tempdir().unwrap();
    let noise = features(dir.path(), "noise", 6);
    let out = dir.path().join("out");
    let seen = compare::compare(&noise, &noise, &options(&out), &Silent).unwrap();
    let csv = read(&out.join("compare.csv"));
    assert!(csv.starts_with("a_layer,b_layer,spectral_loss,mse,cka,spectrum_distance\n"));
    let (mse, cka) = (column(&csv, "mse"), column(&csv, "cka"));
    assert_eq!((mse[0], mse[3]), (0.0, 0.0));
    assert!(mse[1] > 1.0 && (cka[0] - 1.0).abs() < 1e-9);
    assert!(
        seen.table.contains("0 (0.000)") && seen.table.contains("3 (0.000)"),
        "{}",
        seen.table
    );
    let monotone = read(&out.join("pairs-monotone.csv"));
    assert_eq!(column(&monotone, "chosen"), [1.0, 0.0, 0.0, 1.0]);
    let report = read(&seen.report);
    assert!(report.contains("noise (A)") && report.contains("noise (B)"));
}

#[test]
fn files_that_are_no_features_are_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let open = |tensors: &[(&str, Tensor)]| {
        candle_core::safetensors::save(&tensors.iter().cloned().collect(), &path).unwrap();
        let source: FeatureSource = path.display().to_string().parse().unwrap();
        let out = dir.path().join("out");
        analyze::analyze(&[source], &options(&out), 0, &Silent)
            .unwrap_err()
            .to_string()
    };
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let text = open(&[("logits", zeros(&[2, 3]))]);
    assert!(
        text.contains("features.<i>") && text.contains("logits"),
        "{text}"
    );
    let text = open(&[("features.0", zeros(&[2, 3, 4]))]);
    assert!(
        text.contains("[2, 3, 4]") && text.contains("[B, C, H, W]"),
        "{text}"
    );
    let text = open(&[
        ("features.0", zeros(&[2, 3, 4, 4])),
        ("features.1", zeros(&[1, 3, 4, 4])),
    ]);
    assert!(text.contains("the same images"), "{text}");
}

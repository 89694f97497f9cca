//! A folder of colour pictures, cut at random and mixed, with a teacher of another size beside the student.

use std::path::Path;

use spectralkd_base::random::Stream;
use spectralkd_experiment::reproduce::{Options, Status, plan};
use spectralkd_models::{ModelConfig, weights};
use spectralkd_nn::Params;

use crate::disk;
use crate::resume::Stopper;
use crate::workplace::{Workplace, run_folder};

const TEACHER: &str = r#"family = "cait", img_size = [24, 24], patch_size = 6, in_chans = 3, num_classes = 3, embed_dim = 16, depth = 3, depth_token_only = 1, num_heads = 2, init_values = 0.5"#;

/// The student takes 16x16 pixels, its teacher 24x24 in another normalisation; both have a grid of 4x4.
fn experiment(data: &str) -> String {
    format!(
        r#"
        title = "Pictures"
        seeds = [0]
        model = {{ family = "deit", img_size = [16, 16], patch_size = 4, embed_dim = 8, depth = 2, num_heads = 2, drop_path = 0.2 }}
        distillation = {{ pairs = [[0, 0], [1, 2]] }}
        spectra = {{ per_class = 1 }}
        [data]
        dataset = "folder"
        flip = true
        {data}
        [teacher]
        model = {{ {TEACHER} }}
        weights = "cait.safetensors"
        mean = [0.5, 0.4, 0.3]
        std = [0.2, 0.3, 0.4]
        [train]
        epochs = 2
        batch_size = 4
        lr = 1e-3
        log_every_steps = 1
        [[variants]]
        name = "spectral"
        losses = [
            {{ kind = "cross-entropy", weight = 0.1 }},
            {{ kind = "kl", weight = 0.9 }},
            {{ kind = "spectral", weight = 0.2 }},
        ]
        "#
    )
}

/// Pictures of several sizes, four to train on and two to test on for each of three classes, and a teacher.
fn pictures(workplace: &Workplace) {
    for (split, count) in [("train", 4), ("val", 2)] {
        for class in ["ape", "bee", "cow"] {
            let folder = workplace.path("pictures").join(split).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for i in 0..count {
                let mut noise = Stream::new(i, split).named(class);
                let (width, height) = (20 + 7 * i as u32, 31 - 3 * i as u32);
                let bytes: Vec<u8> = (0..3 * width * height)
                    .map(|_| noise.below(256) as u8)
                    .collect();
                write_png(&folder.join(format!("{i}.png")), width, height, &bytes);
            }
        }
    }
    let config: ModelConfig =
        toml::from_str(&TEACHER.replace(", ", "\n").replace("24\n24", "24, 24")).unwrap();
    let params = Params::new();
    let vb = params.builder(
        &Stream::new(3, "cait"),
        candle_core::DType::F32,
        &candle_core::Device::Cpu,
    );
    config.build(vb).unwrap();
    weights::save(
        &workplace.path("cait.safetensors"),
        &params.tensors(),
        &serde_json::Value::Null,
    )
    .unwrap();
}

fn write_png(path: &Path, width: u32, height: u32, bytes: &[u8]) {
    let file = std::fs::File::create(path).unwrap();
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(bytes)
        .unwrap();
}

fn options(workplace: &Workplace, name: &str) -> Options {
    Options {
        data: Some(workplace.path("pictures")),
        ..workplace.options(name)
    }
}

const DRAWN: &str =
    "crop = \"random-resized\"\nerase = 0.5\nmixup = 0.8\ncutmix = 1.0\nworkers = 2";

#[test]
fn a_teacher_beside_the_student_on_views_of_its_own() {
    let workplace = Workplace::new();
    pictures(&workplace);
    workplace.write("drawn", &experiment(DRAWN));
    let whole = options(&workplace, "drawn");
    let run = |options: &Options, steps| {
        let stopper = Stopper::after(steps);
        let summary = workplace.try_run("drawn", options, &stopper, &stopper.interrupt);
        summary.unwrap().status
    };
    assert_eq!(run(&whole, 1000), Status::Done);
    let manifest = disk::json(&whole.out.join("manifest.json"));
    let placement = manifest["teacher"]["placement"].as_str().unwrap();
    assert!(placement.contains("views of its own"), "{placement}");
    assert_eq!(
        manifest["student"]["classes"],
        serde_json::json!(["ape", "bee", "cow"])
    );
    assert_eq!(manifest["data"]["train_images"], 12);

    // Two epochs of three steps, no two of which saw the same views.
    let steps = disk::events(&run_folder(&whole.out, "spectral", 0), "step");
    assert_eq!(steps.len(), 6);

    // Stopped within an epoch, prefetching on two threads or reading in between: the same bits.
    let text = experiment(DRAWN);
    let stopped = Options {
        out: workplace.path("stopped.out"),
        threads: 1,
        ..whole.clone()
    };
    assert!(matches!(run(&stopped, 2), Status::Interrupted { .. }));
    assert_eq!(run(&stopped, 1000), Status::Done);
    workplace.write("drawn", &text.replace("workers = 2", "workers = 0"));
    let between = Options {
        out: workplace.path("between.out"),
        ..whole.clone()
    };
    assert_eq!(run(&between, 1000), Status::Done);
    let weights = |options: &Options| {
        std::fs::read(run_folder(&options.out, "spectral", 0).join("weights.safetensors")).unwrap()
    };
    assert!(weights(&whole) == weights(&stopped), "stopped");
    assert!(weights(&whole) == weights(&between), "workers");
}

#[test]
fn the_dry_run_says_where_the_teachers_outputs_come_from() {
    let workplace = Workplace::new();
    pictures(&workplace);
    for (data, part) in [
        (DRAWN, "every batch (every epoch has views of its own)"),
        ("crop = \"centre\"", "outputs kept in"),
    ] {
        workplace.write("plan", &experiment(data));
        let path = workplace.path("plan.toml");
        let read = spectralkd_experiment::config::load(&path, None, &[]).unwrap();
        let lines = plan(&read, &options(&workplace, "plan"), false).unwrap();
        let teacher = lines.iter().find(|(key, _)| key == "teacher").unwrap();
        assert!(teacher.1.contains(part), "{}", teacher.1);
    }
    for (from, to, part) in [
        (
            "crop = \"centre\"",
            "mean = [0.1]\nstd = [0.2]",
            "`data.mean`",
        ),
        (
            "mean = [0.5, 0.4, 0.3]\n        std = [0.2, 0.3, 0.4]",
            "mean = [0.5]\n        std = [0.2]",
            "`teacher.mean`",
        ),
        (
            "[teacher]\n",
            "[teacher]\nclasses = [\"ape\", \"bee\"]\n",
            "2 names",
        ),
    ] {
        let text = experiment("crop = \"centre\"");
        assert!(text.contains(from), "{from}");
        workplace.write("wrong", &text.replace(from, to));
        let error = workplace.error("wrong", &options(&workplace, "wrong"));
        assert!(error.contains(part), "{error}");
    }
    workplace.write(
        "large",
        &experiment("").replace("batch_size = 4", "batch_size = 13"),
    );
    let read =
        spectralkd_experiment::config::load(&workplace.path("large.toml"), None, &[]).unwrap();
    let error = plan(&read, &options(&workplace, "large"), false)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("13") && error.contains("12 training images"),
        "{error}"
    );
    let missing = workplace.error("plan", &workplace.options("plan"));
    assert!(missing.contains("--data"), "{missing}");
}

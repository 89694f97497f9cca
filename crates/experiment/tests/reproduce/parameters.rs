//! Losses with parameters of their own, weights that change by epoch, and the average of the weights.

use std::path::Path;

use candle_core::Device;
use spectralkd_experiment::export::timm;
use spectralkd_experiment::reproduce::{Options, Status};

use crate::disk::{self, Csv};
use crate::four_variants::EXPERIMENT;
use crate::resume::Stopper;
use crate::schema::{Loss, Written};
use crate::workplace::{Workplace, run_folder};

/// One variant whose losses are these entries.
fn experiment(losses: &str, train: &str) -> String {
    let written = Written {
        seeds: &[0],
        variants: &[("own", Loss::Labels)],
        compared: false,
        ..EXPERIMENT
    };
    let toml = written.toml();
    let at = toml.find("losses = [").unwrap();
    let end = at + toml[at..].find('\n').unwrap();
    let toml = format!("{}losses = [{losses}]{}", &toml[..at], &toml[end..]);
    toml.replacen("[train]\n", &format!("[train]\n{train}\n"), 1)
}

/// The tensors of a run's newest checkpoint.
fn checkpoint(run: &Path) -> Vec<String> {
    let mut files: Vec<_> = std::fs::read_dir(run.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    files.sort();
    let tensors = candle_core::safetensors::load(files.last().unwrap(), &Device::Cpu).unwrap();
    tensors.into_keys().collect()
}

const LOSSES: &str = r#"{ kind = "cross-entropy" },
    { kind = "fitnets", weight = { value = 0.5, on = 1 } },
    { kind = "kl", weight = { from = 1.0, to = 0.0, end = 2 } },
    { kind = "manifold", weight = 0.1, pairs = [[2, 4]] }"#;

#[test]
fn a_projector_trains_is_resumed_and_stays_out_of_the_weights() {
    let workplace = Workplace::new();
    let toml = experiment(LOSSES, "");
    let (_, whole) = workplace.run("whole", &toml);
    let run = run_folder(&whole, "own", 0);

    // By epoch: off at first, then on; and less and less.
    let epochs = disk::events(&run, "epoch");
    let has = |i: usize, term: &str| epochs[i]["parts"].get(term).is_some();
    assert_eq!([0, 1, 2].map(|i| has(i, "fitnets")), [false, true, true]);
    assert_eq!([0, 1, 2].map(|i| has(i, "kl")), [true, true, false]);
    assert!(has(0, "manifold.patch") && has(2, "manifold.random"));

    // In the checkpoint with its moments, not among the student's weights.
    let names = checkpoint(&run);
    for kind in ["weights/", "exp_avg/", "exp_avg_sq/"] {
        let own = names
            .iter()
            .filter(|n| n.starts_with(&format!("{kind}losses.fitnets.")));
        assert_eq!(own.count(), 6, "{kind}: weight and bias for three pairs");
    }
    let weights = candle_core::safetensors::load(run.join("weights.safetensors"), &Device::Cpu);
    assert!(
        weights
            .unwrap()
            .keys()
            .all(|name| !name.starts_with("losses"))
    );

    // Stopped again and again: the same bits.
    let options = Options {
        out: workplace.path("stopped.out"),
        threads: 1,
        ..workplace.options("whole")
    };
    for _ in 0..9 {
        let stopper = Stopper::after(4);
        let summary = workplace.try_run("whole", &options, &stopper, &stopper.interrupt);
        if summary.unwrap().status == Status::Done {
            break;
        }
    }
    let bytes =
        |out: &Path| std::fs::read(run_folder(out, "own", 0).join("weights.safetensors")).unwrap();
    assert!(bytes(&whole) == bytes(&options.out));
}

#[test]
fn the_average_of_the_weights_is_measured_and_exported() {
    let workplace = Workplace::new();
    let (_, out) = workplace.run(
        "average",
        &experiment("{ kind = \"cross-entropy\" }", "ema = 0.5"),
    );
    let run = run_folder(&out, "own", 0);
    let epochs = disk::events(&run, "epoch");
    let metrics = &epochs[2]["metrics"];
    assert_ne!(metrics["loss"], metrics["ema.loss"]);
    let table = Csv::read(&out.join("results.csv"));
    assert_eq!(
        table.numbers("average_top1")[0],
        metrics["ema.test.top1"].as_f64()
    );
    assert!(disk::text(&out.join("report.html")).contains("of the average"));
    let read = |name: &str| std::fs::read(run.join(name)).unwrap();
    assert!(read("weights.safetensors") != read("average.safetensors"));
    let folder = workplace.path("exported");
    timm::export(&run, &folder, true).unwrap();
    let load = |path: &Path| candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let (exported, average) = (
        load(&folder.join("model.safetensors")),
        load(&run.join("average.safetensors")),
    );
    let head = |tensors: &std::collections::HashMap<String, candle_core::Tensor>| {
        tensors["head.weight"]
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
    };
    assert_eq!(head(&exported), head(&average));
    let card = disk::text(&folder.join("README.md"));
    assert!(card.contains("moving average of the weights"), "{card}");

    let (_, plain) = workplace.run("plain", &experiment("{ kind = \"cross-entropy\" }", ""));
    let error =
        timm::export(&run_folder(&plain, "own", 0), &workplace.path("none"), true).unwrap_err();
    assert!(error.to_string().contains("train.ema"), "{error}");
}

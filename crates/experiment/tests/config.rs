//! Experiment files: the shipped ones resolve, mistakes are found at their line.

use std::path::{Path, PathBuf};

use spectralkd_experiment::config::{self, Source};
use spectralkd_experiment::error::Error;
use spectralkd_experiment::folder::resolved;
use spectralkd_losses::Pairs;

fn experiments() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments")
}

fn headline() -> String {
    std::fs::read_to_string(experiments().join("headline.toml")).unwrap()
}

/// The error of the headline file with one piece of text replaced.
fn error_of(from: &str, to: &str) -> (Option<usize>, String) {
    let text = headline();
    assert!(text.contains(from), "{from}");
    let changed = text.replacen(from, to, 1);
    let error = Source::parse(Path::new("headline.toml"), changed)
        .and_then(|source| config::resolve(&source, None, &[]))
        .unwrap_err();
    match error {
        Error::Config(e) => (e.line, e.to_string()),
        other => panic!("not a config error: {other}"),
    }
}

/// Line of a text in the headline file, from 1.
fn line_of(text: &str) -> Option<usize> {
    headline()
        .lines()
        .position(|l| l.starts_with(text))
        .map(|i| i + 1)
}

#[test]
fn layer_pairs_are_listed_or_left_to_a_strategy() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/headline.toml");
    let with = |pairs: &str| config::load(&path, None, &[format!("distillation.pairs={pairs}")]);
    let pairs = |text: &str| with(text).unwrap().distillation.pairs;
    let list = Pairs::Listed(vec![(0, 0), (2, 5)]);
    assert_eq!(pairs("[[0, 0], [2, 5]]"), list);
    assert!(matches!(
        pairs("{ strategy = 'monotone', count = 2 }"),
        Pairs::Chosen { count: 2, .. }
    ));
    for (text, part) in [
        ("[]", "at least one"),
        ("[[0]]", "pair"),
        ("[[0, 6]]", "6"),
        ("{ strategy = 'papr', count = 2 }", "did you mean `paper`?"),
        ("{ strategy = 'cka', count = 0 }", "at least 1"),
        ("{ strategy = 'cka', count = 4 }", "3 blocks, the teacher 6"),
        ("{ strategy = 'cka', cout = 4 }", "did you mean `count`?"),
        ("{ strategy = 'cka' }", "count"),
    ] {
        let error = with(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn every_profile_of_every_shipped_file_resolves() {
    let files = config::list(&experiments()).unwrap();
    assert!(files.iter().any(|(name, _)| name == "headline"));
    for (name, path) in files {
        let source = Source::read(&path).unwrap();
        let profiles = source.table()["profiles"].as_table().unwrap().clone();
        for profile in profiles.keys() {
            let experiment = config::resolve(&source, Some(profile), &[]).unwrap();
            assert_eq!(
                (experiment.name.as_str(), &experiment.profile),
                (name.as_str(), profile)
            );
        }
    }
}

#[test]
fn the_quick_profile_resolves_to_this() {
    let source = Source::parse(Path::new("headline.toml"), headline()).unwrap();
    let experiment = config::resolve(&source, Some("quick"), &[]).unwrap();
    insta::assert_snapshot!(resolved(&experiment).unwrap());
}

#[test]
fn a_misspelt_key_is_found_and_its_neighbour_suggested() {
    let (line, message) = error_of("batch_size = 32", "batchsize = 32");
    assert_eq!(line, line_of("batch_size = 32"), "{message}");
    assert!(message.contains("did you mean `batch_size`?"), "{message}");
    let (_, message) = error_of("num_heads = 3", "num_head = 3");
    assert!(message.contains("did you mean `num_heads`?"), "{message}");
}

#[test]
fn mistakes_inside_a_loss_are_found_at_its_line() {
    let loss = "    { kind = \"kl\", weight = 0.9, tau = 1.0 },";
    for (from, to, part) in [
        ("tau = 1.0", "tao = 1.0", "did you mean `tau`?"),
        ("kind = \"kl\"", "kind = \"kll\"", "did you mean `kl`?"),
        ("tau = 1.0", "tau = -1.0", "losses.1.tau"),
        ("tau = 1.0", "tau = \"warm\"", "losses.1.tau"),
        (
            "weight = 0.9",
            "weight = { value = 1.0, on = 5, of = 6 }",
            "did you mean `off`?",
        ),
        ("weight = 0.9", "weight = -1", "weight"),
        (
            "kind = \"kl\"",
            "kind = \"kl\", name = \"cross-entropy\"",
            "give one of them",
        ),
        (
            "kind = \"kl\"",
            "kind = \"kl\", head = \"distillation\"",
            "distillation",
        ),
    ] {
        let (line, message) = error_of(loss, &loss.replacen(from, to, 1));
        assert_eq!(line, line_of(loss), "{message}");
        assert!(message.contains(part), "{message}");
    }
    let (line, message) = error_of("matched = true", "matchd = true");
    assert_eq!(line, line_of("    { kind = \"mse\""), "{message}");
    assert!(message.contains("did you mean `matched`?"), "{message}");
}

#[test]
fn values_out_of_range_are_found_at_their_line() {
    let (line, message) = error_of("lr = 2e-3", "lr = -2e-3");
    assert_eq!(line, line_of("lr = 2e-3"), "{message}");
    let (line, message) = error_of("pairs = [[0, 0]", "pairs = [[0, 9]");
    assert_eq!(line, line_of("pairs = "), "{message}");
    assert!(message.contains('9') && message.contains('6'), "{message}");
    let (line, message) = error_of("baseline = \"logits\"", "baseline = \"logit\"");
    assert_eq!(line, line_of("baseline = "), "{message}");
    assert!(message.contains("did you mean `logits`?"), "{message}");
    let weightless = "losses = [{ kind = \"cross-entropy\", weight = { value = 1.0, off = 2 } }]";
    let labels = "losses = [{ kind = \"cross-entropy\", smoothing = 0.1 }]";
    let (line, message) = error_of(labels, weightless);
    assert_eq!(line, line_of(labels), "{message}");
    assert!(message.contains("any weight in epoch 2"), "{message}");
    let (_, message) = error_of("embed_dim = 48", "embed_dim = 50");
    assert!(message.contains("num_heads"), "{message}");
    let (_, message) = error_of("embed_dim = 48", "embed_dim = 192");
    assert!(
        message.contains("192") && message.contains("96"),
        "{message}"
    );
}

#[test]
fn models_have_names_or_sizes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/headline.toml");
    let set = |model: &str| {
        let sets = ["teacher.model", "model"].map(|key| format!("{key}={model}"));
        let pairs = "distillation.pairs=[[0, 0]]".to_owned();
        config::load(&path, None, &[sets[0].clone(), sets[1].clone(), pairs])
    };
    let student = |model: &str| {
        let experiment = set(model).unwrap();
        spectralkd_experiment::data::student_config(&experiment.model, 10, 1).unwrap()
    };
    let tiny = student("'deit_tiny_patch16_224'");
    assert_eq!((tiny.num_classes(), tiny.in_chans()), (10, 1));
    let small = student(
        "{ name = 'deit_small_patch16_224.fb_in1k', img_size = 112, in_chans = 3, num_classes = 7 }",
    );
    assert_eq!(
        (small.num_classes(), small.in_chans(), small.img_size()),
        (7, 3, [112, 112])
    );
    let error = set("'deit_tiny_patch16_242'").unwrap_err().to_string();
    assert!(error.contains("deit_tiny_patch16_224"), "{error}");
    let error = set("{ name = 'deit_tiny_patch16_224', img_sise = 112 }")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("img_sise") && error.contains("img_size"),
        "{error}"
    );
}

#[test]
fn what_was_resolved_can_be_read_again() {
    let source = Source::parse(Path::new("headline.toml"), headline()).unwrap();
    let first = resolved(&config::resolve(&source, Some("smoke"), &[]).unwrap()).unwrap();
    let again = Source::parse(Path::new("config.toml"), first.clone()).unwrap();
    let again = resolved(&config::resolve(&again, None, &[]).unwrap()).unwrap();
    assert_eq!(first, again);
}

#[test]
fn a_mistake_in_a_profile_is_found_in_the_profile() {
    let from = "train = { epochs = 2, warmup_epochs = 0 }";
    let text = headline().replacen(from, "train = { epochs = 0, warmup_epochs = 0 }", 1);
    let source = Source::parse(Path::new("headline.toml"), text).unwrap();
    assert!(config::resolve(&source, Some("quick"), &[]).is_ok());
    let Err(Error::Config(e)) = config::resolve(&source, Some("smoke"), &[]) else {
        panic!("epochs = 0 was taken");
    };
    assert_eq!(e.line, line_of(from), "{e}");
}

#[test]
fn overrides_reach_tables_and_list_entries() {
    let source = Source::parse(Path::new("headline.toml"), headline()).unwrap();
    let set = |s: &str| config::resolve(&source, None, &[s.to_owned()]);
    assert_eq!(set("train.epochs=3").unwrap().train.epochs, 3);
    let weight = |e: &config::Experiment| e.variants[2].losses[2].weight.at(0);
    assert_eq!(weight(&set("variants.2.losses.2.weight=1.0").unwrap()), 1.0);
    assert_eq!(set("title=a b").unwrap().title, "a b");
    let error = set("train.epoch=3").unwrap_err().to_string();
    assert!(
        error.contains("--set train.epoch") && error.contains("did you mean `epochs`?"),
        "{error}"
    );
    assert!(set("train").unwrap_err().to_string().contains("a.b=value"));
    assert!(
        set("title.x=1")
            .unwrap_err()
            .to_string()
            .contains("not a table")
    );
    let error = set("variants.2.losses.9.weight=1.0").unwrap_err();
    let problem = "`losses` is a list of 3, counted from 0, and has no entry `9`";
    assert!(error.to_string().contains(problem), "{error}");
}

#[test]
fn unknown_names_are_answered_with_the_nearest() {
    let error = config::find(&experiments(), "headlin")
        .unwrap_err()
        .to_string();
    assert!(error.contains("did you mean `headline`?"), "{error}");
    let source = Source::parse(Path::new("headline.toml"), headline()).unwrap();
    let error = config::resolve(&source, Some("quik"), &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("did you mean `quick`?"), "{error}");
}

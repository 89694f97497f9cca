//! Experiment files: the shipped ones resolve, mistakes are found at their line.

use std::path::{Path, PathBuf};

use spectralkd_experiment::config::{self, Source};
use spectralkd_experiment::error::Error;
use spectralkd_experiment::folder::resolved;

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
    let pairs = |text: &str| with(text).unwrap().distillation.unwrap().pairs;
    let list = config::Pairs::List(vec![(0, 0), (2, 5)]);
    assert_eq!(pairs("[[0, 0], [2, 5]]"), list);
    assert_eq!(pairs("{ list = [[0, 0], [2, 5]] }"), list);
    assert_eq!(pairs("{ strategy = 'monotone', count = 2 }").count(), 2);
    for (text, part) in [
        ("[]", "at least one"),
        ("3", "strategy ="),
        ("[[0]]", "[0] is no pair"),
        ("[[0, 6]]", "out of range"),
        ("{ strategy = 'papr', count = 2 }", "perhaps `paper`"),
        ("{ strategy = 'cka', count = 0 }", "at least 1"),
        ("{ strategy = 'cka', count = 4 }", "3 blocks, the teacher 6"),
        ("{ strategy = 'cka', cout = 4 }", "perhaps `count`"),
        ("{ strategy = 'cka' }", "write a list"),
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
    let (_, message) = error_of("logits = \"soft\"", "logits = \"sofd\"");
    assert!(message.contains("did you mean `soft`?"), "{message}");
}

#[test]
fn values_out_of_range_are_found_at_their_line() {
    let (line, message) = error_of("alpha = 0.9", "alpha = 1.9");
    assert_eq!(line, line_of("alpha = 0.9"), "{message}");
    let (line, message) = error_of("pairs = [[0, 0]", "pairs = [[0, 9]");
    assert_eq!(line, line_of("pairs = "), "{message}");
    assert!(message.contains("the teacher 6"), "{message}");
    let (line, message) = error_of("baseline = \"logits\"", "baseline = \"logit\"");
    assert_eq!(line, line_of("baseline = "), "{message}");
    assert!(message.contains("did you mean `logits`?"), "{message}");
    let (_, message) = error_of("embed_dim = 48", "embed_dim = 50");
    assert!(message.contains("num_heads"), "{message}");
    let (_, message) = error_of("embed_dim = 48", "embed_dim = 192");
    assert!(
        message.contains("192 channels, the teacher only 96"),
        "{message}"
    );
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
    assert_eq!(
        set("variants.2.weight=1.0").unwrap().variants[2].weight,
        1.0
    );
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

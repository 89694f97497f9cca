//! docs/CONFIG.md names exactly the keys that the types read.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use spectralkd_experiment::config::{
    Comparison, Data, Distillation, Experiment, Export, Floor, Spectra, Teacher, Variant,
};
use spectralkd_losses::{Loss, Spec};
use spectralkd_models::{CaitConfig, DeitConfig, ModelSpec, SwinConfig};
use spectralkd_trainer::TrainConfig;

/// The keys that a type knows, from what it says to one that it does not know.
fn keys<T: DeserializeOwned>() -> BTreeSet<String> {
    let Err(error) = toml::from_str::<T>("no_type_has_this_key = 1") else {
        panic!("an unknown key was taken");
    };
    let message = error.message();
    assert!(message.starts_with("unknown field"), "{message}");
    let quoted = message.split('`').skip(3).step_by(2);
    quoted.map(str::to_owned).collect()
}

/// The first column of every table of the page, by the heading above it.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFIG.md");
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut heading = String::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        if line.starts_with('#') {
            heading = line.trim_start_matches('#').trim().replace('`', "");
        } else if let Some(key) = line.strip_prefix("| `").and_then(|l| l.split('`').next()) {
            let new = tables
                .entry(heading.clone())
                .or_default()
                .insert(key.to_owned());
            assert!(new, "{key} stands twice under {heading}");
        }
    }
    tables
}

#[test]
fn the_page_and_the_types_agree() {
    let mut types = BTreeMap::from([
        ("Top level".to_owned(), keys::<Experiment>()),
        ("[data]".to_owned(), keys::<Data>()),
        (
            "by name".to_owned(),
            ModelSpec::KEYS_BY_NAME.map(str::to_owned).into(),
        ),
        ("family = \"deit\"".to_owned(), keys::<DeitConfig>()),
        ("family = \"cait\"".to_owned(), keys::<CaitConfig>()),
        ("family = \"swin\"".to_owned(), keys::<SwinConfig>()),
        ("[teacher]".to_owned(), keys::<Teacher>()),
        ("[train]".to_owned(), keys::<TrainConfig>()),
        ("[distillation]".to_owned(), keys::<Distillation>()),
        ("[[variants]]".to_owned(), keys::<Variant>()),
        ("[comparison]".to_owned(), keys::<Comparison>()),
        ("[floor]".to_owned(), keys::<Floor>()),
        ("[spectra]".to_owned(), keys::<Spectra>()),
        ("[export]".to_owned(), keys::<Export>()),
    ]);
    types.insert("Losses".into(), Loss::KEYS.map(str::to_owned).into());
    for kind in Spec::KINDS {
        let keys = Spec::keys(kind).unwrap();
        types.insert(format!("kind = \"{kind}\""), keys.into_iter().collect());
    }
    assert_eq!(documented(), types);
}

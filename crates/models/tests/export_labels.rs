//! The names of classes in `config.json`.

mod common;

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use spectralkd_models::export;

#[test]
fn class_names_are_read_wherever_timm_has_them() {
    let text = fs::read_to_string(common::path("published.json")).unwrap();
    let published: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let place = tempfile::tempdir().unwrap();
    let read = |config: &Value| {
        fs::write(place.path().join("config.json"), config.to_string()).unwrap();
        export::read_config(place.path())
    };
    let mut config = published["deit_tiny_patch16_224.fb_in1k"].clone();
    config["num_classes"] = json!(3);
    config["model_args"]["num_classes"] = json!(3);
    let list = json!(["cat", "dog", "eel"]);
    let by_index = json!({"0": "cat", "2": "eel", "1": "dog"});
    let names = Some(["cat", "dog", "eel"].map(String::from).to_vec());
    let mut oldest = config["pretrained_cfg"].clone();
    for key in ["architecture", "num_classes"] {
        oldest[key] = config[key].clone();
    }
    for value in [&list, &by_index] {
        let mut outermost = config.clone();
        outermost["label_names"] = value.clone();
        // What stands outermost counts.
        outermost["pretrained_cfg"]["label_names"] = json!(["a", "b", "c"]);
        let mut within = config.clone();
        within["pretrained_cfg"]["label_names"] = value.clone();
        let mut labels = oldest.clone();
        labels["labels"] = value.clone();
        for config in [outermost, within, labels] {
            assert_eq!(read(&config).unwrap().label_names, names, "{config}");
        }
    }
    assert_eq!(read(&config).unwrap().label_names, None);

    config["label_names"] = json!({"1": "dog"});
    config["label_descriptions"] = json!({"dog": "it barks", "bird": "it sings"});
    let described = read(&config).unwrap();
    let found = [described.label_names, described.label_descriptions].map(Option::unwrap);
    assert_eq!(found, [["", "dog", ""], ["", "it barks", ""]]);
    config["label_names"] = list;
    let described = read(&config).unwrap();
    let texts = described.label_descriptions.unwrap();
    assert_eq!(texts, ["cat", "it barks", "eel"]);

    for (key, value, words) in [
        (
            "label_names",
            json!(["cat", "dog"]),
            "its label_names are 2, and the model has 3 classes",
        ),
        (
            "label_names",
            json!({"3": "cow"}),
            "`3`, which is no index of a class",
        ),
        (
            "label_names",
            json!({"x": "cow"}),
            "`x`, which is no index of a class",
        ),
        (
            "label_names",
            json!({"0": 1}),
            "`0`, which is no index of a class with its name",
        ),
        (
            "label_names",
            json!("cat"),
            "its label_names are no list of names",
        ),
        (
            "label_descriptions",
            json!(["a", "b", "c"]),
            "its label_descriptions are no map from names",
        ),
    ] {
        let mut config = config.clone();
        config[key] = value;
        let error = read(&config).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    // A model that is not the registry's.
    let other = json!({"architecture": "resnet18", "label_names": {"4": "e"}});
    let described = read(&other).unwrap();
    assert_eq!(described.label_names.unwrap(), ["", "", "", "", "e"]);
    let huge = json!({"architecture": "resnet18", "label_names": {"99999999999": "e"}});
    assert!(read(&huge).is_err());
}

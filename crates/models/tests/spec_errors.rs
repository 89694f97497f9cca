//! Mistakes in what a configuration file says of a model.

use serde::Deserialize;
use spectralkd_base::inner_error;
use spectralkd_models::{Defaults, Error, ModelSpec};

#[derive(Debug, Deserialize)]
struct File {
    model: ModelSpec,
}

fn read(text: &str) -> ModelSpec {
    toml::from_str::<File>(text).unwrap().model
}

/// The key and the message of an error; the key is empty for one about all of the model.
fn refused(text: &str) -> (String, String) {
    let error = toml::from_str::<File>(text).unwrap_err();
    let (key, message) = inner_error::split(error.message());
    (key.into(), message.into())
}

const DATA: Defaults = Defaults {
    num_classes: Some(10),
    in_chans: Some(1),
    img_size: None,
};

const WRITTEN: &str =
    "[model]\nfamily = \"deit\"\npatch_size = 4\nembed_dim = 48\ndepth = 4\nnum_heads = 3\n";

#[test]
fn what_follows_from_nothing_is_asked_for() {
    let spec = read(WRITTEN);
    for (field, defaults) in [
        ("img_size", DATA),
        (
            "num_classes",
            Defaults {
                num_classes: None,
                img_size: Some([28, 28]),
                ..DATA
            },
        ),
        (
            "in_chans",
            Defaults {
                in_chans: None,
                img_size: Some([28, 28]),
                ..DATA
            },
        ),
    ] {
        let error = spec.resolve(&defaults).unwrap_err();
        assert!(
            matches!(error, Error::Config { field: f, .. } if f == field),
            "{error}"
        );
        let words = format!("the model's `{field}` is not given: ");
        assert!(error.to_string().starts_with(&words), "{error}");
    }
    // Sizes that no model can have are found here, too.
    let spec = read("model = { name = \"deit_tiny_patch16_224\", img_size = 8 }");
    let error = spec.resolve(&DATA).unwrap_err().to_string();
    assert!(
        error.contains("`img_size` is [8, 8]: it holds no whole patch"),
        "{error}"
    );
}

#[test]
fn mistakes_are_said_of_their_key() {
    let of_name = |rest: &str| refused(&format!("model = {{ name = \"cait_s24_224\", {rest} }}"));
    let of_sizes = |rest: &str| refused(&[WRITTEN, rest].concat());
    for ((key, message), expected_key, words) in [
        (
            refused("model = \"deit_tiny_patch16_24\""),
            "",
            "no model is called `deit_tiny_patch16_24`; the nearest is `deit_tiny_patch16_224`. Known are deit_tiny",
        ),
        (
            refused("model = \"swin_tiny_patch4_window7_224.in1k\""),
            "",
            "the nearest is `swin_tiny_patch4_window7_224.ms_in1k`",
        ),
        (
            refused("model = 3"),
            "",
            "a model's name, or a table with `name`",
        ),
        (
            refused("model = {}"),
            "",
            "needs a `name` of the registry, or a `family`",
        ),
        (
            refused("model = { name = \"cait_s24\" }"),
            "name",
            "no model is called `cait_s24`; the nearest is `cait_s24_",
        ),
        (
            refused("model = { name = 3 }"),
            "name",
            "invalid type: integer `3`",
        ),
        (
            of_name("tag = \"x\""),
            "tag",
            "has no weights with the tag `x`",
        ),
        (
            refused("model = { name = \"cait_s24_224.fb_dist_in1k\", tag = \"fb_dist_in1k\" }"),
            "tag",
            "has a tag already",
        ),
        (
            of_name("num_clases = 3"),
            "num_clases",
            "unknown field `num_clases`, expected one of `name`, `tag`, ",
        ),
        (
            of_name("depth = 3"),
            "depth",
            "write a `family` and all sizes",
        ),
        (of_name("family = \"cait\""), "family", "not both"),
        (
            of_name("num_classes = -1"),
            "num_classes",
            "invalid value: integer `-1`",
        ),
        (
            of_name("drop_path = \"much\""),
            "drop_path",
            "invalid type: string \"much\"",
        ),
        (of_name("weights = 3"), "weights", "invalid type: integer"),
        (
            of_name("img_size = \"big\""),
            "img_size",
            "one number or [height, width]: invalid type",
        ),
        (
            of_name("img_size = [1, 2, 3]"),
            "img_size",
            "one number or [height, width]",
        ),
        (
            of_name("img_size = 1.5"),
            "img_size",
            "one number or [height, width]",
        ),
        (
            refused("model = { family = \"vit\" }"),
            "family",
            "unknown variant `vit`, expected `deit`, `cait` or `swin`",
        ),
        (
            refused("model = { family = 3 }"),
            "family",
            "`deit`, `cait` or `swin`",
        ),
        (
            of_sizes("embed_dims = 3"),
            "embed_dims",
            "unknown field `embed_dims`, expected one of ",
        ),
        (
            of_sizes("mlp_ratio = \"4\""),
            "mlp_ratio",
            "invalid type: string \"4\"",
        ),
        (of_sizes("tag = \"x\""), "tag", "unknown field `tag`"),
        (
            refused("model = { family = \"deit\", depth = 3 }"),
            "",
            "missing field `patch_size`",
        ),
        (
            refused(
                "model = { family = \"swin\", patch_size = 4, embed_dim = 8, depths = [1, \"x\"] }",
            ),
            "depths[1]",
            "invalid type: string \"x\"",
        ),
    ] {
        assert_eq!(key, expected_key, "{message}");
        assert!(message.contains(words), "{words:?} is not in {message:?}");
    }
}

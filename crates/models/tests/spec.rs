//! What a configuration file says of a model.

use serde::{Deserialize, Serialize};
use spectralkd_base::inner_error;
use spectralkd_models::{Defaults, DeitConfig, Error, ModelConfig, ModelSpec, registry};

#[derive(Debug, Deserialize, Serialize, PartialEq)]
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

fn deit() -> DeitConfig {
    DeitConfig {
        img_size: [28, 28],
        patch_size: 4,
        in_chans: 1,
        num_classes: 10,
        embed_dim: 48,
        depth: 4,
        num_heads: 3,
        mlp_ratio: 4.0,
        drop_path: 0.0,
        distilled: false,
    }
}

#[test]
fn a_name_alone_is_the_registrys_model() {
    let spec = read("model = \"swin_tiny_patch4_window7_224\"");
    let entry = registry::find("swin_tiny_patch4_window7_224").unwrap();
    assert_eq!(spec.resolve(&Defaults::default()).unwrap(), entry.config);
    assert_eq!(spec.entry(), Some(entry.clone()));
    assert_eq!(spec, ModelSpec::named(entry.name).unwrap());
    assert_eq!(spec.weights, None);

    // The data's classes and channels, and its size where the caller wants it; drop path stays.
    let resolved = spec.resolve(&DATA).unwrap();
    let expected = entry.config.with_num_classes(10).with_in_chans(1);
    assert_eq!(resolved, expected);
    let img_size = Some([96, 64]);
    let resolved = spec.resolve(&Defaults { img_size, ..DATA }).unwrap();
    assert_eq!(resolved, expected.with_img_size([96, 64]));

    let spec = read("model = \"swin_tiny_patch4_window7_224.ms_in22k\"");
    let config = spec.resolve(&Defaults::default()).unwrap();
    assert_eq!(config.num_classes(), 21_841);
    assert_eq!(spec.entry().unwrap().tag, "ms_in22k");
}

#[test]
fn what_is_written_beside_a_name_counts() {
    let spec = read(
        "[model]\nname = \"deit_tiny_patch16_224\"\nimg_size = [96, 64]\nnum_classes = 7\nin_chans = 4\n\
         drop_path = 0.25\nweights = \"hf://timm/deit_tiny_patch16_224.fb_in1k\"\n",
    );
    let entry = registry::find("deit_tiny_patch16_224").unwrap();
    let expected = entry
        .config
        .with_img_size([96, 64])
        .with_num_classes(7)
        .with_in_chans(4)
        .with_drop_path(0.25);
    let all = Defaults {
        img_size: Some([1, 1]),
        ..DATA
    };
    for defaults in [Defaults::default(), all] {
        assert_eq!(spec.resolve(&defaults).unwrap(), expected);
    }
    let weights = "hf://timm/deit_tiny_patch16_224.fb_in1k";
    assert_eq!(spec.weights.as_deref(), Some(weights));

    let square = read("[model]\nname = \"deit_tiny_patch16_224\"\nimg_size = 96\n");
    assert_eq!(square.img_size, Some([96, 96]));
    let name = "model = { name = \"swin_small_patch4_window7_224\", tag = \"ms_in22k_ft_in1k\" }";
    assert_eq!(
        read(name),
        ModelSpec::named("swin_small_patch4_window7_224.ms_in22k_ft_in1k").unwrap()
    );
}

#[test]
fn sizes_written_out_need_not_repeat_the_datas() {
    let spec = read(WRITTEN);
    assert_eq!((spec.entry(), spec.weights.as_deref()), (None, None));
    let img_size = Some([28, 28]);
    let resolved = spec.resolve(&Defaults { img_size, ..DATA }).unwrap();
    assert_eq!(resolved, ModelConfig::Deit(deit()));

    let more = "img_size = 20\nnum_classes = 3\nin_chans = 2\ndrop_path = 0.5\nmlp_ratio = 2.0\n\
                distilled = true\nweights = \"teacher.safetensors\"\n";
    let spec = read(&[WRITTEN, more].concat());
    let expected = DeitConfig {
        img_size: [20, 20],
        num_classes: 3,
        in_chans: 2,
        drop_path: 0.5,
        mlp_ratio: 2.0,
        distilled: true,
        ..deit()
    };
    for defaults in [Defaults::default(), DATA] {
        let resolved = spec.resolve(&defaults).unwrap();
        assert_eq!(resolved, ModelConfig::Deit(expected.clone()));
    }
    assert_eq!(spec.weights.as_deref(), Some("teacher.safetensors"));
}

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

#[test]
fn a_spec_is_written_as_it_is_read() {
    let mut specs: Vec<ModelSpec> = registry::entries()
        .iter()
        .map(|entry| ModelSpec::named(entry.name).unwrap())
        .collect();
    specs.push(ModelSpec::named("swin_base_patch4_window7_224.ms_in22k").unwrap());
    specs.push(read(
        "model = { name = \"cait_s24_224\", tag = \"fb_dist_in1k\", drop_path = 0.1 }",
    ));
    specs.push(read(WRITTEN));
    specs.push(read(
        &[WRITTEN, "weights = \"a\"\nnum_classes = 3\n"].concat(),
    ));
    specs.extend(
        registry::entries()
            .into_iter()
            .map(|entry| entry.config.into()),
    );
    for model in specs {
        let file = File { model };
        let text = toml::to_string(&file).unwrap();
        assert_eq!(toml::from_str::<File>(&text).unwrap(), file, "{text}");
        let text = serde_json::to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<File>(&text).unwrap(), file, "{text}");
    }
    let text = |spec: &str| serde_json::to_string(&read(spec)).unwrap();
    assert_eq!(text("model = \"cait_s24_224\""), "\"cait_s24_224\"");
    assert_eq!(
        text("model = { in_chans = 1, tag = \"fb_dist_in1k\", name = \"cait_s24_224\" }"),
        "{\"name\":\"cait_s24_224.fb_dist_in1k\",\"in_chans\":1}"
    );
    // All of a configuration, written out, is that configuration whatever the defaults.
    let config = registry::find("swin_tiny_patch4_window7_224")
        .unwrap()
        .config;
    let resolved = ModelSpec::from(config.clone()).resolve(&DATA).unwrap();
    assert_eq!(resolved, config);
}

//! What a configuration file says of a model.

use serde::{Deserialize, Serialize};
use spectralkd_models::{Defaults, DeitConfig, ModelConfig, ModelSpec, registry};

#[derive(Debug, Deserialize, Serialize, PartialEq)]
struct File {
    model: ModelSpec,
}

fn read(text: &str) -> ModelSpec {
    toml::from_str::<File>(text).unwrap().model
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
    // A name stands for a model, not for a recipe: timm's own drop path of 0.1 is not taken along.
    assert_eq!(entry.config.drop_path(), 0.1);
    let expected = entry.config.clone().with_drop_path(0.0);
    assert_eq!(spec.resolve(&Defaults::default()).unwrap(), expected);
    assert_eq!(spec.entry(), Some(entry.clone()));
    assert_eq!(spec, ModelSpec::named(entry.name).unwrap());
    assert_eq!(spec.weights, None);

    // The data's classes and channels, and its size where the caller wants it.
    let resolved = spec.resolve(&DATA).unwrap();
    let expected = expected.with_num_classes(10).with_in_chans(1);
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

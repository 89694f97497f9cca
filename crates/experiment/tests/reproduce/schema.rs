//! How experiments are written down, and what their loss terms are called on the disk: all that these tests know of
//! either.

use std::fmt::Write;

use serde_json::Value;

/// The teacher: channels twice the student's, five blocks with talking heads, and drop path, which must not act.
pub const TEACHER: &str = r#"
family = "cait"
img_size = [28, 28]
patch_size = 7
in_chans = 1
num_classes = 10
embed_dim = 24
depth = 5
depth_token_only = 1
num_heads = 4
mlp_ratio = 2.0
drop_path = 0.4
init_values = 0.1
"#;

/// The student: three blocks on the teacher's grid of 4x4, with drop path.
pub const STUDENT: &str = r#"
family = "deit"
img_size = [28, 28]
patch_size = 7
in_chans = 1
num_classes = 10
embed_dim = 12
depth = 3
num_heads = 3
mlp_ratio = 2.0
drop_path = 0.3
"#;

/// 40 images to train on, 50 to test on, 20 of these in the learning curves.
const DATA: &str = r#"
dataset = "fashion-mnist"
train = "embedded"
per_class = 4
test_per_class = 5
curve_per_class = 2
flip = true
"#;

/// Three epochs of five steps, the first of them warming up.
const TRAIN: &str = "
epochs = 3
batch_size = 8
lr = 1e-2
warmup_epochs = 1
schedule = \"step\"
weight_decay = 0.5
eval_batch_size = 16
";

/// The weight of the feature losses, before anything shared or matched.
pub const WEIGHT: f64 = 1.25;

/// What a variant trains on.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// Labels.
    Labels,
    /// Labels and the teacher's probabilities.
    Soft,
    /// Labels and the teacher's decisions.
    Hard,
    /// As `Soft`, and the spectral loss.
    Spectral,
    /// As `Soft`, and the squared error, weighted to pull as hard as the spectral loss.
    MatchedMse,
    /// Labels and the spectral loss.
    FeaturesOnly,
}

impl Loss {
    /// The keys of a variant: (1 - alpha) of the labels and alpha of the teacher's logits, with alpha 0.7.
    fn keys(self) -> String {
        let labels = |weight: f64| {
            format!("{{ kind = \"cross-entropy\", weight = {weight:?}, smoothing = 0.1 }}")
        };
        let logits = "{ kind = \"kl\", weight = 0.7, tau = 2.0 }".to_owned();
        let features = "{ kind = \"spectral\", weight = 1.25 }".to_owned();
        let losses = match self {
            Self::Labels => vec![labels(1.0)],
            Self::Soft => vec![labels(0.3), logits],
            Self::Hard => vec![labels(0.3), "{ kind = \"hard\", weight = 0.7 }".to_owned()],
            Self::Spectral => vec![labels(0.3), logits, features],
            Self::MatchedMse => {
                let matched = "{ kind = \"mse\", weight = 1.25, matched = true }";
                vec![labels(0.3), logits, matched.to_owned()]
            }
            Self::FeaturesOnly => vec![labels(0.3), features],
        };
        format!("losses = [{}]", losses.join(", "))
    }
}

/// The names under which a step's terms stand in its event, and those by which they are pinned: the terms by
/// themselves, before any weight.
const TERMS: [(&str, &str); 5] = [
    ("cross-entropy", "cross-entropy"),
    ("kl", "distillation"),
    ("hard", "distillation"),
    ("spectral", "features"),
    ("mse", "features"),
];

/// The terms of a step or an epoch by their pinned names; the loss is the weighted sum.
pub fn terms(record: &Value) -> Vec<(&'static str, f64)> {
    let parts = record["parts"].as_object().unwrap();
    let known = |name: &String| TERMS.iter().find(|(ours, _)| ours == name);
    let terms = parts.iter().map(|(name, value)| {
        let (_, pinned) = known(name).unwrap_or_else(|| panic!("a new term `{name}`"));
        (*pinned, value.as_f64().unwrap())
    });
    terms.collect()
}

/// What was measured after an epoch, without accuracies: losses on test images, and distances of layers.
pub fn measures(epoch: &Value) -> Vec<(String, f64)> {
    let metrics = epoch["metrics"].as_object().unwrap().iter();
    let continuous = metrics.filter(|(name, _)| !name.contains("top"));
    let named = continuous.map(|(name, value)| (format!("after: {name}"), value.as_f64().unwrap()));
    named.collect()
}

/// Which layers are aligned.
#[derive(Clone, Copy, Debug)]
pub enum Pairs<'a> {
    /// These (student block, teacher block).
    Listed(&'a [(usize, usize)]),
    /// As many as `count` by a strategy.
    Chosen { strategy: &'a str, count: usize },
}

/// An experiment.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    pub seeds: &'a [u64],
    /// Names and losses of the variants.
    pub variants: &'a [(&'a str, Loss)],
    pub pairs: Pairs<'a>,
    /// Whether the four variants are compared, beside a linear classifier.
    pub compared: bool,
    /// The teacher's weights.
    pub weights: &'a str,
    /// The file of the teacher's own recipe.
    pub recipe: Option<&'a str>,
}

impl Written<'_> {
    /// The file.
    pub fn toml(&self) -> String {
        let mut text = format!(
            "title = \"A net\"\nclaim = \"The claim.\"\npaper = \"No paper\"\nseeds = {:?}\n",
            self.seeds
        );
        section(&mut text, "[data]", DATA);
        section(&mut text, "[model]", STUDENT);
        section(&mut text, "[train]", TRAIN);
        let recipe = self
            .recipe
            .map_or_else(String::new, |r| format!("recipe = \"{r}\"\n"));
        section(
            &mut text,
            "[teacher]",
            &format!("weights = \"{}\"\n{recipe}", self.weights),
        );
        section(&mut text, "[teacher.model]", TEACHER);
        let pairs = match self.pairs {
            Pairs::Listed(list) => {
                let pairs: Vec<[usize; 2]> = list.iter().map(|&(s, t)| [s, t]).collect();
                format!("{pairs:?}")
            }
            Pairs::Chosen { strategy, count } => {
                format!("{{ strategy = \"{strategy}\", count = {count} }}")
            }
        };
        let distillation = format!("pairs = {pairs}\n");
        section(&mut text, "[distillation]", &distillation);
        for (name, loss) in self.variants {
            let keys = format!(
                "name = \"{name}\"\nlabel = \"label of {name}\"\n{}\n",
                loss.keys()
            );
            section(&mut text, "[[variants]]", &keys);
        }
        section(&mut text, "[spectra]", "per_class = 1\n");
        if self.compared {
            section(
                &mut text,
                "[floor]",
                "epochs = 1\nbatch_size = 16\nlr = 1e-3\n",
            );
            section(
                &mut text,
                "[comparison]",
                "baseline = \"logits\"\ncandidate = \"spectral\"\ncontrol = \"mse\"\nundistilled = \"none\"\neffect = 0.5\n",
            );
        }
        text
    }
}

/// The teacher's own recipe; its weights count from `at_least` percent.
pub fn recipe(export: &str, at_least: f64) -> String {
    let mut text = "title = \"A teacher\"\nseeds = [0]\n".to_owned();
    section(&mut text, "[data]", DATA);
    section(&mut text, "[model]", TEACHER);
    section(&mut text, "[train]", &format!("{TRAIN}clip_grad = 1.0\n"));
    let keys = format!("name = \"plain\"\n{}\n", Loss::Labels.keys());
    section(&mut text, "[[variants]]", &keys);
    let export = format!("weights = \"{export}\"\nat_least = {at_least:?}\n");
    section(&mut text, "[export]", &export);
    text
}

fn section(text: &mut String, header: &str, keys: &str) {
    writeln!(text, "\n{header}\n{}", keys.trim()).unwrap();
}

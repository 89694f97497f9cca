//! The cases of `tests/golden/kinds/`: a loss, its inputs, and what PyTorch gives.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use spectralkd_base::random::Stream;
use spectralkd_losses::{
    Head, Inputs, Loss, Objectives, Outputs, Pair, Reduction, Request, Result, Shapes, Sum,
    spectral_to_mse_of_teacher,
};

use spectralkd_testing::scalar;

use super::golden;

/// One case.
#[derive(Clone)]
pub struct Case {
    pub name: String,
    pub loss: Loss,
    /// What gradients are asked for: `student/…` and `param/…`.
    pub inputs: BTreeMap<String, Tensor>,
    teacher: BTreeMap<String, Tensor>,
    labels: Option<Tensor>,
    targets: Option<Tensor>,
    pub terms: BTreeMap<String, f64>,
    pub total: f64,
    pub gradients: BTreeMap<String, Tensor>,
}

/// What the loss of a case gives.
pub struct Found {
    pub sum: Sum,
    /// Gradients by the name of the input, of those that have one.
    pub gradients: BTreeMap<String, Tensor>,
}

impl Found {
    /// Values by the name within the loss, `-` where there is none.
    pub fn terms(&self) -> BTreeMap<&str, f64> {
        let within = |name| str::split_once(name, '.').map_or("-", |(_, part)| part);
        let terms = self.sum.terms.iter();
        terms
            .map(|(name, value)| (within(name), scalar(value)))
            .collect()
    }

    pub fn total(&self) -> f64 {
        scalar(&self.sum.total)
    }
}

/// The cases of a kind, by name.
pub fn cases(kind: &str) -> Vec<Case> {
    let mut by_case: BTreeMap<String, HashMap<String, Tensor>> = BTreeMap::new();
    for (path, tensor) in golden(&format!("kinds/{kind}")) {
        let (case, name) = path.split_once('/').unwrap();
        let tensors = by_case.entry(case.to_owned()).or_default();
        tensors.insert(name.to_owned(), tensor);
    }
    assert!(!by_case.is_empty(), "{kind} has no cases");
    by_case
        .into_iter()
        .map(|(name, tensors)| Case::new(name, &tensors))
        .collect()
}

impl Case {
    fn new(name: String, tensors: &HashMap<String, Tensor>) -> Self {
        let below = |prefix: &str| -> BTreeMap<String, Tensor> {
            let named = tensors.iter().filter_map(|(name, tensor)| {
                let name = name.strip_prefix(prefix)?;
                Some((name.to_owned(), tensor.clone()))
            });
            named.collect()
        };
        let json = tensors["loss"].to_vec1::<u8>().unwrap();
        let inputs = tensors
            .iter()
            .filter(|(name, _)| name.starts_with("student/") || name.starts_with("param/"));
        let terms = below("term/").into_iter();
        Self {
            name,
            loss: serde_json::from_slice(&json).unwrap(),
            inputs: inputs.map(|(name, x)| (name.clone(), x.clone())).collect(),
            teacher: below("teacher/"),
            labels: tensors.get("labels").cloned(),
            targets: tensors.get("targets").cloned(),
            terms: terms.map(|(name, value)| (name, scalar(&value))).collect(),
            total: scalar(&tensors["total"]),
            gradients: below("grad/"),
        }
    }

    /// The loss with one input replaced, in f64.
    pub fn with(&self, name: &str, input: &Tensor) -> Found {
        let mut case = self.clone();
        case.inputs.insert(name.to_owned(), input.clone());
        case.run(DType::F64)
    }

    /// The case with the student's outputs rounded to a type.
    pub fn rounded_to(&self, dtype: DType) -> Self {
        let mut case = self.clone();
        for (name, x) in &mut case.inputs {
            if name.starts_with("student/") {
                *x = x.to_dtype(dtype).unwrap().to_dtype(DType::F64).unwrap();
            }
        }
        case
    }

    /// The case with so many copies of its batch in one.
    pub fn repeated(&self, times: usize) -> Self {
        let repeat = |x: &Tensor| Tensor::cat(&vec![x; times], 0).unwrap();
        let mut case = self.clone();
        let outputs = case
            .inputs
            .iter_mut()
            .filter(|(name, _)| name.starts_with("student/"));
        let outputs = outputs.map(|(_, x)| x).chain(case.teacher.values_mut());
        let labels = case.labels.iter_mut().chain(&mut case.targets);
        outputs.chain(labels).for_each(|x| *x = repeat(x));
        case
    }

    /// The case without its teacher.
    pub fn without_teacher(&self) -> Self {
        let teacher = BTreeMap::new();
        Self {
            teacher,
            ..self.clone()
        }
    }

    /// [`Self::try_run`], which must succeed.
    pub fn run(&self, dtype: DType) -> Found {
        let found = self.try_run(dtype);
        found.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The loss with a student's outputs of this type; all else is in f32 where that is a half. No
    /// gradient may reach the teacher.
    pub fn try_run(&self, dtype: DType) -> Result<Found> {
        let built = self.build(dtype)?;
        let sum = built.sum(self, 0..self.batch())?;
        let store = sum.total.backward().unwrap();
        for (name, var) in &built.teacher {
            assert!(store.get(var).is_none(), "the teacher's {name} learns");
        }
        let gradient = |(name, var): (&String, &Var)| Some((name.clone(), store.get(var)?.clone()));
        let gradients = built.vars.iter().filter_map(gradient).collect();
        Ok(Found { sum, gradients })
    }

    /// The number of images.
    pub fn batch(&self) -> usize {
        let mut outputs = self.inputs.iter();
        let output = outputs.find(|(name, _)| name.starts_with("student/"));
        output.unwrap().1.dims()[0]
    }

    /// The loss, built for student and teacher.
    pub fn build(&self, dtype: DType) -> Result<Built> {
        let precision = match dtype {
            DType::F64 => DType::F64,
            _ => DType::F32,
        };
        let var = |x: &Tensor, dtype| Var::from_tensor(&x.to_dtype(dtype).unwrap()).unwrap();
        let input = |(name, x): (&String, &Tensor)| {
            let is_parameter = name.starts_with("param/");
            let dtype = if is_parameter { precision } else { dtype };
            (name.clone(), var(x, dtype))
        };
        let vars: BTreeMap<String, Var> = self.inputs.iter().map(input).collect();
        let teacher = self.teacher.iter();
        let teacher: BTreeMap<String, Var> = teacher
            .map(|(name, x)| (name.clone(), var(x, precision)))
            .collect();

        let at_path = |(name, x)| (format!("losses.{}.{name}", self.loss.name()), x);
        let params = below(&vars, "param/").into_iter().map(at_path).collect();
        let params = VarBuilder::from_tensors(params, precision, &Device::Cpu);
        let outputs = below(&teacher, "");
        let ratio = |pairs: &[Pair]| {
            let requests = pairs.iter().map(Pair::request).collect();
            spectral_to_mse_of_teacher(pairs, &answers(&outputs, requests))
        };
        let (ours, theirs) = (shapes(&below(&vars, "student/")), shapes(&outputs));
        let theirs = (!teacher.is_empty()).then_some(&theirs);
        let losses = std::slice::from_ref(&self.loss);
        let objectives = Objectives::build(losses, &ours, theirs, &params, &ratio)?;
        Ok(Built {
            objectives,
            vars,
            teacher,
        })
    }
}

/// A loss, and the tensors that it reads.
pub struct Built {
    pub objectives: Objectives,
    vars: BTreeMap<String, Var>,
    teacher: BTreeMap<String, Var>,
}

impl Built {
    /// The loss on some images of its case.
    pub fn sum(&self, case: &Case, images: Range<usize>) -> Result<Sum> {
        let part = |x: Tensor| x.narrow(0, images.start, images.len()).unwrap();
        let outputs = |all: BTreeMap<String, Tensor>| -> BTreeMap<String, Tensor> {
            all.into_iter().map(|(name, x)| (name, part(x))).collect()
        };
        let student = outputs(below(&self.vars, "student/"));
        let teacher = outputs(below(&self.teacher, ""));
        let needs = self.objectives.needs_at(0);
        let labels = case.labels.clone().map(part);
        let targets = case.targets.clone().map(part);
        let inputs = Inputs {
            student: &answers(&student, needs.student),
            teacher: &answers(&teacher, needs.teacher),
            labels: labels.as_ref(),
            targets: targets.as_ref(),
            draws: &Stream::new(0, "golden"),
        };
        self.objectives.forward(&inputs, 0)
    }
}

/// The tensors whose names begin so, without that beginning.
fn below(vars: &BTreeMap<String, Var>, prefix: &str) -> BTreeMap<String, Tensor> {
    let named = vars.iter().filter_map(|(name, var)| {
        let name = name.strip_prefix(prefix)?;
        Some((name.to_owned(), var.as_tensor().clone()))
    });
    named.collect()
}

/// What was asked for, of all that a model gives.
fn answers(outputs: &BTreeMap<String, Tensor>, requests: BTreeSet<Request>) -> Outputs {
    let all: Outputs = outputs
        .iter()
        .map(|(name, x)| (request(name), x.clone()))
        .collect();
    let answer = |asked: Request| match asked {
        Request::Map { tap, reduction } => {
            let whole = Request::Map {
                tap,
                reduction: Reduction::Whole,
            };
            (asked, reduction.apply(all.get(&whole).unwrap()).unwrap())
        }
        _ => (asked, all.get(&asked).unwrap().clone()),
    };
    requests.into_iter().map(answer).collect()
}

fn request(name: &str) -> Request {
    let (what, which) = name.split_once('.').unwrap();
    match what {
        "logits" => Request::Logits(match which {
            "mean" => Head::Mean,
            "class" => Head::Class,
            _ => Head::Distillation,
        }),
        "map" => Request::Map {
            tap: which.parse().unwrap(),
            reduction: Reduction::Whole,
        },
        _ => Request::Prefix {
            tap: which.parse().unwrap(),
        },
    }
}

/// The shapes of a model with these outputs.
fn shapes(outputs: &BTreeMap<String, Tensor>) -> Shapes {
    let mut shapes = Shapes {
        heads: vec![Head::Mean],
        ..Shapes::default()
    };
    for (name, x) in outputs {
        match request(name) {
            Request::Logits(head) => {
                shapes.classes = x.dims()[1];
                shapes.heads.push(head);
            }
            Request::Map { tap, .. } => {
                shapes
                    .taps
                    .resize(shapes.taps.len().max(tap + 1), [1, 1, 1]);
                shapes.taps[tap] = [x.dims()[1], x.dims()[2], x.dims()[3]];
            }
            Request::Prefix { .. } => shapes.prefix = x.dims()[1],
        }
    }
    shapes
}

//! What a kind of loss must say about itself.

use std::fmt::{self, Debug};

use candle_nn::VarBuilder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::alignment::Pair;
use crate::logits::LogitPair;
use crate::{Error, Head, Objective, Pairs, Request, Result, Shapes};

/// A kind of loss as a file describes it: the keys of its table, besides those that every loss has
/// ([`crate::Loss`]). Its serde form refuses unknown keys and fills in defaults.
pub trait Kind: Sized + Clone + Debug + PartialEq + Serialize + DeserializeOwned {
    /// Its name: `kind = "…"`.
    const KIND: &'static str;

    /// Checks what can be checked without a model: ranges, keys that exclude each other.
    ///
    /// # Errors
    /// The first key that is not as it must be.
    fn check(&self) -> Result<(), Wrong> {
        Ok(())
    }

    /// Whether a teacher is needed.
    fn uses_teacher(&self) -> bool {
        true
    }

    /// The pairs of layers, where it compares features.
    fn pairs(&self) -> Option<&Pairs> {
        None
    }

    /// The same, so that they can be filled in where an experiment or a strategy decides.
    fn pairs_mut(&mut self) -> Option<&mut Pairs> {
        None
    }

    /// The loss for models of these shapes.
    ///
    /// # Errors
    /// [`Error::Wrong`] with the key that does not go with these models.
    fn build(&self, context: &Context<'_>) -> Result<Box<dyn Objective>>;
}

/// A key that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The path of the key, with dots; empty for the whole.
    pub key: String,
    /// What it must be, and what it is.
    pub rule: String,
}

impl Wrong {
    /// This rule about this key.
    pub fn new(key: &str, rule: impl Into<String>) -> Self {
        let key = key.to_owned();
        let rule = rule.into();
        Self { key, rule }
    }

    /// The rule for a number that must be positive and finite.
    ///
    /// # Errors
    /// If it is not.
    pub fn unless_positive(key: &str, value: f64) -> Result<(), Self> {
        Self::unless(key, "positive and finite", value, value > 0.0)
    }

    /// The rule for a number that must be finite and at least 0.
    ///
    /// # Errors
    /// If it is not.
    pub fn unless_weight(key: &str, value: f64) -> Result<(), Self> {
        Self::unless(key, "finite and at least 0", value, value >= 0.0)
    }

    fn unless(key: &str, range: &str, value: f64, good: bool) -> Result<(), Self> {
        if good && value.is_finite() {
            return Ok(());
        }
        Err(Self::new(key, format!("must be {range}, got {value}")))
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => f.write_str(&self.rule),
            key => write!(f, "`{key}`: {}", self.rule),
        }
    }
}

/// What a loss is built against.
pub struct Context<'a> {
    /// The student's shapes.
    pub student: &'a Shapes,
    /// The teacher's, where there is one.
    pub teacher: Option<&'a Shapes>,
    /// Where the loss takes its parameters from: a path of its own.
    pub params: VarBuilder<'a>,
    /// Measures the ratio of the spectral loss to the mean squared error on these pairs: see
    /// [`crate::spectral_to_mse_of_teacher`].
    pub spectral_to_mse: &'a dyn Fn(&[Pair]) -> Result<f64>,
}

impl Context<'_> {
    /// The teacher's shapes.
    ///
    /// # Errors
    /// If there is no teacher.
    pub fn teacher(&self) -> Result<&Shapes> {
        let rule = "this loss needs a teacher, and there is none";
        self.teacher
            .ok_or_else(|| Error::Wrong(Wrong::new("kind", rule)))
    }

    /// The student's logits of a head.
    ///
    /// # Errors
    /// If the student has no such head.
    pub fn student_logits(&self, head: Head) -> Result<Request> {
        let heads = &self.student.heads;
        if head == Head::Mean || heads.contains(&head) {
            return Ok(Request::Logits(head));
        }
        let names: Vec<String> = heads.iter().map(ToString::to_string).collect();
        let rule = format!(
            "the student has no head `{head}`, only {}; a distilled model has a distillation head",
            names.join(", ")
        );
        Err(Error::Wrong(Wrong::new("head", rule)))
    }

    /// The student's logits of a head beside the teacher's own.
    ///
    /// # Errors
    /// If there is no teacher, no such head, or if the two have not the same number of classes.
    pub fn logit_pair(&self, head: Head) -> Result<LogitPair> {
        let (ours, theirs) = (self.student.classes, self.teacher()?.classes);
        if ours != theirs {
            let rule = format!(
                "the student has {ours} classes and the teacher {theirs}: its logits teach a \
                 student of the same classes only"
            );
            return Err(Error::Wrong(Wrong::new("kind", rule)));
        }
        Ok(LogitPair::new(self.student_logits(head)?))
    }
}

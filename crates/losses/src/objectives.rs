//! All losses that a student is trained with, built.

use std::collections::BTreeMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use crate::alignment::Pair;
use crate::recorder::Recorder;
use crate::{Context, Error, Inputs, Loss, Needs, Objective, Result, Schedule, Shapes, Wrong};

/// The losses of a run, built against student and teacher.
///
/// Their parameters lie at `losses.NAME.` below the builder that they were made with, and are trained
/// with the student's.
#[derive(Debug)]
pub struct Objectives {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    weight: Schedule,
    objective: Box<dyn Objective>,
    /// The full names of its parameters.
    parameters: Vec<String>,
}

/// What the losses are on one batch.
#[derive(Clone, Debug)]
pub struct Sum {
    /// The scalar to minimise: the terms times their weights.
    pub total: Tensor,
    /// Every term before any weighting: `NAME`, or `NAME.TERM` of a loss of several.
    pub terms: Vec<(String, Tensor)>,
}

/// Checks every loss of a list by itself, and that no two have one name.
///
/// # Errors
/// [`Error::Loss`] for the first that is not as it must be.
pub fn check_losses(losses: &[Loss]) -> Result<()> {
    let mut names = BTreeMap::new();
    for (index, loss) in losses.iter().enumerate() {
        let at = |wrong| Error::of_loss(index, loss.name(), Error::Wrong(wrong));
        loss.check().map_err(at)?;
        if let Some(other) = names.insert(loss.name(), index) {
            let rule = format!(
                "the name `{}` is taken by loss {other} of the list: give one of the two a `name`",
                loss.name()
            );
            return Err(at(Wrong::new("name", rule)));
        }
    }
    Ok(())
}

impl Objectives {
    /// Builds the losses. `params` is the root of the student's parameters, `spectral_to_mse` what
    /// measures the ratio of [`crate::spectral_to_mse_of_teacher`], asked only where a loss wants it.
    ///
    /// # Errors
    /// [`Error::Loss`] for the first loss that is not as it must be or does not go with these models.
    pub fn build(
        losses: &[Loss],
        student: &Shapes,
        teacher: Option<&Shapes>,
        params: &VarBuilder<'_>,
        spectral_to_mse: &dyn Fn(&[Pair]) -> Result<f64>,
    ) -> Result<Self> {
        check_losses(losses)?;
        let build = |(index, loss): (usize, &Loss)| {
            let recorder = Recorder::new(params.pp("losses").pp(loss.name()));
            let context = Context {
                student,
                teacher,
                params: recorder.params(),
                spectral_to_mse,
            };
            let objective = loss.spec.build(&context);
            Ok(Entry {
                name: loss.name().to_owned(),
                weight: loss.weight,
                objective: objective.map_err(|error| Error::of_loss(index, loss.name(), error))?,
                parameters: recorder.names(),
            })
        };
        let entries: Result<_> = losses.iter().enumerate().map(build).collect();
        Ok(Self { entries: entries? })
    }

    /// What the losses of this epoch need.
    pub fn needs_at(&self, epoch: u64) -> Needs {
        let mut needs = Needs::default();
        let entries = self.entries.iter().filter(|entry| entry.is_on(epoch));
        entries.for_each(|entry| needs.extend(entry.objective.needs()));
        needs
    }

    /// The full names of the parameters whose loss has no weight in this epoch: they get no gradient.
    pub fn inactive(&self, epoch: u64) -> Vec<String> {
        let off = self.entries.iter().filter(|entry| !entry.is_on(epoch));
        off.flat_map(|entry| entry.parameters.clone()).collect()
    }

    /// Whether every loss is a mean over the images of a batch ([`Objective::is_mean_over_images`]).
    pub fn is_mean_over_images(&self) -> bool {
        let mut entries = self.entries.iter();
        entries.all(|entry| entry.objective.is_mean_over_images())
    }

    /// The names of the losses that are no mean over images.
    pub fn relating_images(&self) -> Vec<&str> {
        let entries = self.entries.iter();
        let relating = entries.filter(|entry| !entry.objective.is_mean_over_images());
        relating.map(|entry| entry.name.as_str()).collect()
    }

    /// The losses on one batch. Those without weight in this epoch are not computed, and have no
    /// terms.
    ///
    /// # Errors
    /// If no loss has any weight, or what one of them says about its inputs.
    pub fn forward(&self, inputs: &Inputs<'_>, epoch: u64) -> Result<Sum> {
        let (mut total, mut terms) = (None::<Tensor>, Vec::new());
        for (index, entry) in self.entries.iter().enumerate() {
            if !entry.is_on(epoch) {
                continue;
            }
            let draws = inputs.draws.named(&entry.name);
            let inputs = Inputs {
                draws: &draws,
                ..*inputs
            };
            let of_loss = entry.objective.terms(&inputs);
            let of_loss = of_loss.map_err(|error| Error::of_loss(index, &entry.name, error))?;
            for term in of_loss {
                let weighted = (&term.value * (entry.weight.at(epoch) * term.weight))?;
                total = Some(match total {
                    None => weighted,
                    Some(total) => (&total + weighted.to_dtype(total.dtype())?)?,
                });
                let name = match term.name.as_str() {
                    "" => entry.name.clone(),
                    part => format!("{}.{part}", entry.name),
                };
                terms.push((name, term.value));
            }
        }
        let total = total.ok_or(Error::NothingToLearn { epoch })?;
        Ok(Sum { total, terms })
    }
}

impl Entry {
    fn is_on(&self, epoch: u64) -> bool {
        self.weight.at(epoch) > 0.0
    }
}

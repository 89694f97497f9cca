//! How a student's feature maps and its teacher's are brought to one shape.

use candle_core::Tensor;
use candle_nn::{Init, VarBuilder};
use serde::{Deserialize, Serialize};
use spectralkd_nn::Linear;
use spectralkd_spectral::resize;

use crate::maps::{check_map, working_precision};
use crate::{
    Context, Error, Inputs, Needs, Outputs, Pairs, Reduction, Request, Result, Shapes, Wrong,
};

/// How the channels of a pair of maps are matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Width {
    /// The teacher's channels are averaged down to the student's (PyTorch's `adaptive_avg_pool3d`
    /// bins), as in the released code of SpectralKD. The student may have at most as many.
    #[default]
    Pool,
    /// A trained linear map with bias takes the student's channels to the teacher's at every
    /// position: one for each pair of layers, not used outside of the loss.
    Project,
}

impl Width {
    fn channels(self, bias: bool) -> Channels {
        match self {
            Self::Pool => Channels::Pool,
            Self::Project => Channels::Project { bias },
        }
    }
}

/// How the grids of a pair of maps are matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grid {
    /// Both are the same.
    #[default]
    Same,
    /// The teacher's map is brought to the student's height and width by cropping its spectrum or
    /// padding it with zeros ([`spectralkd_spectral::resize`]).
    SpectralResize,
}

/// A pair of layers, and the teacher's map as the student's is compared with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The student's block.
    pub student: usize,
    /// The teacher's block.
    pub teacher: usize,
    /// What of the teacher's map is needed.
    pub reduction: Reduction,
    /// Height and width of the student's map.
    pub grid: [usize; 2],
}

impl Pair {
    /// What it asks of the teacher. The map is reduced on the teacher's own grid: pooling of channels
    /// and resizing commute, and the student's grid is no matter of the teacher's.
    pub fn request(&self) -> Request {
        Request::Map {
            tap: self.teacher,
            reduction: self.reduction,
        }
    }

    /// The teacher's map on the student's grid, detached.
    ///
    /// # Errors
    /// If the map is not among the outputs, or is no map `[B, C, H, W]`.
    pub fn target(&self, teacher: &Outputs) -> Result<Tensor> {
        let map = teacher.get(&self.request())?.detach();
        check_map("teacher features", &map)?;
        if map.dims()[2..] == self.grid {
            return Ok(map);
        }
        Ok(resize(&map.to_dtype(working_precision(&map))?, self.grid)?)
    }
}

/// The pairs of layers of a feature loss, each with what brings its two maps to one shape.
#[derive(Debug)]
pub struct Alignment {
    links: Vec<Link>,
    needs: Needs,
}

#[derive(Debug)]
struct Link {
    pair: Pair,
    projector: Option<Linear>,
}

/// What happens to the channels.
#[derive(Clone, Copy, PartialEq)]
enum Channels {
    Pool,
    Project { bias: bool },
    Any,
}

impl Alignment {
    /// The alignment of listed pairs. The projectors of [`Width::Project`] are the parameters
    /// `projectors.I.weight` `[C_t, C_s]` and `projectors.I.bias` `[C_t]` of the pair at position
    /// `I`, drawn as torch draws its `Linear`: uniform in ±1/√C_s.
    ///
    /// # Errors
    /// [`Error::Wrong`]: pairs that are not listed yet, blocks that there are not, grids or widths
    /// that differ where they must not.
    pub fn new(pairs: &Pairs, width: Width, grid: Grid, context: &Context<'_>) -> Result<Self> {
        Self::build(pairs, width.channels(true), grid, context)
    }

    /// As [`Self::new`], for losses that do not see the mean over a map: projectors have no bias,
    /// which would get no gradient.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn without_bias(
        pairs: &Pairs,
        width: Width,
        grid: Grid,
        context: &Context<'_>,
    ) -> Result<Self> {
        Self::build(pairs, width.channels(false), grid, context)
    }

    /// As [`Self::new`], for losses that compare maps of any two widths as they are.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_any_width(pairs: &Pairs, grid: Grid, context: &Context<'_>) -> Result<Self> {
        Self::build(pairs, Channels::Any, grid, context)
    }

    fn build(pairs: &Pairs, channels: Channels, grid: Grid, context: &Context<'_>) -> Result<Self> {
        pairs.check()?;
        let (mut links, mut needs) = (Vec::new(), Needs::default());
        for (i, &(student, teacher)) in pairs.listed()?.iter().enumerate() {
            let wrong = |rule: String| Wrong::new(&format!("pairs.{i}"), rule);
            let ours = tap(context.student, student)
                .map_err(|rule| wrong(format!("the student has {rule}")))?;
            let theirs = tap(context.teacher()?, teacher)
                .map_err(|rule| wrong(format!("the teacher has {rule}")))?;
            if grid == Grid::Same && ours[1..] != theirs[1..] {
                return Err(Error::Wrong(wrong(format!(
                    "the student's map is {}x{}, the teacher's {}x{}: choose layers of the same \
                     grid, or grid = \"spectral-resize\"",
                    ours[1], ours[2], theirs[1], theirs[2]
                ))));
            }
            if channels == Channels::Pool && ours[0] > theirs[0] {
                return Err(Error::Wrong(wrong(format!(
                    "the student has {} channels, the teacher only {}, and pooling averages the \
                     teacher's: choose a wider layer of the teacher, or width = \"project\"",
                    ours[0], theirs[0]
                ))));
            }
            let reduction = match channels {
                // Equal widths need no pooling: one and the same request for all losses.
                Channels::Pool if ours[0] < theirs[0] => Reduction::Channels(ours[0]),
                _ => Reduction::Whole,
            };
            let projector = match channels {
                Channels::Project { bias } => {
                    let params = context.params.pp("projectors").pp(i);
                    Some(projector(ours[0], theirs[0], bias, &params)?)
                }
                _ => None,
            };
            let pair = Pair {
                student,
                teacher,
                reduction,
                grid: [ours[1], ours[2]],
            };
            needs.student.insert(Request::Map {
                tap: student,
                reduction: Reduction::Whole,
            });
            needs.teacher.insert(pair.request());
            links.push(Link { pair, projector });
        }
        Ok(Self { links, needs })
    }

    /// The maps that the pairs need.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// The pairs.
    pub fn pairs(&self) -> Vec<Pair> {
        self.links.iter().map(|link| link.pair).collect()
    }

    /// The mean over the pairs of a loss of (student's map, teacher's map), both aligned: every pair
    /// weighs alike, whatever its size.
    ///
    /// # Errors
    /// A missing map, or what the loss says about one pair, with its index.
    pub fn mean(
        &self,
        inputs: &Inputs<'_>,
        loss: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let [mean] = self.means(inputs, |_, student, teacher| Ok([loss(student, teacher)?]))?;
        Ok(mean)
    }

    /// [`Self::mean`] of several losses at once, which also see the position of the pair.
    ///
    /// # Errors
    /// As [`Self::mean`].
    pub fn means<const N: usize>(
        &self,
        inputs: &Inputs<'_>,
        losses: impl Fn(usize, &Tensor, &Tensor) -> Result<[Tensor; N]>,
    ) -> Result<[Tensor; N]> {
        let mut sums: Option<[Tensor; N]> = None;
        for (index, link) in self.links.iter().enumerate() {
            let of_pair = link
                .maps(inputs)
                .and_then(|(student, teacher)| losses(index, &student, &teacher));
            let of_pair = of_pair.map_err(|source| Error::Pair {
                index,
                source: Box::new(source),
            })?;
            sums = Some(match sums {
                None => of_pair,
                Some(mut sums) => {
                    for (sum, loss) in sums.iter_mut().zip(of_pair) {
                        *sum = (&*sum + loss)?;
                    }
                    sums
                }
            });
        }
        let mut means = sums.ok_or(Error::NoPairs)?;
        for mean in &mut means {
            *mean = (&*mean / self.links.len() as f64)?;
        }
        Ok(means)
    }
}

impl Link {
    /// Both maps, aligned.
    fn maps(&self, inputs: &Inputs<'_>) -> Result<(Tensor, Tensor)> {
        let student = inputs.student.get(&Request::Map {
            tap: self.pair.student,
            reduction: Reduction::Whole,
        })?;
        check_map("student features", student)?;
        let student = match &self.projector {
            None => student.clone(),
            Some(projector) => {
                let positions = student.to_dtype(working_precision(student))?;
                // Tokens seen as a map become what they were: no copy.
                let positions = positions.permute((0, 2, 3, 1))?.contiguous()?;
                projector.forward(&positions)?.permute((0, 3, 1, 2))?
            }
        };
        Ok((student, self.pair.target(inputs.teacher)?))
    }
}

/// The shape of a tap.
fn tap(shapes: &Shapes, tap: usize) -> Result<[usize; 3], String> {
    shapes.taps.get(tap).copied().ok_or_else(|| {
        let count = shapes.taps.len();
        format!("{count} blocks, counted from 0, and no block {tap}")
    })
}

/// A linear layer that starts as torch's does.
fn projector(inputs: usize, outputs: usize, bias: bool, params: &VarBuilder<'_>) -> Result<Linear> {
    let bound = 1.0 / (inputs as f64).sqrt();
    let init = Init::Uniform {
        lo: -bound,
        up: bound,
    };
    let weight = params.get_with_hints((outputs, inputs), "weight", init)?;
    let bias = bias.then(|| params.get_with_hints(outputs, "bias", init));
    Ok(Linear::from_tensors(weight, bias.transpose()?)?)
}

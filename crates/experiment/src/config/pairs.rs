//! `distillation.pairs`: which layers are aligned, listed or chosen by a strategy.

use serde::Serialize;
use spectralkd_base::nearest;
use spectralkd_evaluation::pairs::{Scores, Strategy, choose};
use spectralkd_models::ModelInfo;

use toml::Value;

/// The key, for errors.
const KEY: &str = "distillation.pairs";

/// Which layers are aligned.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Pairs {
    /// (student block, teacher block), as listed.
    List(Vec<(usize, usize)>),
    /// By a named strategy, when teacher and student are there.
    Chosen {
        /// The rule.
        strategy: Strategy,
        /// How many.
        count: usize,
    },
}

/// A mistake: the key that is at fault, and what is wrong.
pub(super) type Mistake = (String, String);

impl Pairs {
    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Self::List(list) => list.len(),
            Self::Chosen { count, .. } => *count,
        }
    }

    /// The pairs as listed; none where a strategy is still to choose.
    pub fn listed(&self) -> &[(usize, usize)] {
        match self {
            Self::List(list) => list,
            Self::Chosen { .. } => &[],
        }
    }

    /// The pairs, where no measurement is needed to know them.
    pub fn known(&self, student: &ModelInfo, teacher: &ModelInfo) -> Option<Vec<(usize, usize)>> {
        match self {
            Self::List(list) => Some(list.clone()),
            Self::Chosen {
                strategy: Strategy::Paper,
                count,
            } => {
                let scores = Scores::of_depths(student.taps.len(), teacher.taps.len());
                let choice = choose(Strategy::Paper, *count, &scores).ok()?;
                Some(choice.pairs)
            }
            Self::Chosen { .. } => None,
        }
    }

    /// Reads a list of pairs, `{ list = … }` or `{ strategy = "…", count = … }`.
    pub(super) fn parse(value: &Value) -> Result<Self, Mistake> {
        let wrong = || {
            let message = "write a list of [student block, teacher block], or { strategy = \"paper\", count = 8 }";
            (KEY.to_owned(), message.to_owned())
        };
        let table = match value {
            Value::Array(list) => return parse_list(list, KEY),
            Value::Table(table) => table,
            _ => return Err(wrong()),
        };
        let keys = ["list", "strategy", "count"];
        if let Some(key) = table.keys().find(|key| !keys.contains(&key.as_str())) {
            let hint = nearest(key, keys).map_or_else(String::new, |k| format!(", perhaps `{k}`"));
            return Err((
                format!("{KEY}.{key}"),
                format!("there is no key `{key}` here{hint}"),
            ));
        }
        match (table.get("list"), table.get("strategy"), table.get("count")) {
            (Some(Value::Array(list)), None, None) => parse_list(list, &format!("{KEY}.list")),
            (None, Some(strategy), Some(count)) => Ok(Self::Chosen {
                strategy: parse_strategy(strategy)?,
                count: count
                    .as_integer()
                    .and_then(|count| usize::try_from(count).ok())
                    .filter(|count| *count > 0)
                    .ok_or_else(|| (format!("{KEY}.count"), "must be at least 1".to_owned()))?,
            }),
            _ => Err(wrong()),
        }
    }

    /// Checks what can be checked before anything is measured.
    pub(super) fn check(&self, student: &ModelInfo, teacher: &ModelInfo) -> Result<(), Mistake> {
        match self {
            Self::List(list) => check_list(list, student, teacher)
                .map_err(|(i, message)| (format!("{KEY}.{i}"), message)),
            Self::Chosen { count, .. } => {
                let most = student.taps.len().min(teacher.taps.len());
                if *count > most {
                    let message = format!(
                        "{count} pairs of distinct layers cannot be chosen: the student has {} blocks, the teacher {}",
                        student.taps.len(),
                        teacher.taps.len()
                    );
                    return Err((format!("{KEY}.count"), message));
                }
                match self.known(student, teacher) {
                    Some(list) => check_list(&list, student, teacher)
                        .map_err(|(_, message)| (KEY.to_owned(), message)),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Checks that the losses can compare these pairs; the first that they cannot, and why.
///
/// # Errors
/// Its place in the list, and a sentence.
pub fn check_list(
    list: &[(usize, usize)],
    student: &ModelInfo,
    teacher: &ModelInfo,
) -> Result<(), (usize, String)> {
    for (i, (s, t)) in list.iter().enumerate() {
        let (Some(a), Some(b)) = (student.taps.get(*s), teacher.taps.get(*t)) else {
            let message = format!(
                "[{s}, {t}] is out of range: the student has {} blocks, the teacher {}, counted from 0",
                student.taps.len(),
                teacher.taps.len(),
            );
            return Err((i, message));
        };
        if a[1..] != b[1..] {
            let message = format!(
                "in [{s}, {t}] the student's map is {}x{}, the teacher's {}x{}: both need the same patch grid",
                a[1], a[2], b[1], b[2],
            );
            return Err((i, message));
        }
        if a[0] > b[0] {
            let message = format!(
                "in [{s}, {t}] the student has {} channels, the teacher only {}: pooling works on the teacher's side",
                a[0], b[0],
            );
            return Err((i, message));
        }
    }
    Ok(())
}

fn parse_list(list: &[Value], key: &str) -> Result<Pairs, Mistake> {
    if list.is_empty() {
        let message = "give at least one [student block, teacher block]";
        return Err((key.to_owned(), message.to_owned()));
    }
    let pair = |(i, value): (usize, &Value)| {
        let block = |value: &Value| usize::try_from(value.as_integer()?).ok();
        let both = value.as_array().and_then(|pair| match pair.as_slice() {
            [s, t] => Some((block(s)?, block(t)?)),
            _ => None,
        });
        both.ok_or_else(|| {
            let message = format!("{value} is no pair [student block, teacher block]");
            (format!("{key}.{i}"), message)
        })
    };
    let list: Result<_, Mistake> = list.iter().enumerate().map(pair).collect();
    Ok(Pairs::List(list?))
}

fn parse_strategy(value: &Value) -> Result<Strategy, Mistake> {
    let name = value.as_str().unwrap_or_default();
    let names = Strategy::ALL.map(Strategy::name);
    let known = Strategy::ALL.into_iter().find(|s| s.name() == name);
    known.ok_or_else(|| {
        let hint = nearest(name, names).map_or_else(String::new, |n| format!(", perhaps `{n}`"));
        let message = format!("{value} is none of {}{hint}", names.join(", "));
        (format!("{KEY}.strategy"), message)
    })
}

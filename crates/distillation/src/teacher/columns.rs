//! From a teacher's classes to those of a data set.

use std::collections::BTreeMap;

use candle_core::Tensor;

use crate::error::{Error, Result};

/// Which of a teacher's logits belong to which class of the data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    /// The classes are the same, in the same order.
    Same,
    /// Logit `k` of the data set is the teacher's column `columns[k]`.
    Named(Vec<u32>),
    /// The teacher does not know these classes: it can teach features only. Why, in words.
    Unknown(String),
}

impl Columns {
    /// Finds the data set's classes among the teacher's: by name where both have names, else the same number is taken
    /// for the same classes.
    ///
    /// `head_is_drawn`: the head was not among the weights, so that its logits mean nothing.
    pub fn find(
        data: &[String],
        teacher: Option<&[String]>,
        logits: usize,
        head_is_drawn: bool,
    ) -> Self {
        if head_is_drawn {
            return Self::Unknown("its head is not among its weights".into());
        }
        let Some(names) = teacher.filter(|names| names.len() == logits) else {
            return if data.is_empty() || data.len() == logits {
                Self::Same
            } else {
                let count = data.len();
                Self::Unknown(format!(
                    "it has {logits} classes without names, the images {count}"
                ))
            };
        };
        if data.is_empty() || names == data {
            return Self::Same;
        }
        let place: BTreeMap<&str, u32> = (0..).zip(names).map(|(i, n)| (n.as_str(), i)).collect();
        if place.len() < names.len() {
            return Self::Unknown("two of its classes have one name".into());
        }
        let missing: Vec<&str> = (data.iter().map(String::as_str))
            .filter(|name| !place.contains_key(name))
            .collect();
        match missing.first() {
            None => Self::Named(data.iter().map(|name| place[name.as_str()]).collect()),
            Some(first) => Self::Unknown(format!(
                "{} of the images' {} classes are not among its own ({first}, for one)",
                missing.len(),
                data.len()
            )),
        }
    }

    /// The number of classes of the logits that come out; `None` where they are the teacher's own.
    pub fn classes(&self) -> Option<usize> {
        match self {
            Self::Named(columns) => Some(columns.len()),
            Self::Same | Self::Unknown(_) => None,
        }
    }

    /// Why the teacher's logits teach nothing, if they do not.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Unknown(why) => Some(why),
            Self::Same | Self::Named(_) => None,
        }
    }

    /// The data set's logits [B, K] out of the teacher's.
    pub(super) fn apply(&self, logits: &Tensor) -> Result<Tensor> {
        match self {
            Self::Same => Ok(logits.clone()),
            Self::Named(columns) => {
                let columns = Tensor::new(columns.as_slice(), logits.device())?;
                Ok(logits.index_select(&columns, 1)?)
            }
            Self::Unknown(why) => Err(Error::OtherClasses { why: why.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn classes_are_matched_by_name() {
        let teacher = names("ape bat cat dog");
        let find = |data: &str| Columns::find(&names(data), Some(&teacher), 4, false);
        assert_eq!(find("ape bat cat dog"), Columns::Same);
        assert_eq!(find("dog ape"), Columns::Named(vec![3, 0]));
        let refusal = find("dog emu fox");
        assert!(
            refusal
                .refusal()
                .unwrap()
                .contains("2 of the images' 3 classes")
        );
        let logits = Tensor::new(&[[0f32, 1.0, 2.0, 3.0]], &Device::Cpu).unwrap();
        let taken = find("dog ape").apply(&logits).unwrap();
        assert_eq!(taken.to_vec2::<f32>().unwrap(), [[3.0, 0.0]]);
        assert!(refusal.apply(&logits).is_err());
    }

    #[test]
    fn without_names_the_number_decides() {
        let find = |data: usize, logits| {
            let data: Vec<String> = (0..data).map(|i| i.to_string()).collect();
            Columns::find(&data, None, logits, false)
        };
        assert_eq!(find(10, 10), Columns::Same);
        assert!(find(10, 1000).refusal().unwrap().contains("1000 classes"));
        // Images without classes: whatever the teacher says is what is taught.
        assert_eq!(find(0, 1000), Columns::Same);
    }

    #[test]
    fn a_drawn_head_never_teaches() {
        let classes = names("a b");
        let found = Columns::find(&classes, Some(&classes), 2, true);
        assert!(found.refusal().is_some());
        let twice = Columns::find(&names("a"), Some(&names("a a")), 2, false);
        assert!(twice.refusal().unwrap().contains("one name"));
    }
}

//! The part of Python's pickle format that PyTorch's checkpoints use, read without running anything.
//!
//! Our own reader, because candle's panics on short argument lists, prints what it skips, loses what is put into a
//! dictionary after its first reference, and overflows the stack or the memory on files made to do so. Here every
//! value has a place in one list: sharing costs nothing, nothing recurses, and memory grows with the file alone.

mod machine;

use machine::Machine;

/// The place of a value in [`Pickle`].
pub(super) type Id = usize;

/// The place of the one value that stands for everything that no weight needs: None, numbers with a
/// fraction, lists, sets, bytes.
const OPAQUE: Id = 0;

/// A value of which something is known.
pub(super) enum Value {
    Opaque,
    Int(i64),
    Text(String),
    /// A class or function, by module and name.
    Global(String, String),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or function called with the arguments in a tuple.
    Call(Id, Id),
    /// What the archive keeps beside the pickle: a tuple that says where.
    Persistent(Id),
}

/// A pickle that was read.
pub(super) struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// Reads one pickle of protocol 2 to 5.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let (values, root) = Machine::new(bytes).run()?;
        Ok(Self { values, root })
    }

    /// The outermost value.
    pub fn root(&self) -> Id {
        self.root
    }

    /// The value in this place.
    pub fn get(&self, id: Id) -> &Value {
        &self.values[id] // a place is handed out only once there is a value in it
    }

    /// The string in this place.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of the tuple in this place.
    pub fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of the dictionary in this place that have a string for a key, in the file's order.
    pub fn entries(&self, id: Id) -> impl Iterator<Item = (&str, Id)> {
        let entries = match self.get(id) {
            Value::Dict(entries) => entries.as_slice(),
            _ => &[],
        };
        entries
            .iter()
            .filter_map(|&(key, value)| Some((self.text(key)?, value)))
    }
}

#[cfg(test)]
mod tests;

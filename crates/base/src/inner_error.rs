//! Which key an error inside a hand-written deserialiser is about.
//!
//! A type that reads itself out of a map of keys (to tell its kinds apart by one of them) gives serde one error for
//! the whole map, and whoever reads the file knows where the map stands but not which key in it is at fault. Such a
//! type puts the key's path before its message, and the reader takes it off again and points at the key's line.
//!
//! ```
//! use spectralkd_base::inner_error::{split, wrap};
//!
//! let message = wrap("pairs.count", "it must be at least 1");
//! assert_eq!(split(&message), Some(("pairs.count", "it must be at least 1")));
//! assert_eq!(split("invalid type: string"), None);
//! ```

/// Stands between path and message: the unit separator of ASCII, which no text in a file has.
const SEPARATOR: char = '\u{1f}';

/// The message of an error about the key at `path`, dotted and counted from the map that is read ("pairs.count").
pub fn wrap(path: &str, message: &str) -> String {
    format!("{path}{SEPARATOR}{message}")
}

/// Path and message of what [`wrap`] made; `None` for any other message.
pub fn split(message: &str) -> Option<(&str, &str)> {
    message.split_once(SEPARATOR)
}

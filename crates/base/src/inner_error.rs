//! Errors that say where in a value they belong, carried in a message.
//!
//! A type that reads itself by hand (a table whose keys depend on one of them) can give serde no
//! more than a message, and whoever asked for it then knows the path to the value only, not the one
//! inside. So the inner path travels in the message: [`wrap`] puts it there, [`split`] takes it out.
//!
//! ```
//! use spectralkd_base::inner_error::{split, wrap};
//!
//! let message = wrap("pairs.1", "is no pair [student block, teacher block]");
//! assert_eq!(split(&message), ("pairs.1", "is no pair [student block, teacher block]"));
//!
//! // An error within an error: the paths join.
//! assert_eq!(split(&wrap("losses.0", &message)).0, "losses.0.pairs.1");
//!
//! // A message without a path belongs to the whole value.
//! assert_eq!(split("missing field `kind`"), ("", "missing field `kind`"));
//! ```

/// Stands between path and message: a control character that no message is written with.
const MARK: char = '\u{1f}';

/// A message about the part of a value at `path`: keys and positions in lists, joined by dots,
/// empty for the whole. A message that has a path already keeps it, behind `path`.
pub fn wrap(path: &str, message: &str) -> String {
    let (inner, message) = split(message);
    let dot = if path.is_empty() || inner.is_empty() {
        ""
    } else {
        "."
    };
    if path.is_empty() && inner.is_empty() {
        return message.to_owned();
    }
    format!("{path}{dot}{inner}{MARK}{message}")
}

/// The path and the message that [`wrap`] made one of; no path (`""`) where there is none.
pub fn split(message: &str) -> (&str, &str) {
    message.split_once(MARK).unwrap_or(("", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_path_leaves_a_message_as_it_is() {
        assert_eq!(wrap("", "too small"), "too small");
        assert_eq!(split(&wrap("", &wrap("tau", "too small"))).0, "tau");
        assert_eq!(split(&wrap("tau", "")), ("tau", ""));
    }
}

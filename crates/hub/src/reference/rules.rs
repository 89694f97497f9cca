//! What may stand in a name on the hub. Each rule gives its reason in words.

/// Whether `text` is a full commit id as git and the hub write it: 40 lower-case hex digits.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The hub's own rule for the two halves of a repository's name.
pub(super) fn check_repo_part(part: &str, what: &str) -> std::result::Result<(), String> {
    let strange = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if part.is_empty() {
        Err(format!("the {what} is empty"))
    } else if part.len() > 96 {
        Err(format!(
            "the {what} has {} characters, more than the hub's 96",
            part.len()
        ))
    } else if let Some(c) = part.chars().find(|&c| strange(c)) {
        Err(format!(
            "the {what} \"{part}\" has the character {c:?}; letters, digits, - _ . are allowed"
        ))
    } else if part.starts_with(['-', '.'])
        || part.ends_with(['-', '.'])
        || part.contains("--")
        || part.contains("..")
    {
        Err(format!(
            "the {what} \"{part}\" starts or ends with - or ., or has -- or .. in it"
        ))
    } else {
        Ok(())
    }
}

/// What git allows in the name of a reference (`git help check-ref-format`).
pub(super) fn check_revision(revision: &str) -> std::result::Result<(), String> {
    let strange = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    if revision.is_empty() {
        Err("the revision after @ is empty".to_owned())
    } else if let Some(c) = revision.chars().find(|&c| strange(c)) {
        Err(format!(
            "the revision \"{}\" has the character {c:?}",
            revision.escape_default()
        ))
    } else if revision.contains("..") || revision.contains("@{") || revision == "@" {
        Err(format!(
            "the revision \"{revision}\" has .. or @{{ in it, or is @"
        ))
    } else if revision
        .split('/')
        .any(|part| part.is_empty() || part.starts_with('.') || part.ends_with(".lock"))
    {
        Err(format!(
            "a part of the revision \"{revision}\" is empty, starts with . or ends with .lock"
        ))
    } else {
        Ok(())
    }
}

pub(super) fn check_path(path: &str) -> std::result::Result<(), String> {
    if path.is_empty() {
        Err("the file is empty".to_owned())
    } else if path.chars().any(|c| c.is_control() || c == '\\') {
        Err(format!(
            "the file \"{}\" has a \\ or a control character",
            path.escape_default()
        ))
    } else if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        Err(format!(
            "the file \"{path}\" has an empty part, . or .. in it"
        ))
    } else {
        Ok(())
    }
}

//! The environment as Python's `huggingface_hub` reads it, and what is refused.

use std::path::PathBuf;
use std::time::Duration;

use spectralkd_hub::{Result, Settings, Token};

fn with(variables: &[(&str, &str)]) -> Result<Settings> {
    Settings::from_lookup(|name| {
        variables
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn the_cache_is_where_python_looks() {
    let cache = |variables: &[(&str, &str)]| with(variables).unwrap().cache;
    let home = ("HOME", "/home/u");
    assert_eq!(
        cache(&[home]),
        PathBuf::from("/home/u/.cache/huggingface/hub")
    );
    assert_eq!(
        cache(&[home, ("XDG_CACHE_HOME", "/x")]),
        PathBuf::from("/x/huggingface/hub")
    );
    assert_eq!(
        cache(&[home, ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")]),
        PathBuf::from("/h/hub")
    );
    assert_eq!(
        cache(&[("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")]),
        PathBuf::from("/old")
    );
    assert_eq!(
        cache(&[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/c")]),
        PathBuf::from("/c")
    );
    assert_eq!(
        cache(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "")]),
        PathBuf::from("/h/hub")
    );
}

#[test]
fn folders_are_expanded_as_python_does() {
    let cache = |text: &str| {
        let variables = [("HOME", "/home/u"), ("X", "ex"), ("HF_HUB_CACHE", text)];
        with(&variables).unwrap().cache
    };
    for (text, expected) in [
        ("~/hub", "/home/u/hub"),
        ("~", "/home/u"),
        ("~other/hub", "~other/hub"),
        ("/a~/b", "/a~/b"),
        ("/$X/${X}s/$X", "/ex/exs/ex"),
        ("/$Y/${Y}/$/${X", "/$Y/${Y}/$/${X"),
        ("$HOME", "/home/u"),
    ] {
        assert_eq!(cache(text), PathBuf::from(expected), "{text}");
    }
    let home = [("HOME", "/home/u"), ("HF_HOME", "~/hf")];
    assert_eq!(with(&home).unwrap().cache, PathBuf::from("/home/u/hf/hub"));
}

#[test]
fn offline_is_read_as_python_reads_it() {
    for (value, offline) in [
        ("1", true),
        ("true", true),
        ("YES", true),
        ("On", true),
        ("0", false),
        ("", false),
        ("no", false),
    ] {
        assert_eq!(
            with(&[("HF_HUB_OFFLINE", value)]).unwrap().local_files_only,
            offline,
            "{value}"
        );
    }
    assert!(!with(&[]).unwrap().local_files_only);
    let other = ("TRANSFORMERS_OFFLINE", "1");
    assert!(with(&[other]).unwrap().local_files_only);
    assert!(
        !with(&[other, ("HF_HUB_OFFLINE", "0")])
            .unwrap()
            .local_files_only
    );
}

#[test]
fn the_token_comes_from_the_variable_then_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let home = ("HF_HOME", folder.path().to_str().unwrap());
    assert_eq!(with(&[home]).unwrap().token, None);
    std::fs::write(folder.path().join("token"), "hf_of_home\n").unwrap();
    let other = folder.path().join("other");
    std::fs::write(&other, "hf_of_path").unwrap();
    let path = ("HF_TOKEN_PATH", other.to_str().unwrap());

    let token = |variables: &[(&str, &str)]| with(variables).unwrap().token;
    let some = |text| Some(Token::new(text).unwrap());
    assert_eq!(token(&[home]), some("hf_of_home"));
    assert_eq!(token(&[home, path]), some("hf_of_path"));
    let old = ("HUGGING_FACE_HUB_TOKEN", "hf_of_old");
    assert_eq!(token(&[home, path, old]), some("hf_of_old"));
    let env = ("HF_TOKEN", "hf_of_env");
    assert_eq!(token(&[home, path, old, env]), some("hf_of_env"));
    let implicit = ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "0");
    assert_eq!(token(&[env, implicit]), some("hf_of_env"));
    assert_eq!(
        token(&[
            home,
            path,
            ("HF_TOKEN", "hf_of_env"),
            ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
        ]),
        None
    );
}

#[test]
fn nothing_shows_a_secret() {
    let settings = with(&[
        ("HF_TOKEN", "hf_secret"),
        ("HF_ENDPOINT", "https://me:password@hub.example/x/"),
    ])
    .unwrap();
    assert_eq!(settings.endpoint_shown(), "https://hub.example/x");
    let shown = format!("{settings:?}");
    assert!(
        !shown.contains("secret") && !shown.contains("password"),
        "{shown}"
    );
    let error = with(&[("HF_TOKEN", "hf_secret\nX-Evil: 1")])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("HF_TOKEN") && !error.contains("secret"),
        "{error}"
    );
}

#[test]
fn unusable_values_are_named() {
    for endpoint in ["huggingface.co", "ftp://x", "http://", "https://x/?a=b"] {
        let error = with(&[("HF_ENDPOINT", endpoint)]).unwrap_err().to_string();
        assert!(error.starts_with("HF_ENDPOINT cannot be used"), "{error}");
    }
    for timeout in ["soon", "0", "-1", "nan", "inf"] {
        let error = with(&[("HF_HUB_DOWNLOAD_TIMEOUT", timeout)])
            .unwrap_err()
            .to_string();
        assert!(error.contains(timeout), "{error}");
    }
    assert_eq!(
        with(&[("HF_HUB_DOWNLOAD_TIMEOUT", "2.5")])
            .unwrap()
            .limits
            .idle,
        Duration::from_millis(2500)
    );
}

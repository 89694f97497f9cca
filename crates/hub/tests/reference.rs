//! Names on the hub: what is read, and what is refused before it reaches a path or a URL.

use spectralkd_hub::{HubError, Reference, RemoteFile, Repo, Revision};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

#[test]
fn all_four_shapes_are_read() {
    let bare: Reference = "hf://timm/cait_xxs24_224.fb_dist_in1k".parse().unwrap();
    assert_eq!(
        (bare.repo.owner(), bare.repo.name()),
        ("timm", "cait_xxs24_224.fb_dist_in1k")
    );
    assert_eq!(
        (bare.revision, bare.file),
        (Revision::Name("main".into()), None)
    );

    let pinned: Reference = format!("hf://a/b@{}", COMMIT.to_uppercase())
        .parse()
        .unwrap();
    assert_eq!(pinned.revision, Revision::Commit(COMMIT.into()));

    let file: Reference = "hf://a/b/sub/model@2.safetensors".parse().unwrap();
    assert_eq!(
        (file.revision, file.file.as_deref()),
        (Revision::default(), Some("sub/model@2.safetensors"))
    );

    let all: Reference = "hf://a/b@refs%2Fpr%2F1/c.bin".parse().unwrap();
    assert_eq!(all.revision, Revision::Name("refs/pr/1".into()));
    assert_eq!(all.to_string(), "hf://a/b@refs%2Fpr%2F1/c.bin");
    assert_eq!(all.to_string().parse::<Reference>().unwrap(), all);
}

#[test]
fn what_could_leave_the_cache_or_bend_the_url_is_refused() {
    for text in [
        "timm/x",
        "hf:/timm/x",
        "hf://",
        "hf://timm",
        "hf://timm/",
        "hf:///x",
        "hf://../x",
        "hf://a/..",
        "hf://a/b--c",
        "hf://a/b/",
        "hf://a/b//c",
        "hf://a/b/../c",
        "hf://a/b/c/..",
        "hf://a/b/./c",
        "hf://a/b/c\\d",
        "hf://a/b/c\n",
        "hf://a/b@/c",
        "hf://a/b@../c",
        "hf://a/b@x..y/c",
        "hf://a/b@%2Fetc/c",
        "hf://a/b@x%2F..%2Fy/c",
        "hf://a/b@a b/c",
        "hf://a/b@.x/c",
        "hf://a/b@x%2F/c",
        "hf://a/b@x?y/c",
        "hf://a?b/c",
        "hf://a b/c",
        "hf://datasets/a/b",
    ] {
        let error = text.parse::<Reference>().expect_err(text);
        assert!(
            matches!(&error, HubError::Reference { text: named, .. } if named == text),
            "{text}: {error}"
        );
        assert!(error.to_string().contains("hf://owner/name"), "{error}");
    }
    let repo = Repo::new("a", "b").unwrap();
    assert!(RemoteFile::new(repo, Revision::default(), "../x").is_err());
    assert!(Repo::new("a", "b/c").is_err());
}

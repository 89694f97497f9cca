//! Atomic writes: the old file or the new one, and no leftovers.

use std::fs;
use std::io::{self, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use spectralkd_base::FileError;
use spectralkd_base::files::{write_atomic, write_atomic_file, write_atomic_with};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn writes_and_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    write_atomic(&path, b"a longer first version").unwrap();
    write_atomic(&path, b"second").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"second");
    assert_eq!(names(folder.path()), ["a.bin"]);
}

#[test]
fn a_failing_writer_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    write_atomic(&path, b"old").unwrap();

    let error = write_atomic_with(&path, |out| {
        out.write_all(&[7; 1 << 20])?; // far past any buffer
        Err(io::Error::other("tensor 3 has no data"))
    })
    .unwrap_err();

    assert!(matches!(error, FileError::Write { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("a.bin") && text.contains("tensor 3 has no data"),
        "{text}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["a.bin"]);
}

#[test]
fn a_file_may_be_filled_in_any_order_and_fail_with_an_error_of_its_own() {
    #[derive(Debug)]
    enum Own {
        File(FileError),
        NoData,
    }
    impl From<FileError> for Own {
        fn from(error: FileError) -> Self {
            Self::File(error)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    write_atomic_file(&path, |file| -> Result<(), FileError> {
        file.seek(SeekFrom::Start(2)).unwrap();
        file.write_all(b"end").unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(b"x ").unwrap();
        Ok(())
    })
    .unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"x end");

    let error = write_atomic_file(&path, |file| {
        file.write_all(b"half").unwrap();
        Err(Own::NoData)
    });
    assert!(matches!(error, Err(Own::NoData)), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), b"x end");
    assert_eq!(names(folder.path()), ["a.bin"]);

    let nowhere = folder.path().join("missing").join("a.bin");
    let error = write_atomic_file(&nowhere, |_| Ok::<(), Own>(()));
    assert!(matches!(error, Err(Own::File(FileError::Create { .. }))));
}

#[test]
fn a_panicking_writer_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    write_atomic(&path, b"old").unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        write_atomic_with(&path, |out| {
            out.write_all(b"half of the new")?;
            panic!("the writer's own bug");
        })
    }));
    assert!(outcome.is_err());
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["a.bin"]);
}

#[test]
fn the_new_file_is_invisible_until_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    write_atomic(&path, b"old").unwrap();
    write_atomic_with(&path, |out| {
        out.write_all(b"new")?;
        out.flush()?;
        assert_eq!(fs::read(&path)?, b"old");
        Ok(())
    })
    .unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = write_atomic(&folder.path().join("nowhere/a.bin"), b"x").unwrap_err();
    assert!(matches!(error, FileError::Create { .. }), "{error:?}");
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn a_path_without_a_name_and_a_folder_in_the_way_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let error = write_atomic(&folder.path().join(".."), b"x").unwrap_err();
    assert!(matches!(error, FileError::NoFileName { .. }), "{error:?}");

    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    let error = write_atomic(&taken, b"x").unwrap_err();
    assert!(matches!(error, FileError::Rename { .. }), "{error:?}");
    assert_eq!(names(folder.path()), ["taken"]);
}

#[test]
fn writers_of_one_file_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    std::thread::scope(|scope| {
        for letter in b'a'..=b'h' {
            let path = &path;
            scope.spawn(move || write_atomic(path, &[letter; 10_000]).unwrap());
        }
    });
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 10_000);
    assert!(bytes.iter().all(|&b| b == bytes[0]), "a mixture of writers");
    assert_eq!(names(folder.path()), ["a.bin"]);
}

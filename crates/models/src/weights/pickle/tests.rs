//! Pickles of all protocols, and hostile ones.

use super::*;

/// `{"a": (1, -2, 2**40), "b": OrderedDict(), "c": [None, 0.5]}` in protocols 2 and 4 (Python 3.11).
const TWO: &[u8] = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01J\xfe\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01\x87q\x02\
X\x01\x00\x00\x00bq\x03ccollections\nOrderedDict\nq\x04)Rq\x05X\x01\x00\x00\x00cq\x06]q\x07(NG?\xe0\x00\x00\x00\x00\x00\x00eu.";
const FOUR: &[u8] = b"\x80\x04\x95H\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94K\x01J\xfe\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01\
\x87\x94\x8c\x01b\x94\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94\x8c\x01c\x94]\x94(NG?\xe0\x00\x00\x00\x00\x00\x00eu.";

#[test]
fn values_are_read_in_every_protocol() {
    for bytes in [TWO, FOUR] {
        let pickle = Pickle::read(bytes).unwrap();
        let entries: Vec<_> = pickle.entries(pickle.root()).collect();
        let [("a", a), ("b", b), ("c", c)] = entries[..] else {
            panic!("{entries:?}")
        };
        let numbers = pickle
            .tuple(a)
            .unwrap()
            .iter()
            .map(|&id| match pickle.get(id) {
                Value::Int(value) => *value,
                _ => panic!(),
            });
        assert_eq!(numbers.collect::<Vec<_>>(), [1, -2, 1 << 40]);
        assert!(matches!(pickle.get(b), Value::Dict(entries) if entries.is_empty()));
        assert!(matches!(pickle.get(c), Value::Opaque));
    }
}

/// What is put into a dictionary after a reference to it was made is seen through the reference.
#[test]
fn references_share() {
    let bytes = b"\x80\x02}q\x00X\x01\x00\x00\x00xK\x01sh\x00\x86.";
    let pickle = Pickle::read(bytes).unwrap();
    let &[first, second] = pickle.tuple(pickle.root()).unwrap() else {
        panic!()
    };
    assert_eq!(pickle.entries(first).count(), 1);
    assert_eq!(first, second);
}

#[test]
fn hostile_pickles_cost_nothing() {
    // A million tuples in one another; 2^100000 tuples by reference; strings and numbers beyond the end.
    let deep = [&b"\x80\x02)"[..], &vec![0x85; 1 << 20], b"."].concat();
    assert!(Pickle::read(&deep).is_ok());
    let doubling = [
        &b"\x80\x02)q\x00"[..],
        &b"h\x00\x86q\x00".repeat(100_000),
        b".",
    ]
    .concat();
    assert!(Pickle::read(&doubling).is_ok());
    for bytes in [
        &b"X\xff\xff\xff\xffabc"[..],
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc",
        b"\x8b\xff\xff\xff\xff",
        b"\x80",
        b"R.",
        b"(0t.",
        b"K\x01(01t.",
        b"h\x07.",
        b"u.",
        b"cmodule",
        b"\xff",
        b"",
    ] {
        assert!(Pickle::read(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn any_change_is_read_or_refused() {
    for bytes in [TWO, FOUR] {
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.to_vec();
                changed[at] = value;
                if let Ok(pickle) = Pickle::read(&changed) {
                    pickle.entries(pickle.root()).count();
                }
            }
            assert!(Pickle::read(&bytes[..at]).is_err());
        }
    }
}

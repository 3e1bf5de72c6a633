//! Inputs: bytes at random, and sound ones that were damaged, which reach deeper.

use axum::http::HeaderValue;
use proptest::{collection::vec, prelude::*, sample::select};

/// Pieces that programs have stumbled over.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\r\n",
    b"\r",
    b"\t",
    b" ",
    b",",
    b";",
    b":",
    b"=",
    b"/",
    b"//",
    b"\\",
    b"@",
    b"#",
    b"?",
    b"%",
    b"%00",
    b"%2F",
    b"%zz",
    b"\"",
    b"\"\"",
    b"'",
    b"--",
    b"{",
    b"}",
    b"[",
    b"]",
    b"{}",
    b"[[",
    b"null",
    b"true",
    b"NaN",
    b"1e999",
    b"-1",
    b"0",
    b"007",
    b"9007199254740991",
    b"9007199254740992",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"\xf0\x9f\x9b\x9f",
    b"\xc2\xa0",
    b"xn--",
    b"::",
    b"::ffff:",
    b"[::1]",
    b"127.0.0.1",
    b"0x7f.1",
    b"../",
    b".",
    b"q=",
    b"*",
    b"2026-02-30",
    b"0001-01-01 00:00:00",
    b"9999-12-31 23:59:59",
    b"T",
    b"Z",
    b"+00:00",
];

/// What is done to a sound input; places are taken modulo its length.
#[derive(Debug, Clone)]
enum Damage {
    Insert(usize, Vec<u8>),
    Replace(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize, usize),
    CutOff(usize),
}

impl Damage {
    fn apply(self, bytes: &mut Vec<u8>) {
        let place = |place: usize, bytes: &[u8]| place % (bytes.len() + 1);
        match self {
            Self::Insert(at, piece) => {
                let at = place(at, bytes);
                drop(bytes.splice(at..at, piece));
            }
            Self::Replace(at, byte) => {
                let at = place(at, bytes);
                if let Some(old) = bytes.get_mut(at) {
                    *old = byte;
                }
            }
            Self::Remove(at, length) => {
                let at = place(at, bytes);
                let end = (at + length).min(bytes.len());
                drop(bytes.drain(at..end));
            }
            Self::Repeat(at, length, times) => {
                let at = place(at, bytes);
                let end = (at + length).min(bytes.len());
                let piece = bytes.get(at..end).unwrap_or_default().repeat(times);
                drop(bytes.splice(end..end, piece));
            }
            Self::CutOff(at) => bytes.truncate(place(at, bytes)),
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let piece = prop_oneof![select(PIECES).prop_map(<[u8]>::to_vec), vec(any::<u8>(), 1..8)];
    prop_oneof![
        4 => (any::<usize>(), piece).prop_map(|(at, piece)| Damage::Insert(at, piece)),
        3 => (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        2 => (any::<usize>(), 1..24_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        1 => (any::<usize>(), 1..48_usize, 1..40_usize).prop_map(|(at, length, n)| Damage::Repeat(at, length, n)),
        1 => any::<usize>().prop_map(Damage::CutOff),
    ]
}

/// Bytes: some at random, most of them one of `sound` with up to five damages.
pub(crate) fn bytes(sound: &'static [&'static str]) -> BoxedStrategy<Vec<u8>> {
    let damaged = (select(sound), vec(damage(), 0..=5)).prop_map(|(sound, damages)| {
        let mut bytes = sound.as_bytes().to_vec();
        damages.into_iter().for_each(|damage| damage.apply(&mut bytes));
        bytes
    });
    prop_oneof![1 => vec(any::<u8>(), 0..96), 7 => damaged].boxed()
}

/// The same as text: what is not UTF-8 is replaced.
pub(crate) fn text(sound: &'static [&'static str]) -> BoxedStrategy<String> {
    let damaged = bytes(sound).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    prop_oneof![1 => any::<String>(), 7 => damaged].boxed()
}

/// The same as the value of a header: what none may hold is replaced.
pub(crate) fn header(sound: &'static [&'static str]) -> BoxedStrategy<HeaderValue> {
    bytes(sound)
        .prop_map(|mut bytes| {
            bytes
                .iter_mut()
                .filter(|byte| (**byte < b' ' && **byte != b'\t') || **byte == 0x7f)
                .for_each(|byte| *byte = b'~');
            HeaderValue::from_bytes(&bytes).expect("no byte is left that a header cannot hold")
        })
        .boxed()
}

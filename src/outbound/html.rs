//! The title of a page: the text of the first `title` element that is the page's own.
//!
//! A streaming tokenizer reads each byte a bounded number of times, whatever the page is like.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use html5gum::{
    Span, Tokenizer,
    emitters::callback::{CallbackEmitter, CallbackEvent},
};

use crate::domain::{Title, text::is_hidden};

/// Characters of a title, as [`Title`] allows.
const TITLE_CHARS: usize = 500;
/// A page must have named its encoding within these bytes (HTML, "prescan a byte stream").
const PRESCAN: usize = 1_024;
/// Elements with titles that are not the page's.
const FOREIGN: [&[u8]; 2] = [b"svg", b"template"];

/// The title of a page, of which `bytes` may be only the beginning. It takes milliseconds: not for a thread of the
/// runtime.
pub(super) fn title(bytes: &[u8], charset: Option<&str>) -> Option<Title> {
    let text = title_element(&decode(bytes, charset))?;
    Title::parse(tidied(&String::from_utf8_lossy(&text))).ok().filter(Title::is_given)
}

/// The page as text. A byte-order mark is believed first, then the server, then the page.
fn decode<'p>(bytes: &'p [u8], charset: Option<&str>) -> Cow<'p, str> {
    let named = |label: &str| Encoding::for_label(label.as_bytes());
    let encoding = charset.and_then(named).or_else(|| named(declared(bytes)?)).unwrap_or(UTF_8);
    encoding.decode(bytes).0
}

/// The encoding that a page names in its first bytes, as `<meta charset=…>` or within `content="text/html; charset=…"`.
fn declared(bytes: &[u8]) -> Option<&str> {
    const NAME: &[u8] = b"charset=";
    let start = &bytes[..bytes.len().min(PRESCAN)];
    let at = start.windows(NAME.len()).position(|part| part.eq_ignore_ascii_case(NAME))? + NAME.len();
    let label = start[at..].trim_ascii_start().strip_prefix(b"\"").unwrap_or(&start[at..]);
    let label = label.strip_prefix(b"'").unwrap_or(label);
    let end = label.iter().position(|b| !(b.is_ascii_alphanumeric() || b"-_:.".contains(b))).unwrap_or(label.len());
    std::str::from_utf8(&label[..end]).ok()
}

/// The text of the first `title` element outside [`FOREIGN`] ones, if the element is complete.
fn title_element(page: &str) -> Option<Vec<u8>> {
    let (mut foreign, mut is_foreign, mut title) = (0_usize, false, None);
    let mut emitter = CallbackEmitter::new(move |event: CallbackEvent<'_>, _: Span<()>| {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                is_foreign = FOREIGN.contains(&name);
                if name == b"title" && foreign == 0 && title.is_none() {
                    title = Some(Vec::new());
                }
            }
            CallbackEvent::CloseStartTag { self_closing: false } if is_foreign => foreign += 1,
            CallbackEvent::String { value } => title.iter_mut().for_each(|title| title.extend_from_slice(value)),
            CallbackEvent::EndTag { name: b"title" } => return title.take(),
            CallbackEvent::EndTag { name } if FOREIGN.contains(&name) => foreign = foreign.saturating_sub(1),
            _ => {}
        }
        None
    });
    emitter.naively_switch_states(true);
    Tokenizer::new_with_emitter(page, emitter).find_map(Result::ok)
}

/// White space as single spaces, no control or hidden characters, cut to the length of a title.
fn tidied(text: &str) -> String {
    let seen: String = text.chars().filter(|c| !is_hidden(*c)).collect();
    let words = seen.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(TITLE_CHARS).collect();
    cut.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    fn of(page: &str) -> Option<String> {
        title(page.as_bytes(), None).map(|title| title.as_str().to_owned())
    }

    #[test]
    fn the_title_is_the_pages_own() {
        for (page, expected) in [
            ("<title>A page</title>", "A page"),
            ("<!doctype html><HTML lang='>'><head>\n<TITLE data-x=\"a>b\">\n A\t page \n</Title >", "A page"),
            ("<title>Fish &amp; chips &lt;&#39;x&#x27;&gt; &eacute;&hellip;</title>", "Fish & chips <'x'> é…"),
            ("<title>&nosuchthing; AT&T</title>", "&nosuchthing; AT&T"),
            ("<!-- <title>no</title> --><title>yes</title>", "yes"),
            ("<script>document.write('<title>no</title>')</script><title>yes</title>", "yes"),
            ("<style><title>no</title></style><svg><title>no</title></svg><title>yes</title>", "yes"),
            ("<titlebar>no</titlebar><title>yes</title><title>second</title>", "yes"),
            ("<title>a <b>tag</b> is text</title>", "a <b>tag</b> is text"),
            ("<title>a\u{0}b\u{7}c\u{a0}d</title>", "a\u{fffd}b c d"),
            ("<svg/><svg><svg/><title>no</title></svg><template><title>no</title></template><title>yes</title>", "yes"),
            ("<noscript><title>no</title></noscript><title>yes</title>", "yes"),
            ("1 < 2 <title>yes</title>", "yes"),
        ] {
            assert_eq!(of(page).as_deref(), Some(expected), "{page}");
        }
    }

    #[test]
    fn what_has_no_title_has_none() {
        for page in [
            "",
            "<",
            "<title",
            "<title>",
            "<title>cut off",
            "<title></title>",
            "<title> \n </title>",
            "<!-- <title>x</title>",
            "<script><title>x</title>",
            "<p title='x'>",
            "</title>",
            "text",
        ] {
            assert_eq!(of(page), None, "{page}");
        }
    }

    #[test]
    fn long_titles_are_cut_between_characters() {
        let title = of(&format!("<title>{}</title>", "ü".repeat(2_000))).unwrap();
        assert_eq!(title.chars().count(), TITLE_CHARS);
    }

    #[test]
    fn pages_in_other_encodings_are_read() {
        let latin = b"<title>Gr\xfc\xdfe</title>";
        assert_eq!(title(latin, Some("iso-8859-1")).unwrap().as_str(), "Grüße");
        let declared = b"<meta charset=\"windows-1252\"><title>Gr\xfc\xdfe</title>";
        assert_eq!(title(declared, None).unwrap().as_str(), "Grüße");
        let older =
            b"<meta http-equiv=Content-Type content='text/html; charset=shift_jis'><title>\x93\xfa\x96{</title>";
        assert_eq!(title(older, None).unwrap().as_str(), "日本");
        let wide: Vec<u8> = "\u{feff}<title>ü</title>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(title(&wide, Some("utf-8")).unwrap().as_str(), "ü");
        assert!(title(latin, None).is_some_and(|title| title.as_str().starts_with("Gr")));
    }

    #[test]
    fn a_page_of_one_repeated_byte_or_pair_takes_linear_time() {
        const SIZE: usize = 16 * 1024;
        const OPENED: [&str; 7] =
            ["<script>", "<script><!--<script", "<style>", "<title>", "<svg>", "<textarea>", "<!--"];
        const MARKS: [&str; 15] = [
            "</",
            "<!",
            "<!--",
            "<![CDATA[",
            "<?",
            "&#",
            "&#x",
            "&am",
            "<a",
            "</a",
            "<a b='",
            "-->",
            "]]",
            "</script",
            "</title",
        ];
        let begun = Instant::now();
        // Letters and digits are alike, and so are the bytes that are no ASCII.
        for byte in (0..=0x80_u8).filter(|byte| !byte.is_ascii_alphanumeric() || matches!(byte, b'a' | b'0')) {
            assert_eq!(title(&[byte].repeat(SIZE), None), None, "{byte}");
        }
        for mark in MARKS.into_iter().chain(OPENED) {
            let page = mark.repeat(SIZE / mark.len());
            assert_eq!(of(&page), None, "{mark}");
            for opened in OPENED {
                of(&format!("{opened}{page}"));
            }
        }
        // Three seconds; more than a minute if the work grew with the square of the size.
        assert!(begun.elapsed() < Duration::from_secs(45), "{:?}", begun.elapsed());
    }

    proptest! {
        #[test]
        fn any_page_has_a_title_or_none(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            tail in "[<>/!\\-'\"a-z ü]{0,80}",
            charset in "\\PC{0,12}",
        ) {
            let page = [b"<title>", &bytes[..], b"</title>", tail.as_bytes()].concat();
            let _ = title(&page, Some(&charset));
            let _ = title(tail.as_bytes(), None);
            let _ = title(&bytes, None);
        }
    }
}

//! The title of a page: what stands in the first `title` element that is the page's own.
//!
//! No parser of HTML: a scanner that knows comments, attributes in quotes, and elements whose content is no markup. It reads
//! each byte a few times at most, whatever the page is like.

use std::{borrow::Cow, ops::Range};

use encoding_rs::{Encoding, UTF_8};

use crate::domain::Title;

/// Characters of a title, as [`Title`] allows.
const TITLE_CHARS: usize = 500;
/// Where a page must have named its encoding (HTML, "prescan a byte stream").
const PRESCAN: usize = 1_024;
/// Elements whose content is passed over: text, and drawings, which have titles of their own.
const OPAQUE: [&str; 9] =
    ["script", "style", "textarea", "noscript", "template", "iframe", "noframes", "noembed", "svg"];

/// The title of a page, of which only the beginning may be at hand.
pub(super) fn title(bytes: &[u8], charset: Option<&str>) -> Option<Title> {
    let text = decode(bytes, charset);
    let inner = title_element(&text)?;
    let text = html_escape::decode_html_entities(&text[inner]);
    Title::parse(tidied(&text)).ok().filter(Title::is_given)
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

/// Where the content of the title stands.
fn title_element(text: &str) -> Option<Range<usize>> {
    let mut at = 0;
    loop {
        at += text[at..].find('<')?;
        if text[at..].starts_with("<!--") {
            at += text[at..].find("-->")? + "-->".len();
            continue;
        }
        let name = tag_name(&text[at + 1..]);
        if name.is_empty() {
            at += 1;
            continue;
        }
        let content = tag_end(text, at)?;
        if name.eq_ignore_ascii_case("title") {
            return Some(content..closing(text, content, name)?);
        }
        let is_opaque = OPAQUE.iter().any(|opaque| name.eq_ignore_ascii_case(opaque));
        at = if is_opaque { closing(text, content, name)? } else { content };
    }
}

/// The name of the tag that begins here; empty where none does, or a closing one.
fn tag_name(text: &str) -> &str {
    let is_tag = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>').unwrap_or(text.len());
    if is_tag { &text[..end] } else { "" }
}

/// Where the tag that begins at `at` is over.
fn tag_end(text: &str, at: usize) -> Option<usize> {
    let mut quote = None;
    for (nth, byte) in text.as_bytes()[at..].iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + nth + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// Where the closing tag of this name begins.
fn closing(text: &str, mut at: usize, name: &str) -> Option<usize> {
    loop {
        at += text[at..].find("</")?;
        if tag_name(&text[at + 2..]).eq_ignore_ascii_case(name) {
            return Some(at);
        }
        at += 2;
    }
}

/// White space as single spaces, no control characters, as long as a title may be.
fn tidied(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(TITLE_CHARS).collect();
    cut.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
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
            ("<title>a\u{0}b\u{7}c\u{a0}d</title>", "a b c d"),
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

    proptest! {
        #[test]
        fn any_page_has_a_title_or_none(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), tail in "[<>/!\\-'\"a-z ü]{0,80}", charset in "\\PC{0,12}",
        ) {
            let page = [b"<title>", &bytes[..], b"</title>", tail.as_bytes()].concat();
            let _ = title(&page, Some(&charset));
            let _ = title(tail.as_bytes(), None);
            let _ = title(&bytes, None);
        }
    }
}

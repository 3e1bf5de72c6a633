//! The parts of a request that tell who sent it.

use std::{fmt, net::IpAddr};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

static SEC_GPC: HeaderName = HeaderName::from_static("sec-gpc");

/// What a request says of who sent it. Its `Debug` output repeats nothing of it.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// `User-Agent`, up to the first byte that is no text.
    pub user_agent: Option<&'a str>,
    /// `Referer`.
    pub referrer: Option<&'a str>,
    /// `Accept-Language`.
    pub accept_language: Option<&'a str>,
    /// Whether `DNT` or `Sec-GPC` is 1.
    pub refuses_tracking: bool,
    /// The client's address, behind trusted proxies.
    pub address: Option<IpAddr>,
}

impl<'a> Request<'a> {
    /// Reads a request's headers. Of a header that comes twice the first counts, except that one refusal is enough.
    pub fn read(headers: &'a HeaderMap, address: Option<IpAddr>) -> Self {
        let mut read = Self { address, ..Self::default() };
        let (mut agent, mut referrer, mut language) = (None, None, None);
        // One walk over the headers, which are few: five look-ups cost three times as much.
        for (name, value) in headers {
            if *name == header::USER_AGENT {
                agent.get_or_insert(value);
            } else if *name == header::REFERER {
                referrer.get_or_insert(value);
            } else if *name == header::ACCEPT_LANGUAGE {
                language.get_or_insert(value);
            } else if *name == header::DNT || *name == SEC_GPC {
                read.refuses_tracking |= value.as_bytes().trim_ascii() == b"1";
            }
        }
        read.user_agent = agent.and_then(text);
        read.referrer = referrer.and_then(text);
        read.accept_language = language.and_then(text);
        read
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").finish_non_exhaustive()
    }
}

/// The text of a header, without what follows a byte that is none; nothing if it is empty.
fn text(value: &HeaderValue) -> Option<&str> {
    let bytes = value.as_bytes();
    let valid = str::from_utf8(bytes).or_else(|error| str::from_utf8(&bytes[..error.valid_up_to()])).ok()?;
    Some(valid.trim()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_refusal_is_enough() {
        for (name, value, refuses) in [
            ("dnt", "1", true),
            ("sec-gpc", "1", true),
            ("dnt", " 1 ", true),
            ("dnt", "0", false),
            ("sec-gpc", "", false),
        ] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            assert_eq!(Request::read(&headers, None).refuses_tracking, refuses, "{name}: {value}");
        }
    }

    #[test]
    fn what_is_no_text_is_cut_off() {
        let agent = |bytes: &'static [u8]| {
            let headers = HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_bytes(bytes).unwrap())]);
            Request::read(&headers, None).user_agent.map(str::to_owned)
        };
        assert_eq!(agent(b"Fire\xfffox").as_deref(), Some("Fire"));
        assert_eq!(agent("b\u{fc}cher".as_bytes()).as_deref(), Some("b\u{fc}cher"));
        assert_eq!(agent(b"\xff"), None);
        assert_eq!(agent(b"  "), None);
    }
}

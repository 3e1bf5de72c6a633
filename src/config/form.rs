//! The forms that values come in: what a text must look like, in words and as a parser.
//!
//! Numbers, flags, addresses and choices are converted by envy, one variable at a time: given a whole struct it would stop at the
//! first fault, and its message repeats the value, which may be a secret.

use std::{
    fmt::Display,
    net::IpAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::http::HeaderName;
use serde::{Deserialize, de::DeserializeOwned};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};
use url::Url;

use crate::domain::{HostNames, TrustedProxies};

/// The bytes of one MiB.
const MIB: u64 = 1024 * 1024;

/// What is expected of a value, and how it is read.
pub(super) struct Form<R> {
    expected: String,
    read: R,
    placeholders: bool,
}

impl<R> Form<R> {
    /// A form of its own; `expected` completes the sentence "expected …".
    pub(super) fn new(expected: impl Into<String>, read: R) -> Self {
        Self { expected: expected.into(), read, placeholders: false }
    }

    /// The same form, told of a `${…}` that the platform left in place, instead of that being a fault by itself.
    pub(super) fn with_placeholders(self) -> Self {
        Self { placeholders: true, ..self }
    }

    /// Whether a `${…}` may be read.
    pub(super) fn takes_placeholders(&self) -> bool {
        self.placeholders
    }

    /// What is expected, in words.
    pub(super) fn expected(&self) -> &str {
        &self.expected
    }

    /// The value of a text, or nothing where it does not have this form.
    pub(super) fn read<T>(&self, text: &str) -> Option<T>
    where
        R: Fn(&str) -> Option<T>,
    {
        (self.read)(text)
    }
}

/// One value converted by envy.
fn converted<T: DeserializeOwned>(text: &str) -> Option<T> {
    #[derive(Deserialize)]
    struct Only<T> {
        value: T,
    }
    let pair = ("VALUE".to_owned(), text.to_owned());
    envy::from_iter::<_, Only<T>>([pair]).ok().map(|only| only.value)
}

/// A whole number within limits, `what` being its unit.
pub(super) fn whole<T>(limits: RangeInclusive<T>, what: &str) -> Form<impl Fn(&str) -> Option<T>>
where
    T: DeserializeOwned + PartialOrd + Display,
{
    let expected = format!("a whole number from {} to {} ({what})", limits.start(), limits.end());
    Form::new(expected, move |text: &str| converted(text).filter(|value| limits.contains(value)))
}

/// A time in whole seconds.
pub(super) fn seconds(limits: RangeInclusive<u64>) -> Form<impl Fn(&str) -> Option<Duration>> {
    mapped(whole(limits, "seconds"), Duration::from_secs)
}

/// A time in whole milliseconds.
pub(super) fn millis(limits: RangeInclusive<u64>) -> Form<impl Fn(&str) -> Option<Duration>> {
    mapped(whole(limits, "milliseconds"), Duration::from_millis)
}

/// A size in MiB, read as bytes.
pub(super) fn mebibytes(limits: RangeInclusive<u64>) -> Form<impl Fn(&str) -> Option<u64>> {
    mapped(whole(limits, "MiB"), |count: u64| count.saturating_mul(MIB))
}

fn mapped<A, B>(form: Form<impl Fn(&str) -> Option<A>>, map: impl Fn(A) -> B) -> Form<impl Fn(&str) -> Option<B>> {
    let Form { expected, read, .. } = form;
    Form::new(expected, move |text: &str| read(text).map(&map))
}

/// Yes or no.
pub(super) fn flag() -> Form<impl Fn(&str) -> Option<bool>> {
    Form::new("true or false", |text: &str| converted(&text.to_ascii_lowercase()))
}

/// One of the names of an enum.
pub(super) fn choice<T: DeserializeOwned>(names: &str) -> Form<impl Fn(&str) -> Option<T>> {
    Form::new(names, |text: &str| converted(&text.to_ascii_lowercase()))
}

/// An address of this machine.
pub(super) fn ip_address() -> Form<impl Fn(&str) -> Option<IpAddr>> {
    Form::new("an IP address, as 127.0.0.1, 0.0.0.0 or ::1", |text: &str| converted(text))
}

/// Scheme, host and perhaps port of a site, and nothing else.
pub(super) fn origin() -> Form<impl Fn(&str) -> Option<Url>> {
    Form::new("an http or https address without path, query or credentials, as https://go.example.com", |text: &str| {
        let url = Url::parse(text).ok()?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        let web = matches!(url.scheme(), "http" | "https");
        (web && bare && anonymous).then_some(url)
    })
}

/// A list of directives for the log's filter. A lone word must be a level: the filter would take a misspelt level for the name of
/// a module, and fall silent.
pub(super) fn log_filter() -> Form<impl Fn(&str) -> Option<String>> {
    Form::new("off, error, warn, info, debug or trace, or a list as info,buoy::http=debug", |text: &str| {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let lone = |part: &&&str| !part.contains(['=', '[']);
        let levels = parts.iter().filter(lone).all(|part| !part.is_empty() && part.parse::<LevelFilter>().is_ok());
        let directives = parts.join(",");
        (levels && EnvFilter::builder().parse(&directives).is_ok()).then_some(directives)
    })
}

/// The path of a MaxMind file; whether it can be read is found out where it is opened.
pub(super) fn mmdb_file() -> Form<impl Fn(&str) -> Option<PathBuf>> {
    Form::new("the path of a MaxMind file, as /data/GeoLite2-Country.mmdb", |text: &str| {
        let path = Path::new(text);
        path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("mmdb")).then(|| path.to_owned())
    })
}

/// The path of a file; whether it can be read is found out where it is opened.
pub(super) fn file() -> Form<impl Fn(&str) -> Option<PathBuf>> {
    Form::new("the absolute path of a file, as /run/secrets/token", |text: &str| {
        text.starts_with('/').then(|| PathBuf::from(text))
    })
}

/// Names of hosts.
pub(super) fn host_names() -> Form<impl Fn(&str) -> Option<HostNames>> {
    Form::new("names of hosts separated by commas, as go.example.com,links.example.com", |text: &str| text.parse().ok())
}

/// The name of a header.
pub(super) fn header_name() -> Form<impl Fn(&str) -> Option<HeaderName>> {
    Form::new("the name of a header, as x-forwarded-for or do-connecting-ip", |text: &str| text.parse().ok())
}

/// Which proxies are trusted.
pub(super) fn proxies() -> Form<impl Fn(&str) -> Option<TrustedProxies>> {
    Form::new(
        "addresses and networks separated by commas, as 10.0.0.7 or 10.1.0.0/16; private; or any",
        |text: &str| text.parse().ok(),
    )
}

/// The name of a subcommand; whether there is one of that name is for the command line to say.
pub(super) fn command_name() -> Form<impl Fn(&str) -> Option<String>> {
    Form::new("the name of a subcommand, as serve or migrate", |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-').then(|| text.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_origin_is_nothing_but_scheme_host_and_port() {
        for good in ["https://go.example.com", "http://localhost:8080/", "https://[::1]:8443"] {
            assert!(origin().read(good).is_some(), "{good}");
        }
        for bad in
            ["go.example.com", "ftp://a.example", "https://a.example/x", "https://a.example?x", "https://u:p@a.example"]
        {
            assert!(origin().read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_misspelt_level_is_no_module() {
        for good in ["info", "WARN", "off", "info,buoy=debug", "warn, buoy::http=trace", "buoy[request{id=1}]=debug"] {
            assert!(log_filter().read(good).is_some(), "{good}");
        }
        for bad in ["inof", "info,buoy", "buoy=loud", "info,,", "=debug="] {
            assert!(log_filter().read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn flags_are_words() {
        assert_eq!(flag().read("TRUE"), Some(true));
        assert_eq!(flag().read("false"), Some(false));
        assert_eq!(flag().read("1"), None);
    }

    proptest! {
        #[test]
        fn a_number_is_taken_within_its_limits_alone(value in any::<i64>(), text in "\\PC*") {
            let form = whole(1..=200_u32, "connections");
            let inside = u32::try_from(value).ok().filter(|value| (1..=200).contains(value));
            prop_assert_eq!(form.read(&value.to_string()), inside);
            prop_assert_eq!(form.read(&text).is_some(), text.parse::<u32>().is_ok_and(|value| (1..=200).contains(&value)));
        }
    }
}

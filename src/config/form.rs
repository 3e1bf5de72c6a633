//! The forms that values come in: what a text must look like, in words and as a parser.
//!
//! Numbers, flags, addresses and choices are converted by envy, one variable at a time: given a whole struct it would
//! stop at the first fault, and its message repeats the value, which may be a secret.

use std::{
    fmt::Display,
    net::IpAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use axum::http::HeaderName;
use serde::{Deserialize, de::DeserializeOwned};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};
use url::Url;

use super::source::placeholder;
use crate::domain::{HostList, HostNames, RateLimit, TrustedProxies};

/// What stands for a secret.
pub(super) const MASK: &str = "***";

/// A value; or, if the text does not have its form, perhaps a reason, which repeats nothing of the text.
pub(super) type Reading<T> = Result<T, Option<String>>;

type Parser<T> = dyn Fn(&str) -> Reading<T>;

/// What is expected of a value, and how it is read.
pub(super) struct Form<T> {
    expected: String,
    read: Box<Parser<T>>,
    /// What may be shown of a value that holds a secret or could; `None` if all of it may.
    shown: Option<fn(&T) -> String>,
    unset_by_placeholders: bool,
}

impl<T> Form<T> {
    /// A form of its own; `expected` completes the sentence "expected …".
    pub(super) fn new(expected: impl Into<String>, read: impl Fn(&str) -> Option<T> + 'static) -> Self {
        Self::with_reasons(expected, move |text| read(text).ok_or(None))
    }

    /// The same; a refusal may give its reason.
    pub(super) fn with_reasons(expected: impl Into<String>, read: impl Fn(&str) -> Reading<T> + 'static) -> Self {
        Self { expected: expected.into(), read: Box::new(read), shown: None, unset_by_placeholders: false }
    }

    /// The same form of a value that may hold a secret: only `shown` of a sound value is ever printed, nothing of
    /// another.
    pub(super) fn hiding(self, shown: fn(&T) -> String) -> Self {
        Self { shown: Some(shown), ..self }
    }

    /// The same form; a `${…}` that the platform left in place counts as unset instead of being a fault.
    pub(super) fn unset_by_placeholders(self) -> Self {
        Self { unset_by_placeholders: true, ..self }
    }

    /// Whether this text counts as unset.
    pub(super) fn ignores(&self, text: &str) -> bool {
        self.unset_by_placeholders && placeholder(text) == Some(text)
    }

    /// Whether a refused value may be repeated.
    pub(super) fn may_be_quoted(&self) -> bool {
        self.shown.is_none()
    }

    /// What is expected, in words.
    pub(super) fn expected(&self) -> &str {
        &self.expected
    }

    /// The value of a text.
    pub(super) fn read(&self, text: &str) -> Reading<T> {
        (self.read)(text)
    }

    /// A value as it may be printed, on one line.
    pub(super) fn shown(&self, text: &str) -> String {
        let shown = match self.shown {
            None => text.to_owned(),
            Some(shown) => self.read(text).map_or_else(|_| MASK.to_owned(), |value| shown(&value)),
        };
        match shown.split_once('\n') {
            Some((first, _)) => format!("{first} …"),
            None => shown,
        }
    }

    fn map<U: 'static>(self, map: impl Fn(T) -> U + 'static) -> Form<U>
    where
        T: 'static,
    {
        Form::with_reasons(self.expected, move |text| (self.read)(text).map(&map))
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
pub(super) fn whole<T>(limits: RangeInclusive<T>, what: &str) -> Form<T>
where
    T: DeserializeOwned + PartialOrd + Display + 'static,
{
    let expected = format!("a whole number from {} to {} ({what})", limits.start(), limits.end());
    Form::new(expected, move |text| converted(text).filter(|value| limits.contains(value)))
}

/// A time in whole seconds.
pub(super) fn seconds(limits: RangeInclusive<u64>) -> Form<Duration> {
    whole(limits, "seconds").map(Duration::from_secs)
}

/// A time in whole milliseconds.
pub(super) fn millis(limits: RangeInclusive<u64>) -> Form<Duration> {
    whole(limits, "milliseconds").map(Duration::from_millis)
}

/// A size in MiB, read as bytes.
pub(super) fn mebibytes(limits: RangeInclusive<usize>) -> Form<usize> {
    whole(limits, "MiB").map(|count| count.saturating_mul(1024 * 1024))
}

/// Yes or no.
pub(super) fn flag() -> Form<bool> {
    Form::new("true or false", |text| converted(&text.to_ascii_lowercase()))
}

/// One of the names of an enum.
pub(super) fn choice<T: DeserializeOwned + 'static>(names: &str) -> Form<T> {
    Form::new(names, |text| converted(&text.to_ascii_lowercase()))
}

/// A rate and a burst.
pub(super) fn rate_limit() -> Form<RateLimit> {
    let most = RateLimit::MAX;
    let expected = format!("a rate and a burst, each from 1 to {most}, as 60/min+30; the unit is s, min or h");
    Form::new(expected, |text| text.parse().ok())
}

/// An address of this machine.
pub(super) fn ip_address() -> Form<IpAddr> {
    Form::new("an IP address, as 127.0.0.1, 0.0.0.0 or ::1", converted)
}

/// Scheme, host and perhaps port of a site, and nothing else. A refused one may hold credentials.
pub(super) fn origin() -> Form<Url> {
    Form::new("an http or https address without path, query or credentials, as https://go.example.com", |text| {
        let url = Url::parse(text).ok()?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        let web = matches!(url.scheme(), "http" | "https");
        (web && bare && anonymous).then_some(url)
    })
    .hiding(|url| url.as_str().trim_end_matches('/').to_owned())
}

/// A list of directives for the log's filter. A lone word must be a level: the filter would take a misspelt level for
/// the name of a module, and fall silent.
pub(super) fn log_filter() -> Form<String> {
    Form::new("off, error, warn, info, debug or trace, or a list as info,buoy::redirect=debug", |text| {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let lone = |part: &&&str| !part.contains(['=', '[']);
        let levels = parts.iter().filter(lone).all(|part| !part.is_empty() && part.parse::<LevelFilter>().is_ok());
        let directives = parts.join(",");
        (levels && EnvFilter::builder().parse(&directives).is_ok()).then_some(directives)
    })
}

/// The path of a MaxMind file; whether it can be read is found out when it is opened.
pub(super) fn mmdb_file() -> Form<PathBuf> {
    Form::new("the path of a MaxMind file, as /data/GeoLite2-Country.mmdb", |text| {
        let path = Path::new(text);
        path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("mmdb")).then(|| path.to_owned())
    })
}

/// Names of hosts.
pub(super) fn host_names() -> Form<HostNames> {
    parsed("names of hosts separated by commas, as go.example.com,links.example.com")
}

/// Names and addresses of hosts.
pub(super) fn hosts() -> Form<HostList> {
    parsed("hosts separated by commas, without scheme, port and path, as evil.example, 203.0.113.7")
}

/// The name of a header.
pub(super) fn header_name() -> Form<HeaderName> {
    parsed("the name of a header, as x-forwarded-for or do-connecting-ip")
}

/// Which proxies are trusted.
pub(super) fn proxies() -> Form<TrustedProxies> {
    parsed("addresses and networks separated by commas, as 10.0.0.7 or 10.1.0.0/16; private; or any")
}

/// A value that parses itself.
pub(super) fn parsed<T: FromStr>(expected: &str) -> Form<T> {
    Form::new(expected, |text| text.parse().ok())
}

/// The name of a subcommand; whether there is one of that name is for the command line to say.
pub(super) fn command_name() -> Form<String> {
    Form::new("the name of a subcommand, as serve or migrate", |text| {
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
            assert!(origin().read(good).is_ok(), "{good}");
        }
        for bad in
            ["go.example.com", "ftp://a.example", "https://a.example/x", "https://a.example?x", "https://u:p@a.example"]
        {
            assert!(origin().read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_misspelt_level_is_no_module() {
        for good in ["info", "WARN", "off", "info,buoy=debug", "warn, buoy::http=trace", "buoy[request{id=1}]=debug"] {
            assert!(log_filter().read(good).is_ok(), "{good}");
        }
        for bad in ["inof", "info,buoy", "buoy=loud", "info,,", "=debug="] {
            assert!(log_filter().read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_are_words() {
        assert_eq!(flag().read("TRUE"), Ok(true));
        assert_eq!(flag().read("false"), Ok(false));
        assert_eq!(flag().read("1"), Err(None));
    }

    proptest! {
        #[test]
        fn a_number_is_taken_within_its_limits_alone(value in any::<i64>(), text in "\\PC*") {
            let form = whole(1..=200_u32, "connections");
            let inside = u32::try_from(value).ok().filter(|value| (1..=200).contains(value));
            prop_assert_eq!(form.read(&value.to_string()).ok(), inside);
            let whole = text.parse::<u32>().is_ok_and(|value| (1..=200).contains(&value));
            prop_assert_eq!(form.read(&text).is_ok(), whole);
        }
    }
}

//! Sessions: a private cookie that holds what the person signed in with, so that every replica can check it and none
//! keeps a table. Its key is derived from the administrator's token: a new token ends all sessions.

use axum::http::{HeaderMap, HeaderValue, header};
use chrono::TimeDelta;
use cookie::{Cookie, CookieJar, Key, SameSite, time::Duration};

use crate::domain::{Secret, clock::Timestamp};

/// How long a session lasts after its last use.
const LASTS: TimeDelta = TimeDelta::hours(12);
/// How old a session's cookie is before it is renewed.
const RENEWED_AFTER: TimeDelta = TimeDelta::minutes(10);
/// The name on secure origins: browsers take a cookie of this prefix from https alone, for one host, for all paths.
const NAME: &str = "__Host-buoy";
/// The name on loopback over http, where not every browser takes the other.
const LOCAL_NAME: &str = "buoy";

/// What a person signed in with.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    /// The administrator's token, which the cookie's key was derived from.
    Admin,
    /// A key.
    Key(Secret),
}

/// An open session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) credential: Credential,
    issued: Timestamp,
}

impl Session {
    /// The session of a request's cookie; none if there is none, or it is forged or has ended.
    pub(super) fn of(headers: &HeaderMap, key: &Key, now: Timestamp) -> Option<Self> {
        let name = name(headers);
        let mut jar = CookieJar::new();
        jar.add_original(Cookie::new(name, cookie(headers, name)?));
        let sealed = jar.private(key).get(name)?;
        let (issued, credential) = sealed.value().split_once(' ')?;
        let issued = Timestamp::from_timestamp(issued.parse().ok()?, 0)?;
        let is_open = issued <= now + RENEWED_AFTER && now - issued < LASTS;
        let credential = match credential {
            "admin" => Credential::Admin,
            key => Credential::Key(Secret::parse(key)?),
        };
        is_open.then_some(Self { credential, issued })
    }

    /// A session that begins now.
    pub(super) fn begin(credential: Credential, now: Timestamp) -> Self {
        Self { credential, issued: now }
    }

    /// The session with a new end, if it is time to renew it.
    pub(super) fn renewed(self, now: Timestamp) -> Option<Self> {
        (now - self.issued >= RENEWED_AFTER).then_some(Self { issued: now, ..self })
    }

    /// The cookie that keeps the session.
    pub(super) fn cookie(&self, headers: &HeaderMap, key: &Key) -> Option<HeaderValue> {
        let credential = match &self.credential {
            Credential::Admin => "admin",
            Credential::Key(secret) => secret.expose(),
        };
        let mut jar = CookieJar::new();
        let value = format!("{} {credential}", self.issued.timestamp());
        jar.private_mut(key).add(framed(headers, value, LASTS));
        jar.get(name(headers)).and_then(header_value)
    }

    /// The cookie that ends any session.
    pub(super) fn end(headers: &HeaderMap) -> Option<HeaderValue> {
        header_value(&framed(headers, String::new(), TimeDelta::zero()))
    }
}

fn framed(headers: &HeaderMap, value: String, lasts: TimeDelta) -> Cookie<'static> {
    Cookie::build((name(headers), value))
        .path("/")
        .secure(!is_local(headers))
        .http_only(true)
        .same_site(SameSite::Strict)
        .max_age(Duration::seconds(lasts.num_seconds()))
        .build()
}

/// A cookie as a header.
pub(super) fn header_value(cookie: &Cookie<'_>) -> Option<HeaderValue> {
    HeaderValue::try_from(cookie.to_string()).ok()
}

/// The value of a request's cookie.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

fn name(headers: &HeaderMap) -> &'static str {
    if is_local(headers) { LOCAL_NAME } else { NAME }
}

/// Whether the browser asked this machine itself. A page elsewhere cannot make it say so of another host.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match url::Url::parse(&format!("http://{host}/")).as_ref().map(url::Url::host) {
        Ok(Some(url::Host::Domain(name))) => name == "localhost" || name.ends_with(".localhost"),
        Ok(Some(url::Host::Ipv4(address))) => address.is_loopback(),
        Ok(Some(url::Host::Ipv6(address))) => address.is_loopback(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        headers.insert(header::COOKIE, cookie.parse().unwrap());
        headers
    }

    fn now() -> Timestamp {
        Timestamp::from_timestamp(1_750_000_000, 0).unwrap()
    }

    #[test]
    fn a_session_survives_until_its_end_under_its_own_key() {
        let (key, other) = (Key::generate(), Key::generate());
        let begun = Session::begin(Credential::Admin, now());
        let cookie = begun.cookie(&headers("go.example.com", "a=b"), &key).unwrap();
        let cookie = cookie.to_str().unwrap();
        let flags = "; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=43200";
        assert!(cookie.starts_with("__Host-buoy=") && cookie.ends_with(flags), "{cookie}");
        let sent = headers("go.example.com", cookie.split(';').next().unwrap());
        let open = |key: &Key, hours| Session::of(&sent, key, now() + TimeDelta::hours(hours)).is_some();
        assert_eq!([open(&key, 0), open(&key, 11), open(&key, 12), open(&other, 0)], [true, true, false, false]);
        assert!(Session::of(&headers("go.example.com", "__Host-buoy=admin"), &key, now()).is_none());
    }

    #[test]
    fn this_machine_needs_no_tls() {
        for (host, local) in [
            ("localhost:8080", true),
            ("127.0.0.1:8080", true),
            ("[::1]:8080", true),
            ("buoy.localhost", true),
            ("localhost.example.com", false),
            ("192.0.2.1", false),
            ("", false),
        ] {
            assert_eq!(is_local(&headers(host, "a=b")), local, "{host}");
        }
    }
}

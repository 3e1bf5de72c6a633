//! What a handler is given: ids from the path, JSON objects, filters, and the address that short links stand under.
//! Whatever cannot be read is refused here, in the one error shape.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::{HeaderMap, StatusCode, header, request::Parts, uri::Authority},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{
    Error,
    field::Faults,
    known::{KnownParameters, Others},
};
use crate::{
    domain::{
        EventId, Invalid, KeyId, PageRequest, ShortCode, TargetPolicy, TargetUrl, UrlId, UserId,
        clock::{Moment, Span},
        page::{Sort, SortKey},
    },
    state::AppState,
};

/// How much of the rest of a body that is too large is read before it is refused, and for how long.
const DISCARD_BYTES: usize = 16 * 1024 * 1024;
const DISCARD_FOR: Duration = Duration::from_secs(2);

/// The first parameter of the path, if it can name a `T`; otherwise 404, as for a `T` that does not exist.
#[derive(Debug, Clone)]
pub struct Named<T>(pub T);

/// What a DELETE names: a `T`, or none if the path holds an integer that no `T` can have, so that it is gone
/// already; otherwise 404.
#[derive(Debug, Clone)]
pub struct ToDelete<T>(pub Option<T>);

/// A thing that a path can name.
pub trait Resource: FromStr {
    /// The answer if there is none of this name.
    fn not_found() -> Error;
}

macro_rules! resources {
    ($($name:ty => $code:literal, $detail:literal;)*) => {
        $(impl Resource for $name {
            fn not_found() -> Error {
                Error::not_found($code, $detail)
            }
        })*
    };
}
resources! {
    UserId => "user_not_found", "User not found";
    UrlId => "url_not_found", "URL not found";
    EventId => "event_not_found", "Event not found";
    ShortCode => "url_not_found", "URL not found";
    KeyId => "key_not_found", "Key not found";
}

impl<T: Resource, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let name = name(parts, state).await.ok_or_else(T::not_found)?;
        name.parse().map(Self).map_err(|_| T::not_found())
    }
}

impl<T: Resource, S: Send + Sync> FromRequestParts<S> for ToDelete<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let name = name(parts, state).await.ok_or_else(T::not_found)?;
        let digits = name.strip_prefix('-').unwrap_or(&name);
        let is_integer = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        match name.parse() {
            Ok(named) => Ok(Self(Some(named))),
            Err(_) if is_integer => Ok(Self(None)),
            Err(_) => Err(T::not_found()),
        }
    }
}

/// The first and the second parameter of the path, if they can name a `T` and a `U`; otherwise 404.
#[derive(Debug, Clone)]
pub struct Nested<T, U>(pub T, pub U);

impl<T: Resource, U: Resource, S: Send + Sync> FromRequestParts<S> for Nested<T, U> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| U::not_found())?;
        let mut names = params.iter().map(|(_, value)| value);
        let outer = names.next().and_then(|name| name.parse().ok()).ok_or_else(T::not_found)?;
        let inner = names.next().and_then(|name| name.parse().ok()).ok_or_else(U::not_found)?;
        Ok(Self(outer, inner))
    }
}

/// The first parameter of the path; none if it is not UTF-8, which names nothing that exists.
async fn name<S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, state).await.ok()?;
    params.iter().next().map(|(_, value)| value.to_owned())
}

/// A body that is a JSON object, read into `T`.
#[derive(Debug)]
pub struct JsonObject<T> {
    /// What was read.
    pub value: T,
    /// What it holds besides, to be refused.
    pub others: Others,
    /// The body as it came.
    pub bytes: Bytes,
}

impl<T: DeserializeOwned> FromRequest<AppState> for JsonObject<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        let bytes = gather(body, state.settings.body_limit, |_| true).await?;
        if bytes.is_empty() {
            return Err(malformed("the body is empty; a JSON object was expected"));
        }
        require_json(&parts.headers)?;
        let value = parse_object(&bytes)?;
        let others = Others::of::<T>(&bytes).map_err(not_object)?;
        Ok(Self { value, others, bytes })
    }
}

/// Bytes of a parameter's value at most: a `Link` holds them twice.
const VALUE_BYTES: usize = 255;

/// The parameters of a list: those of the query, and those of a JSON body if the query has none of that name. Names
/// that the route does not know are refused.
#[derive(Debug, Default)]
pub struct ListQuery {
    parameters: BTreeMap<String, String>,
}

impl FromRequest<AppState> for ListQuery {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        let mut parameters = BTreeMap::new();
        let bytes = gather(body, state.settings.body_limit, |_| true).await?;
        if !bytes.is_empty() {
            require_json(&parts.headers)?;
            let object: serde_json::Map<String, serde_json::Value> = parse_object(&bytes)?;
            if let Some(known) = parts.extensions.get::<KnownParameters>() {
                let mut faults = Faults::default();
                known.check(object.keys().map(String::as_str), &mut faults);
                faults.check(Some(()))?;
            }
            parameters.extend(object.into_iter().filter_map(|(name, value)| Some((name, as_text(value)?))));
        }
        let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let named = query.filter(|(name, _)| !name.is_empty());
        parameters.extend(named.map(|(name, value)| (name.into(), value.into())));
        match parameters.iter().find(|(_, value)| value.len() > VALUE_BYTES) {
            Some((name, _)) => Err(Error::invalid_field(name, "must have at most 255 bytes")),
            None => Ok(Self { parameters }),
        }
    }
}

impl ListQuery {
    /// The parameter of this name; an empty one counts as missing.
    ///
    /// # Errors
    /// 422 if it is no `T`.
    pub fn get<T: FromStr<Err = Invalid>>(&self, name: &str) -> Result<Option<T>, Error> {
        let text = self.text(name).filter(|text| !text.is_empty());
        text.map(|text| text.parse().map_err(|fault| Error::invalid_field(name, fault))).transpose()
    }

    /// The order that is asked for, by one of `keys`.
    ///
    /// # Errors
    /// 422 if it is another one.
    pub fn sort(&self, keys: &[SortKey]) -> Result<Sort, Error> {
        let text = self.text("sort").filter(|text| !text.is_empty());
        let sort = text.map(|text| Sort::among(keys, text).map_err(|fault| Error::invalid_field("sort", fault)));
        Ok(sort.transpose()?.unwrap_or_default())
    }

    /// The span of time between two parameters.
    ///
    /// # Errors
    /// 422 if one is no time.
    pub fn span(&self, after: &str, before: &str) -> Result<Span, Error> {
        let time = |name| Ok::<_, Error>(self.get::<Moment>(name)?.map(|Moment(time)| time));
        Ok(Span { after: time(after)?, before: time(before)? })
    }

    /// The parameter of this name as a yes or no.
    ///
    /// # Errors
    /// 422 if it is neither.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("") => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(Error::invalid_field(name, "must be true or false")),
        }
    }

    /// The page that is asked for.
    ///
    /// # Errors
    /// 422 if `page`, `per_page` or `cursor` makes no sense.
    pub fn page(&self) -> Result<PageRequest, Error> {
        PageRequest::parse(self.text("page"), self.text("per_page"), self.text("cursor"))
            .map_err(|(name, fault)| Error::invalid_field(name, fault))
    }

    /// Every parameter but those that choose the page.
    pub(super) fn without_position(&self) -> impl Iterator<Item = (&str, &str)> {
        let kept = self.parameters.iter().filter(|(name, _)| !matches!(name.as_str(), "page" | "cursor"));
        kept.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }
}

/// Scheme and host that short links stand under: `PUBLIC_URL`, or else the request's own host.
#[derive(Debug, Clone)]
pub struct PublicBase(String);

impl PublicBase {
    /// The authority that was asked.
    pub(super) fn authority(&self) -> Option<&str> {
        self.0.split_once("://").map(|(_, authority)| authority)
    }

    /// Checks the target of a link that is made under this address.
    ///
    /// # Errors
    /// Says why it may not lead there.
    pub fn check(&self, policy: &TargetPolicy, target: &TargetUrl) -> Result<(), Invalid> {
        policy.check_asked(target, self.authority())
    }

    /// The address of a code.
    pub fn link(&self, code: &ShortCode) -> String {
        format!("{}/{code}", self.0)
    }
}

impl FromRequestParts<AppState> for PublicBase {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        if let Some(base) = &state.settings.public_url {
            return Ok(Self(base.as_str().trim_end_matches('/').to_owned()));
        }
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.and_then(|host| host.parse::<Authority>().ok()).filter(|host| !host.as_str().contains('@'));
        Ok(Self(host.map_or_else(|| "http://localhost".to_owned(), |host| format!("http://{host}"))))
    }
}

impl fmt::Display for PublicBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A body in one buffer, whatever pieces it comes in. `room` is asked before each piece is kept.
///
/// # Errors
/// 413 for a body of more than `limit` bytes, 503 if there is no room, 400 if the body breaks off.
pub(super) async fn gather(mut body: Body, limit: usize, mut room: impl FnMut(usize) -> bool) -> Result<Bytes, Error> {
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| malformed("the body broke off"))?;
        let Ok(piece) = frame.into_data() else { continue };
        if first.len().max(all.len()) + piece.len() > limit {
            timeout(DISCARD_FOR, discard(body)).await.ok();
            return Err(too_large(limit as u64));
        }
        if !room(piece.len()) {
            return Err(Error::overloaded());
        }
        // Most bodies come in one piece, which is not copied.
        if first.is_empty() {
            first = piece;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&piece);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// Reads the rest of a body that is refused: a client that still sends when the connection closes sees a reset
/// instead of the answer.
async fn discard(mut body: Body) {
    let mut left = DISCARD_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

/// 413, with the limit.
pub(super) fn too_large(limit: u64) -> Error {
    let detail = format!("The body has more than {limit} bytes");
    Error::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

/// 400 for what cannot be read at all.
pub(super) fn malformed(detail: impl Into<String>) -> Error {
    Error::new(StatusCode::BAD_REQUEST, "malformed_body", detail.into())
}

fn require_json(headers: &HeaderMap) -> Result<(), Error> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // The parameters do not matter: JSON is UTF-8, or it is refused.
    let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = kind.strip_prefix("application/");
    if subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json")) {
        return Ok(());
    }
    let detail = "The content type must be application/json";
    Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail))
}

fn parse_object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    // The parser does not look into unknown fields.
    if std::str::from_utf8(bytes).is_err() {
        return Err(malformed("the body is not UTF-8"));
    }
    // Checked beforehand, since serde would also fill a struct from a list.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
            Ok(_) => Err(malformed("the body is not a JSON object")),
            Err(error) => Err(malformed(format!("the body is not JSON: {error}"))),
        };
    }
    serde_json::from_slice(bytes).map_err(not_object)
}

fn not_object(error: serde_json::Error) -> Error {
    malformed(format!("the body is not a JSON object: {error}"))
}

/// A filter's value in a body, as it would stand in a query; null counts as missing.
fn as_text(value: serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

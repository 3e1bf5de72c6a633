//! A signed-in person's request, and how it asks the API.

use std::{ops::Deref, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt as _;

use super::{fault::Fault, flash::Flash, frame::Preferences};
use crate::{
    domain::{Caller, Scope, clock::Timestamp},
    state::{AppState, PeerAddress, SignedIn},
};

/// Bytes of an answer that a page is made of at most.
const ANSWER: usize = 16 << 20;

/// The routes of the API.
#[derive(Debug, Clone)]
pub(super) struct Api(pub(super) Router);

/// A request of a person who is signed in, or of anyone if the API is open.
#[derive(Clone)]
pub(super) struct Visit(Arc<Visiting>);

/// What is known of it.
pub(super) struct Visiting {
    pub(super) app: AppState,
    pub(super) api: Api,
    pub(super) caller: Caller,
    pub(super) preferences: Preferences,
    /// What the last change did, if it is still to be told.
    pub(super) flash: Option<Flash>,
    /// The path and query that were asked for.
    pub(super) here: String,
    /// What the API is told of the request: where it came from.
    origin: Origin,
}

impl Deref for Visit {
    type Target = Visiting;

    fn deref(&self) -> &Visiting {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        parts.extensions.get().cloned().ok_or_else(|| Fault::internal("a page without its guard"))
    }
}

/// What the API learns of where a request came from: the host that was asked, the proxy's word, the peer.
#[derive(Clone)]
pub(super) struct Origin {
    headers: HeaderMap,
    peer: Option<PeerAddress>,
}

impl Origin {
    pub(super) fn of(app: &AppState, parts: &Parts) -> Self {
        let mut headers = HeaderMap::new();
        for name in [Some(header::HOST), app.settings.trust.header.clone()].into_iter().flatten() {
            for value in parts.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        Self { headers, peer: parts.extensions.get().copied() }
    }

    /// A request to the API from there.
    pub(super) fn request(&self, method: Method, path: &str, body: Body) -> Result<Request, Fault> {
        let request = Request::builder().method(method).uri(path).body(body);
        let mut request = request.map_err(|_| Fault::not_found())?;
        request.headers_mut().extend(self.headers.clone());
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        Ok(request)
    }
}

impl Visit {
    pub(super) fn new(app: AppState, api: Api, caller: Caller, parts: &Parts) -> Self {
        let origin = Origin::of(&app, parts);
        let here = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
        let (preferences, flash) = (Preferences::of(&parts.headers), Flash::of(&parts.headers));
        Self(Arc::new(Visiting { app, api, caller, preferences, flash, here, origin }))
    }

    /// Asks the API, with a JSON body if one is given.
    ///
    /// # Errors
    /// What the API refused.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Fault> {
        let content = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let mut request = self.origin.request(method, path, content)?;
        if body.is_some() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        self.send(request).await
    }

    /// Reads a `T` from the API.
    ///
    /// # Errors
    /// What the API refused.
    pub(super) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        self.ask(Method::GET, path, None).await?.read()
    }

    /// Hands a request's body and its content type on to the API, and answers what it says.
    ///
    /// # Errors
    /// What the API refused.
    pub(super) async fn forward(&self, method: Method, path: &str, request: Request) -> Result<Answer, Fault> {
        let (parts, body) = request.into_parts();
        let mut request = self.origin.request(method, path, body)?;
        if let Some(kind) = parts.headers.get(header::CONTENT_TYPE) {
            request.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
        }
        self.send(request).await
    }

    async fn send(&self, mut request: Request) -> Result<Answer, Fault> {
        request.extensions_mut().insert(SignedIn(self.caller));
        let answer = self.api.send(request).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(answer.fault()) }
    }

    /// Whether the person may do what `scope` stands for.
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.caller.may(scope)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.app.clock.now()
    }
}

impl Api {
    /// Sends a request and reads the whole answer.
    pub(super) async fn send(&self, request: Request) -> Result<Answer, Fault> {
        let response: Response = self.0.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, ANSWER).await.map_err(Fault::internal)?;
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}

/// An answer of the API.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.body).map_err(Fault::internal)
    }

    /// The failure that it tells of.
    pub(super) fn fault(&self) -> Fault {
        self.read().unwrap_or_else(|fault| Fault { number: self.status.as_u16(), ..fault })
    }

    /// The cursor of the next page of a list.
    pub(super) fn next_cursor(&self) -> Option<String> {
        let links = self.headers.get(header::LINK)?.to_str().ok()?;
        let next = links.split(", ").find_map(|link| link.strip_suffix(">; rel=\"next\""))?;
        let (_, query) = next.split_once('?')?;
        let mut parameters = url::form_urlencoded::parse(query.as_bytes());
        parameters.find(|(name, _)| name == "cursor").map(|(_, cursor)| cursor.into_owned())
    }
}

//! The ingress: one address in front of the ready instances, which takes turns among them by the spec's rules.
//!
//! It passes a request on to another instance if that is safe, as proxies do and as `nginx/nginx.conf` does it in the
//! fleet on one machine: it was never sent, or its method is idempotent. Whether the platform's does the same is not
//! documented, so every such request is counted and reported.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{CONNECTION, HeaderName, HeaderValue, TRANSFER_ENCODING},
    http::request::Parts,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpListener;

use super::instance::Instance;
use crate::spec::{App, Rule};

/// How long a connection to an instance may take.
const CONNECT: Duration = Duration::from_secs(1);
/// Instances that a request is given to at most.
const ATTEMPTS: usize = 3;
/// Visitors that the platform would name, in turn: one alone would use up the budget that a client has.
const VISITORS: usize = 254;

/// What became of requests on their way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Passed {
    /// Given to another instance since they had never been sent.
    pub(super) unsent: u64,
    /// Given to another instance since their method is idempotent.
    pub(super) again: u64,
}

/// The router.
pub(super) struct Ingress {
    pub(super) address: SocketAddr,
    rules: Vec<Rule>,
    instances: Mutex<Vec<Arc<Instance>>>,
    next: AtomicUsize,
    unsent: AtomicU64,
    again: AtomicU64,
    /// Instances on which a request broke that could not be given to another.
    broken: Mutex<Vec<String>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Ingress {
    /// Listens on a free port of the loopback address, with no instance behind it.
    pub(super) async fn start(app: &App) -> Result<Arc<Self>> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no loopback port is free")?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let ingress = Arc::new(Self {
            address: listener.local_addr()?,
            rules: app.ingress.rules.clone(),
            instances: Mutex::default(),
            next: AtomicUsize::new(0),
            unsent: AtomicU64::new(0),
            again: AtomicU64::new(0),
            broken: Mutex::default(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        });
        tokio::spawn(Arc::clone(&ingress).accept(listener));
        Ok(ingress)
    }

    /// The address at which visitors reach the app.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends requests to these instances from now on, and to no other.
    pub(super) fn switch(&self, instances: &[Arc<Instance>]) {
        *self.instances.lock().unwrap_or_else(PoisonError::into_inner) = instances.to_vec();
    }

    /// What was passed on so far.
    pub(super) fn passed(&self) -> Passed {
        Passed { unsent: self.unsent.load(Ordering::Relaxed), again: self.again.load(Ordering::Relaxed) }
    }

    /// Takes the names of instances on which requests broke for good.
    pub(super) fn take_broken(&self) -> Vec<String> {
        std::mem::take(&mut *self.broken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            stream.set_nodelay(true).ok();
            let ingress = Arc::clone(&self);
            tokio::spawn(async move {
                let answer = service_fn(move |request| {
                    let ingress = Arc::clone(&ingress);
                    async move { Ok::<_, Infallible>(ingress.answer(request).await) }
                });
                // A client that goes away is no fault.
                http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await.ok();
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return plain(StatusCode::BAD_REQUEST) };
        let body = body.to_bytes();
        let Some(path) = routed(&self.rules, &parts.uri) else { return plain(StatusCode::NOT_FOUND) };
        let mut tried = Vec::new();
        while let Some((instance, address)) = self.choose(&tried) {
            match self.send(&parts, &path, body.clone(), address).await {
                Ok(response) => return response,
                Err(Failure::Unsent) if tried.len() + 1 < ATTEMPTS => self.unsent.fetch_add(1, Ordering::Relaxed),
                Err(Failure::Broken) if parts.method.is_idempotent() && tried.len() + 1 < ATTEMPTS => {
                    self.again.fetch_add(1, Ordering::Relaxed)
                }
                Err(_) => {
                    self.broken.lock().unwrap_or_else(PoisonError::into_inner).push(instance.name.clone());
                    return plain(StatusCode::BAD_GATEWAY);
                }
            };
            tried.push(instance.name.clone());
        }
        plain(StatusCode::SERVICE_UNAVAILABLE)
    }

    /// The next ready instance that was not tried.
    fn choose(&self, tried: &[String]) -> Option<(Arc<Instance>, SocketAddr)> {
        let instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        let open = instances.iter().filter(|instance| !tried.contains(&instance.name));
        let open: Vec<_> = open.filter_map(|instance| Some((instance, instance.open()?))).collect();
        let (instance, address) = open.get(self.next.fetch_add(1, Ordering::Relaxed) % open.len().max(1))?;
        Some((Arc::clone(instance), *address))
    }

    async fn send(
        &self,
        parts: &Parts,
        path: &str,
        body: Bytes,
        address: SocketAddr,
    ) -> Result<Response<Full<Bytes>>, Failure> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = format!("http://{address}{path}").parse().map_err(|_| Failure::Broken)?;
        *request.headers_mut() = parts.headers.clone();
        for name in [CONNECTION, TRANSFER_ENCODING] {
            request.headers_mut().remove(name);
        }
        for (name, value) in [("x-forwarded-for", "10.244.0.1"), ("x-forwarded-proto", "https")] {
            request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let visitor = format!("203.0.113.{}", 1 + self.next.load(Ordering::Relaxed) % VISITORS);
        let visitor = HeaderValue::try_from(visitor).map_err(|_| Failure::Broken)?;
        request.headers_mut().insert(HeaderName::from_static("do-connecting-ip"), visitor);
        let response = self.client.request(request).await;
        let response = response.map_err(|error| if error.is_connect() { Failure::Unsent } else { Failure::Broken })?;
        let (mut parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| Failure::Broken)?.to_bytes();
        for name in [CONNECTION, TRANSFER_ENCODING] {
            parts.headers.remove(name);
        }
        Ok(Response::from_parts(parts, Full::new(body)))
    }
}

/// Why an instance gave no answer.
enum Failure {
    /// There was no connection.
    Unsent,
    /// The connection broke, so the outcome is unknown.
    Broken,
}

/// The path under which the component sees a request; none if no rule matches.
fn routed(rules: &[Rule], uri: &Uri) -> Option<String> {
    let path = uri.path();
    let rule = rules.iter().find(|rule| match (&rule.matches.path.prefix, &rule.matches.path.exact) {
        (_, Some(exact)) => path == exact,
        (Some(prefix), None) => path.starts_with(prefix.as_str()),
        (None, None) => true,
    })?;
    let target = rule.component.as_ref()?;
    let kept = match &rule.matches.path.prefix {
        Some(prefix) if !target.preserve_path_prefix => path.strip_prefix(prefix.trim_end_matches('/')).unwrap_or(path),
        _ => path,
    };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{}{kept}{query}", if kept.starts_with('/') { "" } else { "/" }))
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"from the rehearsal's ingress\n")));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(prefix: &str, preserve: bool) -> Rule {
        let mut rule = Rule::default();
        rule.matches.path.prefix = Some(prefix.to_owned());
        rule.component = Some(crate::spec::Target { name: "web".to_owned(), preserve_path_prefix: preserve });
        rule
    }

    #[test]
    fn a_prefix_is_cut_off_unless_it_is_to_stay() {
        let path = |rules: &[Rule], path: &str| routed(rules, &path.parse().expect("it is a path"));
        assert_eq!(path(&[rule("/", true)], "/abc?x=1").as_deref(), Some("/abc?x=1"));
        assert_eq!(path(&[rule("/", false)], "/abc").as_deref(), Some("/abc"));
        assert_eq!(path(&[rule("/go", false)], "/go/abc").as_deref(), Some("/abc"));
        assert_eq!(path(&[rule("/go", true)], "/go/abc").as_deref(), Some("/go/abc"));
        assert_eq!(path(&[rule("/go", true)], "/abc"), None);
    }
}

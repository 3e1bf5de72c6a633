//! Accepts connections and serves the site on each, until told to stop: links in memory at once, all else through the router.
//!
//! Shutdown has three steps, so that no proxy's request meets a closing connection. While draining, connections are
//! still accepted and idle ones stay open; each answer carries `Connection: close`. Then nothing more is accepted and
//! idle connections close. Whatever is not finished at the deadline is cut off.
//!
//! Connections are bounded in number: further ones wait in the system's queue. A client that sends its head or body, or
//! reads its answer, too slowly is cut off, so that none keeps its place for long.

mod body;
mod idle;
mod patience;
mod timely;

use std::{convert::Infallible, future::ready, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, response::Response};
use futures_util::{FutureExt as _, future::Either};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout_at,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use self::{
    body::{Arriving, Leaving},
    timely::{AtWork, Timely},
};
use super::{client_address::PeerAddress, routes::redirect};
use crate::state::AppState;

/// How long a connection may be idle, a head that follows included, or up to twice as long. Longer than a proxy keeps an idle
/// connection, so that it is the proxy that closes. How long the head itself may take is [`ServerLimits::head`].
const IDLE_LIMIT: Duration = Duration::from_secs(75);
/// How long a connection is still read after the stop: a request that was on its way must not meet a closing door.
const LAST_REQUEST: Duration = Duration::from_millis(250);
/// Pause after a failed accept: out of file descriptors, trying again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// When to stop.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Cancelled when nothing more is to be accepted.
    pub stopping: CancellationToken,
    /// Cancelled when what is not finished is to be cut off.
    pub deadline: CancellationToken,
}

/// How many connections there may be, and how slow.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Connections at once.
    pub connections: usize,
    /// How long a head may take from its first byte.
    pub head: Duration,
    /// How long a body may keep the service waiting.
    pub body: Duration,
    /// How long an answer may lie unread.
    pub answer: Duration,
}

/// What is served.
#[derive(Clone)]
pub struct Site {
    /// Every route.
    router: Router,
    /// What knows the links in memory; none where every request is the router's.
    app: Option<AppState>,
}

impl Site {
    /// Everything that buoy serves.
    pub fn new(app: AppState) -> Self {
        Self { router: super::router(app.clone()), app: Some(app) }
    }

    fn at_once(&self, request: &mut Request<Incoming>, peer: PeerAddress) -> Option<Response> {
        redirect::at_once(self.app.as_ref()?, request, peer)
    }
}

impl From<Router> for Site {
    fn from(router: Router) -> Self {
        Self { router, app: None }
    }
}

/// Serves until `stop.stopping` is cancelled and every request is finished, or `stop.deadline` is. Answers whether
/// all were finished.
pub async fn serve(listener: TcpListener, site: Site, stop: Stop, limits: ServerLimits) -> bool {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let serve = |(accepted, place)| serve_connection(accepted, place, site.clone(), stop.clone(), limits);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stop.stopping.cancelled() => break,
        };
        match accepted {
            Ok(accepted) => drop(connections.spawn(serve(accepted))),
            Err(error) => pause_after(&error).await,
        }
    }
    // What waits in the queue was connected while this replica still took requests.
    while let Some(Ok(accepted)) = accept(&listener, &places).now_or_never() {
        connections.spawn(serve(accepted));
    }
    drop(listener);
    connections.close();
    tokio::select! {
        () = connections.wait() => true,
        () = stop.deadline.cancelled() => {
            // Each connection sees the deadline as well; this only waits for them to go.
            timeout_at(tokio::time::Instant::now() + Duration::from_secs(1), connections.wait()).await.ok();
            false
        }
    }
}

/// A connection and who opened it.
type Accepted = (TcpStream, SocketAddr);

/// The next connection, as soon as there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(Accepted, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    Ok((listener.accept().await?, place))
}

async fn serve_connection(
    (stream, peer): Accepted,
    _place: OwnedSemaphorePermit,
    site: Site,
    stop: Stop,
    limits: ServerLimits,
) {
    // Answers are written at once: waiting to fill a packet costs a visitor 40 ms.
    stream.set_nodelay(true).ok();
    let (peer, at_work) = (PeerAddress(peer.ip()), AtWork::default());
    let timely = Timely::new(stream, at_work.clone(), IDLE_LIMIT, limits.head, limits.answer);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let ended = at_work.begin();
        let answer = match site.at_once(&mut request, peer) {
            Some(answer) => Either::Left(ready(answer)),
            None => {
                request.extensions_mut().insert(peer);
                let request = request.map(|body| Body::new(Arriving::new(body, limits.body)));
                Either::Right(
                    site.router.clone().oneshot(request).map(|answer| answer.unwrap_or_else(|never| match never {})),
                )
            }
        };
        answer.map(|answer| Ok::<_, Infallible>(answer.map(|body| Leaving::new(body, ended))))
    });
    let connection = http1::Builder::new()
        // `Timely` has limits of its own.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(timely), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // A failed connection is the client's affair: what it asked for has its own log line.
        _ = &mut connection => return,
        () = stop.stopping.cancelled() => {}
    }
    tokio::select! {
        _ = &mut connection => return,
        () = tokio::time::sleep(LAST_REQUEST) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection => {}
        () = stop.deadline.cancelled() => {}
    }
}

async fn pause_after(error: &io::Error) {
    let is_clients = matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    );
    if !is_clients {
        tracing::error!(%error, "could not accept a connection");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

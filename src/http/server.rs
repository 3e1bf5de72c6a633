//! Accepts connections and serves the site on each until told to stop: cached links directly, all else through the
//! router.
//!
//! Graceful shutdown has three steps, so that no proxy's request meets a closing connection. While draining,
//! connections are still accepted and idle ones stay open; each answer carries `Connection: close`. Then nothing more
//! is accepted and idle connections close. What is not finished at the deadline is cut off.
//!
//! Slow clients: hyper bounds a head's size, tower-http the pauses of bodies, tokio-io-timeout those of
//! readers. `connections` bounds the number of connections, and the time for which they are idle or send a head.

mod activity;
mod connections;
mod request_line;

use std::{
    convert::Infallible,
    future::ready,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use futures_util::{FutureExt as _, future::Either};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::TokioIo,
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::sleep,
};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tower_http::timeout::TimeoutBody;

pub use self::request_line::UnencodedTarget;
use self::{
    connections::{Connections, Seat},
    request_line::RequestLine,
};
use super::{client_address::PeerAddress, portions::Portions, routes::redirect};
use crate::{limits::Subject, state::AppState};

/// How long a connection may be idle, the next head included. Longer than a proxy keeps an idle connection, so that
/// it is the proxy that closes.
const IDLE: Duration = Duration::from_secs(75);
/// How long a connection is still read after the stop: a request may be on its way.
const LAST_REQUEST: Duration = Duration::from_millis(250);
/// Pause after a failed accept: without file descriptors, an immediate retry would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of a head at most, and of an answer that wait in the program for a client that does not read.
const BUFFER: usize = 32 * 1024;
/// Lines of a head at most.
const HEADERS: usize = 64;
/// Bytes of an answer that wait in the system for a client that does not read; Linux doubles it.
const SEND_BUFFER: u32 = 64 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

/// The address that the service listens on, and its connections at most.
#[derive(Debug, Clone, Copy)]
pub struct ListenSettings {
    /// An address of this machine.
    pub host: IpAddr,
    /// TCP port; 0 for any free one.
    pub port: u16,
    /// Open connections at most.
    pub connections: usize,
}

/// When to stop.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Cancelled when nothing more is to be accepted.
    pub stopping: CancellationToken,
    /// Cancelled when what is not finished is to be cut off.
    pub deadline: CancellationToken,
}

/// How many connections there may be, and how slow their clients.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Open connections.
    pub connections: usize,
    /// From the accept to the end of the first head.
    pub head: Duration,
    /// Between two pieces of a request's body.
    pub body: Duration,
    /// How long a client may leave its answer unread.
    pub answer: Duration,
}

impl ServerLimits {
    /// So many connections, and the usual times.
    pub fn new(connections: usize) -> Self {
        let seconds = Duration::from_secs;
        Self { connections, head: seconds(10), body: seconds(10), answer: seconds(30) }
    }
}

/// What is served.
#[derive(Clone)]
pub struct Site {
    /// Every route.
    router: Router,
    /// Knows the cached links; none if every request is the router's.
    app: Option<AppState>,
}

impl Site {
    /// These routes, and cached links without them.
    pub fn new(app: AppState, router: Router) -> Self {
        Self { router, app: Some(app) }
    }

    fn cached(&self, request: &mut Request<Incoming>, peer: PeerAddress) -> Option<Response> {
        redirect::cached(self.app.as_ref()?, request, peer)
    }

    /// The client that a connection belongs to; none if the peer is a trusted proxy, whose connections carry many
    /// clients'.
    fn client(&self, peer: SocketAddr) -> Option<Subject> {
        let trusted = self.app.as_ref().is_some_and(|app| app.settings.trust.proxies.trust_peer(peer.ip()));
        (!trusted).then(|| Subject::of_address(peer.ip()))
    }
}

impl From<Router> for Site {
    fn from(router: Router) -> Self {
        Self { router, app: None }
    }
}

/// Listens on an address, with a small send buffer on each connection.
///
/// # Errors
/// If the address cannot be listened on.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `stop.stopping` is cancelled and every request is finished, or `stop.deadline` is. Answers whether
/// all were finished.
pub async fn serve(listener: TcpListener, site: Site, stop: Stop, limits: ServerLimits) -> bool {
    let graceful = GracefulShutdown::new();
    let connections = Connections::new(limits.connections, stop.deadline.clone());
    let serve = |(stream, peer): Accepted, seat| {
        let peer = PeerAddress(peer.ip());
        // Owned by `graceful`, which waits for it; its seat ends it at the deadline.
        tokio::spawn(serve_connection(stream, peer, seat, site.clone(), graceful.watcher(), limits));
    };
    let next = async || {
        let accepted = listener.accept().await?;
        let seat = connections.admit(site.client(accepted.1)).await;
        Ok::<_, io::Error>((accepted, seat))
    };
    let accept = async {
        loop {
            match next().await {
                Ok((accepted, Some(seat))) => serve(accepted, seat),
                // Closed: this client has as many as it may, all of them at work.
                Ok((_, None)) => {}
                Err(error) => pause_after(&error).await,
            }
        }
    };
    tokio::select! {
        () = accept => {}
        _ = connections.sweep(limits.head, IDLE) => {}
        () = stop.stopping.cancelled() => {}
    }
    // What waits in the queue was connected while this replica still took requests.
    while let Some(Ok((accepted, seat))) = next().now_or_never() {
        if let Some(seat) = seat {
            serve(accepted, seat);
        }
    }
    drop(listener);
    let finish = async {
        sleep(LAST_REQUEST).await;
        graceful.shutdown().await;
    };
    stop.deadline.run_until_cancelled(finish).await.is_some()
}

/// A connection and who opened it.
type Accepted = (TcpStream, SocketAddr);

async fn serve_connection(
    stream: TcpStream,
    peer: PeerAddress,
    seat: Seat,
    site: Site,
    watcher: Watcher,
    limits: ServerLimits,
) {
    // Without it an answer waits up to 40 ms for a full packet.
    stream.set_nodelay(true).ok();
    let (reading, writing) = stream.into_split();
    let mut writing = TimeoutWriter::new(writing);
    writing.set_timeout(Some(limits.answer));
    let stream = tokio::io::join(RequestLine::new(reading, seat.activity()), Box::pin(writing));
    let activity = seat.activity();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (working, is_lenient) = (activity.begin(), activity.take_lenient());
        let answer = match site.cached(&mut request, peer) {
            Some(answer) => Either::Left(ready(answer)),
            None => {
                request.extensions_mut().insert(peer);
                if is_lenient {
                    request.extensions_mut().insert(UnencodedTarget);
                }
                let request = request.map(|body| arriving(body, limits.body));
                Either::Right(
                    site.router.clone().oneshot(request).map(|answer| answer.unwrap_or_else(|never| match never {})),
                )
            }
        };
        answer.map(|answer| Ok::<_, Infallible>(answer.map(|body| Portions::holding(working, body))))
    });
    let connection = http1::Builder::new()
        // The sweep of connections bounds it, without a timer for each request.
        .header_read_timeout(None)
        .max_buf_size(BUFFER)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        biased;
        // A failed connection is the client's affair: what it asked for has its own log line.
        _ = watcher.watch(connection) => {}
        () = seat.closed() => {}
    }
}

/// A request's body, which breaks off if its client pauses for too long.
fn arriving(body: Incoming, pause: Duration) -> Body {
    if body.is_end_stream() { Body::empty() } else { Body::new(TimeoutBody::new(pause, body)) }
}

async fn pause_after(error: &io::Error) {
    let is_clients = matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    );
    if !is_clients {
        tracing::error!(%error, "could not accept a connection");
        sleep(ACCEPT_PAUSE).await;
    }
}

#[cfg(test)]
mod tests;

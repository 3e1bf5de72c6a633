//! Accepts connections and serves the router on each, until told to stop.
//!
//! Shutdown has three steps, so that no proxy's request meets a closing connection. While draining, connections are
//! still accepted and idle ones stay open; each answer carries `Connection: close`. Then nothing more is accepted and
//! idle connections close. Whatever is not finished at the deadline is cut off.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use axum::{Router, body::Body, extract::Request};
use futures_util::FutureExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout_at,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::client_address::PeerAddress;

/// How long a connection may take to send a request's head, its idle time before that included. Longer than a proxy
/// keeps an idle connection, so that it is the proxy that closes.
const HEAD_LIMIT: Duration = Duration::from_secs(75);
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

/// Serves until `stop.stopping` is cancelled and every request is finished, or `stop.deadline` is. Answers whether
/// all were finished.
pub async fn serve(listener: TcpListener, router: Router, stop: Stop) -> bool {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.stopping.cancelled() => break,
        };
        match accepted {
            Ok(accepted) => accept(&connections, accepted, &router, &stop),
            Err(error) => pause_after(&error).await,
        }
    }
    // What waits in the queue was connected while this replica still took requests.
    while let Some(Ok(accepted)) = listener.accept().now_or_never() {
        accept(&connections, accepted, &router, &stop);
    }
    drop((listener, router));
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

fn accept(connections: &TaskTracker, accepted: Accepted, router: &Router, stop: &Stop) {
    connections.spawn(serve_connection(accepted, router.clone(), stop.clone()));
}

async fn serve_connection((stream, peer): Accepted, router: Router, stop: Stop) {
    // Answers are written at once: waiting to fill a packet costs a visitor 40 ms.
    stream.set_nodelay(true).ok();
    let peer = PeerAddress(peer.ip());
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let router = router.clone();
        async move {
            Ok::<_, Infallible>(router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {}))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
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

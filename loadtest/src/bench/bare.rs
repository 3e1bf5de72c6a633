//! What redirects are compared with: an axum handler that answers a constant.

use axum::{
    Router,
    http::{StatusCode, header},
    routing::get,
};
use tokio::net::TcpListener;

/// Serves the constant until the process ends.
///
/// # Errors
/// Where the port is taken.
pub async fn serve(port: u16) -> anyhow::Result<()> {
    let answer = || async { (StatusCode::FOUND, [(header::LOCATION, "https://www.example.com/articles/1?ref=bench")]) };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let router = Router::new().route("/{short_code}", get(answer));
    Ok(axum::serve(tap(listener), router).await?)
}

/// Writes answers at once, as buoy does.
fn tap(listener: TcpListener) -> impl axum::serve::Listener<Addr = std::net::SocketAddr> {
    use axum::serve::ListenerExt as _;
    listener.tap_io(|stream| {
        stream.set_nodelay(true).ok();
    })
}

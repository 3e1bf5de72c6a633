//! The address of the service, who may reach it, and how many connections it takes.

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::{
    access::AccessSettings,
    http::server::{self, ListenSettings, ServerLimits},
};

/// Files that the program opens beside the connections of its clients: the database's, the log, what it is made of.
const OTHER_FILES: usize = 128;

/// Refuses to put an open API on an address that other machines reach, unless OPEN_API asks for that.
pub(super) fn check_access(access: &AccessSettings, listen: &ListenSettings) -> anyhow::Result<()> {
    if let Some(reason) = access.refusal(listen.host) {
        anyhow::bail!(reason);
    }
    match &access.admin_token {
        None if listen.host.is_loopback() => tracing::info!("the API is open on this machine alone (no ADMIN_TOKEN)"),
        None => tracing::warn!("the API is open: every client may read and change everything (no ADMIN_TOKEN)"),
        Some(token) if token.is_short() => {
            tracing::warn!("ADMIN_TOKEN is so short that it might be guessed; `openssl rand -hex 32` makes a good one");
        }
        Some(_) => {}
    }
    Ok(())
}

/// Listens on the configured address.
pub(super) fn listen(config: &ListenSettings) -> anyhow::Result<TcpListener> {
    let (host, port) = (config.host, config.port);
    let listener = server::listen((host, port).into())
        .with_context(|| format!("cannot listen on {host} port {port}; HOST and PORT choose another address"))?;
    let address = listener.local_addr().context("the socket has no address")?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "listening on http://{address}, documentation at /docs");
    Ok(listener)
}

/// How many connections there may be.
pub(super) fn server_limits(settings: &ListenSettings) -> ServerLimits {
    let files = open_files().map_or(usize::MAX, |files| files.saturating_sub(OTHER_FILES).max(1));
    let connections = settings.connections.min(files);
    if connections < settings.connections {
        tracing::warn!(connections, "fewer connections than MAX_CONNECTIONS: the system allows no more open files");
    }
    ServerLimits::new(connections)
}

/// Files that this process may have open, if the system tells it.
fn open_files() -> Option<usize> {
    // Source: proc(5), limits: name, soft limit, hard limit, unit.
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

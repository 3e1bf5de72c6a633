//! `buoy healthcheck`: asks a running service how it is, for containers that have neither shell nor curl.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context as _, bail};

use crate::{http::server::ListenSettings, outbound};

/// A probe must answer well under a second; past this it has failed.
const LIMIT: Duration = Duration::from_secs(2);

/// What to ask.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ask only whether the process lives (/health) instead of whether it is ready (/ready)
    #[arg(long)]
    live: bool,
    /// The service's address [default: this machine, at PORT]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// Asks once.
///
/// # Errors
/// If there is no answer within two seconds, or one other than 200.
pub async fn run(args: &Args, config: &ListenSettings) -> anyhow::Result<()> {
    let base = args.url.clone().unwrap_or_else(|| local(config));
    let path = if args.live { "health" } else { "ready" };
    let url = format!("{}/{path}", base.trim_end_matches('/'));
    let client = outbound::client().timeout(LIMIT).build()?;
    let response = client.get(&url).send().await.with_context(|| format!("no answer from {url}"))?;
    let status = response.status();
    let body = response.text().await.unwrap_or_default();
    if status != reqwest::StatusCode::OK {
        bail!("{url} answered {status}: {body}");
    }
    Ok(())
}

/// The address at which this machine reaches the configured service.
fn local(config: &ListenSettings) -> String {
    let host = match config.host {
        IpAddr::V4(host) if host.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V6(host) if host.is_unspecified() => "[::1]".to_owned(),
        IpAddr::V4(host) => host.to_string(),
        IpAddr::V6(host) => format!("[{host}]"),
    };
    format!("http://{host}:{}", config.port)
}

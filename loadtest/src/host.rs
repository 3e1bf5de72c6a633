//! Keeps the load away from hosts on the public internet, which belong to others.

use std::net::IpAddr;

use anyhow::{Context as _, ensure};
use reqwest::Url;
use tokio::net::lookup_host;

/// Refuses a host with any address on the public internet, unless `allowed`.
///
/// # Errors
/// The address cannot be read or resolved, or is public and not allowed.
pub async fn check(host: &str, allowed: bool) -> anyhow::Result<Url> {
    let url = Url::parse(host).with_context(|| format!("{host:?} is no address like http://127.0.0.1:8080"))?;
    ensure!(matches!(url.scheme(), "http" | "https"), "{host:?} is neither http nor https");
    let name = url.host_str().context("the address names no host")?.trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let addresses: Vec<IpAddr> = lookup_host((name.as_str(), port))
        .await
        .with_context(|| format!("cannot resolve {name}"))?
        .map(|address| address.ip())
        .collect();
    ensure!(!addresses.is_empty(), "{name} has no address");
    let public = addresses.iter().find(|address| !is_private(**address));
    if let Some(address) = public
        && !allowed
    {
        anyhow::bail!(
            "{name} is {address}, on the public internet: load it only if it is yours, with --yes-load-this-host"
        );
    }
    Ok(url)
}

/// Whether an address is reached only from this machine or the networks around it.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_private(IpAddr::V4(v4)),
            None => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn public_hosts_are_refused_unless_allowed() {
        for public in
            ["http://93.184.216.34", "https://[2606:4700::1111]/", "http://172.32.0.1:8080", "http://[::ffff:8.8.8.8]"]
        {
            let error = check(public, false).await.unwrap_err().to_string();
            assert!(error.contains("--yes-load-this-host"), "{public}: {error}");
            assert!(check(public, true).await.is_ok(), "{public}");
        }
    }

    #[tokio::test]
    async fn hosts_nearby_are_loaded() {
        for near in
            ["http://127.0.0.1:8080", "http://10.1.2.3", "http://192.168.0.7", "http://172.31.0.1", "http://[::1]:80"]
        {
            assert!(check(near, false).await.is_ok(), "{near}");
        }
    }

    #[tokio::test]
    async fn what_is_no_address_is_refused() {
        for wrong in ["localhost", "ftp://127.0.0.1", ""] {
            assert!(check(wrong, true).await.is_err(), "{wrong}");
        }
    }
}

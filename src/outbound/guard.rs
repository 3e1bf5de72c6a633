//! Asks for pages that strangers name, without reaching a forbidden address.
//!
//! Promises: every name is resolved here, every one of its addresses is checked, and the connection goes to the
//! checked addresses, so that a second answer of the name's owner changes nothing; redirects are followed one by one,
//! each checked like the first; the whole takes [`TIME_LIMIT`] at most, and no more than [`SIZE_LIMIT`] of a page is
//! read.

use std::{
    future::{Future, ready},
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use mime::Mime;
use reqwest::{
    Response,
    dns::{Addrs, Name, Resolve, Resolving},
    header,
};
use tokio::time::timeout;
use url::{Host, Url};

use crate::domain::{Invalid, TargetPolicy, TargetUrl};

/// How long it takes to be given up, names and redirects included.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Bytes of a page that are read at most.
const SIZE_LIMIT: usize = 256 * 1024;
/// Redirects that are followed at most.
const REDIRECTS: usize = 5;
/// Who asks.
const AGENT: &str = concat!("buoy/", env!("CARGO_PKG_VERSION"), " (titles of links)");

/// A page of HTML, or its beginning.
#[derive(Debug)]
pub(super) struct Page {
    /// The encoding that its server names.
    pub(super) charset: Option<String>,
    /// What was read.
    pub(super) bytes: Vec<u8>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoPage {
    /// Links may not lead there.
    #[error("{0}")]
    Refused(#[from] Invalid),
    /// The name has an address that is not to be connected to.
    #[error("its name has an address that is private, reserved or blocked")]
    RefusedAddress,
    /// The name has no address.
    #[error("its name cannot be resolved: {0}")]
    Unresolved(#[source] io::Error),
    /// It leads on and on.
    #[error("more than {REDIRECTS} redirects")]
    Redirects,
    /// The server answers something else.
    #[error("answered {0}")]
    Status(u16),
    /// The server answers with something else than HTML as it is.
    #[error("is no HTML")]
    NoHtml,
    /// It took too long.
    #[error("took more than {} s", TIME_LIMIT.as_secs())]
    TooLate,
    /// The request failed. Its address is no part of this.
    #[error("{0}")]
    Failed(#[source] reqwest::Error),
}

impl From<reqwest::Error> for NoPage {
    fn from(error: reqwest::Error) -> Self {
        Self::Failed(error.without_url())
    }
}

/// The resolver of names.
pub(super) trait Names: Send + Sync + 'static {
    /// Every address of a name.
    fn addresses(&self, name: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Whether an address may be connected to.
    fn admits(&self, policy: &TargetPolicy, address: IpAddr) -> bool {
        policy.admits(address)
    }
}

/// As the system does it.
#[derive(Debug)]
pub(super) struct SystemNames;

impl Names for SystemNames {
    async fn addresses(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, port)).await?.collect())
    }
}

/// Asks for pages, within the policy.
#[derive(Debug)]
pub(super) struct Guard<N = SystemNames> {
    policy: TargetPolicy,
    names: N,
}

impl<N: Names> Guard<N> {
    /// Asks within `policy`.
    pub(super) fn new(policy: TargetPolicy, names: N) -> Self {
        Self { policy, names }
    }

    /// The page that a target leads to.
    pub(super) async fn page(&self, target: &TargetUrl) -> Result<Page, NoPage> {
        timeout(TIME_LIMIT, self.follow(target.clone())).await.unwrap_or(Err(NoPage::TooLate))
    }

    async fn follow(&self, mut target: TargetUrl) -> Result<Page, NoPage> {
        for _ in 0..=REDIRECTS {
            let response = self.ask(&target).await?;
            match next(&target, &response)? {
                Some(next) => target = next,
                None => return read(response).await,
            }
        }
        Err(NoPage::Redirects)
    }

    /// One request, to a checked address.
    async fn ask(&self, target: &TargetUrl) -> Result<Response, NoPage> {
        self.policy.check(target)?;
        let url = parsed(target)?;
        let addresses = self.resolve(&url).await?;
        // A client of its own: its connections lead to these addresses and are of no use to another request.
        let client = super::client().dns_resolver(Arc::new(Pinned(addresses))).user_agent(AGENT).build()?;
        Ok(client.get(url).header(header::ACCEPT, "text/html").send().await?)
    }

    /// Every address of the target's host, all of which are fit to be connected to.
    async fn resolve(&self, url: &Url) -> Result<Vec<SocketAddr>, NoPage> {
        let port = url.port_or_known_default().unwrap_or(80);
        let addresses = match url.host() {
            Some(Host::Ipv4(address)) => vec![SocketAddr::from((address, port))],
            Some(Host::Ipv6(address)) => vec![SocketAddr::from((address, port))],
            Some(Host::Domain(name)) => self.names.addresses(name, port).await.map_err(NoPage::Unresolved)?,
            None => Vec::new(),
        };
        if addresses.is_empty() {
            return Err(NoPage::Unresolved(io::ErrorKind::NotFound.into()));
        }
        // One private address among public ones is a trap all the same.
        let all_fit = addresses.iter().all(|address| self.names.admits(&self.policy, address.ip()));
        if all_fit { Ok(addresses) } else { Err(NoPage::RefusedAddress) }
    }
}

/// Knows the checked addresses and no others.
struct Pinned(Vec<SocketAddr>);

impl Resolve for Pinned {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(ready(Ok(addresses)))
    }
}

fn parsed(target: &TargetUrl) -> Result<Url, NoPage> {
    Url::parse(target.as_str()).map_err(|_| NoPage::Refused(Invalid("is not an absolute URL")))
}

/// The target of a redirect; none if the answer is no redirect.
fn next(target: &TargetUrl, response: &Response) -> Result<Option<TargetUrl>, NoPage> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let Some(location) = location else { return Ok(None) };
    let next = parsed(target)?.join(&location).map_err(|_| Invalid("leads to no address"))?;
    Ok(Some(TargetUrl::parse(next)?))
}

async fn read(mut response: Response) -> Result<Page, NoPage> {
    if !response.status().is_success() {
        return Err(NoPage::Status(response.status().as_u16()));
    }
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let kind: Option<Mime> = header(header::CONTENT_TYPE).and_then(|kind| kind.parse().ok());
    let kind = kind.filter(|kind| kind.essence_str() == mime::TEXT_HTML.essence_str()).ok_or(NoPage::NoHtml)?;
    if header(header::CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(NoPage::NoHtml);
    }
    let mut bytes = Vec::new();
    while bytes.len() < SIZE_LIMIT {
        let Some(chunk) = response.chunk().await? else { break };
        bytes.extend_from_slice(&chunk[..chunk.len().min(SIZE_LIMIT - bytes.len())]);
    }
    Ok(Page { charset: kind.get_param(mime::CHARSET).map(|charset| charset.as_str().to_owned()), bytes })
}

#[cfg(test)]
mod tests;

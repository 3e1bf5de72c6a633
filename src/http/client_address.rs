//! Whose address a request has: the peer's, or if a trusted proxy opened the connection, the one that it names.
//!
//! Promises: what a client writes into a header is never taken for its address, as long as the proxies that are trusted
//! add to the header or overwrite it; addresses are in their canonical form, IPv4 never as IPv6. Leaves out: what
//! addresses are good for. They appear in no log; the types here do not even print them.

use std::{fmt, net::IpAddr};

use axum::{
    extract::FromRequestParts,
    http::{Extensions, HeaderMap, HeaderValue, header::FORWARDED, request::Parts},
};

pub use crate::state::PeerAddress;
use crate::state::{AppState, Trust};

/// Who sent the request, proxies passed over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress {
    /// The best that is known: that of a proxy, if its client is unknown. None if nothing is known.
    pub address: Option<IpAddr>,
    /// Whether the address was told by those who should, so that it may be the client's own.
    told: bool,
}

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Self::Rejection> {
        Ok(Self::read(&parts.extensions, &parts.headers, &app.settings.trust))
    }
}

impl ClientAddress {
    /// Reads it.
    pub fn read(extensions: &Extensions, headers: &HeaderMap, trust: &Trust) -> Self {
        Self::behind(extensions.get::<PeerAddress>().copied(), headers, trust)
    }

    /// The same, given who opened the connection.
    pub fn behind(peer: Option<PeerAddress>, headers: &HeaderMap, trust: &Trust) -> Self {
        let peer = peer.map(|peer| peer.0.to_canonical());
        let is_proxy = |peer| trust.header.is_some() && trust.proxies.trust_peer(peer);
        // A header of blanks and commas names no one.
        let names_one = |line: &HeaderValue| line.as_bytes().iter().any(|byte| !b" \t,".contains(byte));
        let says = || trust.header.as_ref().is_some_and(|header| headers.get_all(header).iter().any(names_one));
        let told = peer.is_some_and(|peer| !is_proxy(peer) || says());
        Self { address: peer.and_then(|peer| client_address(peer, headers, trust)), told }
    }

    /// The client's own address; none if no more than a trusted proxy is known.
    pub fn own(&self, trust: &Trust) -> Option<IpAddr> {
        self.address.filter(|address| self.told && !trust.proxies.trust_hop(*address))
    }
}

/// The address of the client.
///
/// If the peer is a trusted proxy and the trusted header is there, the header's addresses are read from the right,
/// the nearest proxy's side: those of trusted proxies are passed over, and the next one is the client. If all
/// are trusted it is the leftmost. Empty elements are none. None if a proxy names something that is no address.
fn client_address(peer: IpAddr, headers: &HeaderMap, trust: &Trust) -> Option<IpAddr> {
    let Some(header) = trust.header.as_ref().filter(|_| trust.proxies.trust_peer(peer)) else { return Some(peer) };
    let mut client = peer;
    for line in headers.get_all(header).iter().rev() {
        // A hop at a time: what a client wrote before it may be no text at all, and must not hide whom the proxy saw.
        let is_forwarded = header == FORWARDED;
        for hop in line.as_bytes().rsplit(separates(b',', is_forwarded)) {
            let hop = str::from_utf8(hop).ok()?;
            if hop.trim().is_empty() {
                continue;
            }
            let named = if is_forwarded { forwarded_for(hop)? } else { hop };
            client = address(named)?;
            if !trust.proxies.trust_hop(client) {
                return Some(client);
            }
        }
    }
    Some(client)
}

/// Tells separators apart from bytes of a quoted string, read from the right: what a client wrote further left, an
/// open quotation mark say, changes nothing. A quotation mark after an odd number of backslashes is part of its
/// string.
fn separates(separator: u8, has_quotes: bool) -> impl FnMut(&u8) -> bool {
    let (mut is_quoted, mut backslashes) = (false, None);
    move |byte| {
        if !has_quotes {
            return *byte == separator;
        }
        match (*byte, backslashes) {
            (b'\\', Some(count)) => {
                backslashes = Some(count + 1);
                return false;
            }
            (_, Some(count)) if count % 2 == 1 => is_quoted = !is_quoted,
            _ => {}
        }
        backslashes = (*byte == b'"').then_some(0_usize);
        is_quoted ^= *byte == b'"';
        *byte == separator && !is_quoted
    }
}

/// What an element of `Forwarded` (RFC 7239) says after `for=`.
fn forwarded_for(element: &str) -> Option<&str> {
    element.as_bytes().rsplit(separates(b';', true)).find_map(|pair| {
        let (name, value) = str::from_utf8(pair).ok()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    })
}

/// An address as proxies write it: alone, with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(address, _)| address);
    let without_port = || text.split_once(':').map(|(address, _)| address).filter(|address| address.contains('.'));
    let parsed = match bracketed {
        Some(address) => address.parse(),
        None => text.parse().or_else(|error| without_port().map_or(Err(error), str::parse)),
    };
    parsed.ok().map(|address: IpAddr| address.to_canonical())
}

impl fmt::Debug for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAddress").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

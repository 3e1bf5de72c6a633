//! Which targets links may have here: not those on the operator's blocklist, not this service itself, and by default
//! nothing that only this machine or its network can reach.
//!
//! Pure: a target is judged by what it says. What a name resolves to is checked on connecting, see
//! [`TargetPolicy::admits`]; a visitor's browser resolves it in the visitor's network.

use std::{fmt, net::IpAddr, str::FromStr};

use url::Host;

use super::{
    TargetUrl,
    public_address::{embedded, is_public},
    text::Invalid,
};

const BLOCKED: Invalid = Invalid("leads to a host that is blocked here");
const OWN: Invalid = Invalid("leads back to this service");
const PRIVATE: Invalid = Invalid("leads to a private, loopback or reserved address");
const NO_HOST: Invalid = Invalid("must name a host");

/// Names that are never found in public: RFC 6761 (localhost), RFC 6762 (local), RFC 8375 (home.arpa), and internal,
/// which ICANN keeps free for private use.
const PRIVATE_NAMES: [&str; 4] = ["localhost", "local", "home.arpa", "internal"];

/// A host in the one form in which hosts are compared: names in lower case and punycode without dots at the end,
/// addresses as numbers, whatever notation they came in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostName {
    /// A name.
    Name(String),
    /// An address; IPv4 within IPv6 is its own IPv4 address.
    Address(IpAddr),
}

/// Hosts, as the operator lists them: separated by commas, an optional `*.` before each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostList(Vec<HostName>);

/// Which targets links may have.
#[derive(Debug, Clone, Default)]
pub struct TargetPolicy {
    /// Hosts that no link may lead to, nor to one below them.
    pub blocked: HostList,
    /// The hosts that this service answers under.
    pub own: Vec<HostName>,
    /// Whether links may lead to what only this machine or its network can reach.
    pub allow_private: bool,
}

impl TargetPolicy {
    /// Checks a target.
    ///
    /// # Errors
    /// Says why links may not lead there.
    pub fn check(&self, target: &TargetUrl) -> Result<(), Invalid> {
        let url = url::Url::parse(target.as_str()).map_err(|_| NO_HOST)?;
        let host = url.host().ok_or(NO_HOST)?;
        self.check_host(&HostName::of(host.to_owned()))
    }

    /// Checks a target of a link that is made under the authority that `asked` names, if no `PUBLIC_URL` names
    /// this service.
    ///
    /// # Errors
    /// Says why links may not lead there.
    pub fn check_asked(&self, target: &TargetUrl, asked: Option<&str>) -> Result<(), Invalid> {
        self.check(target)?;
        let same = |asked: &str| {
            let (asked, target) =
                (url::Url::parse(&format!("http://{asked}")).ok()?, url::Url::parse(target.as_str()).ok()?);
            let host = |url: &url::Url| url.host().map(|host| HostName::of(host.to_owned()));
            // The scheme that was asked is not known here.
            let same_port = asked.port_or_known_default() == target.port_or_known_default()
                || (asked.port().is_none() && target.port().is_none());
            Some(host(&asked)? == host(&target)? && same_port)
        };
        if asked.and_then(same) == Some(true) { Err(OWN) } else { Ok(()) }
    }

    /// Whether something that was resolved may be connected to.
    pub fn admits(&self, address: IpAddr) -> bool {
        let is_blocked = self.blocked.covers(&HostName::from(address));
        !is_blocked && (self.allow_private || is_public(address))
    }

    fn check_host(&self, host: &HostName) -> Result<(), Invalid> {
        if self.blocked.covers(host) {
            return Err(BLOCKED);
        }
        if self.own.contains(host) {
            return Err(OWN);
        }
        if !self.allow_private && host.is_private() { Err(PRIVATE) } else { Ok(()) }
    }
}

impl HostName {
    /// The host of an address of the web.
    pub fn of(host: Host<String>) -> Self {
        match host {
            Host::Ipv4(address) => Self::from(IpAddr::from(address)),
            Host::Ipv6(address) => Self::from(IpAddr::from(address)),
            Host::Domain(name) => {
                let bare = name.trim_end_matches('.');
                // `127.0.0.1..` is a name for the parser, and an address for some resolvers.
                match Host::parse(bare) {
                    Ok(Host::Ipv4(address)) => Self::from(IpAddr::from(address)),
                    _ => Self::Name(bare.to_ascii_lowercase()),
                }
            }
        }
    }

    /// Whether only this machine or its network can reach it, as far as the name or address tells.
    pub fn is_private(&self) -> bool {
        match self {
            Self::Name(name) => name.is_empty() || PRIVATE_NAMES.iter().any(|private| is_at_or_below(name, private)),
            Self::Address(address) => !is_public(*address),
        }
    }

    /// Whether this is `other` or, if both are names, below it.
    fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(name), Self::Name(other)) => is_at_or_below(name, other),
            (one, other) => one == other,
        }
    }
}

impl HostList {
    /// Whether the host is in the list, or below one that is.
    pub fn covers(&self, host: &HostName) -> bool {
        self.0.iter().any(|listed| host.is_within(listed))
    }
}

impl From<IpAddr> for HostName {
    fn from(address: IpAddr) -> Self {
        Self::Address(match address {
            IpAddr::V6(outer) if !outer.is_unspecified() && !outer.is_loopback() => {
                embedded(outer).map_or(address, IpAddr::from)
            }
            _ => address,
        })
    }
}

impl FromStr for HostName {
    type Err = Invalid;

    /// Reads a host as it stands in an address of the web: a name, IPv4, or IPv6 in brackets or without.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        const NO_HOST_NAME: Invalid = Invalid("is not the name or address of a host");
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::from(address));
        }
        match Self::of(Host::parse(text).map_err(|_| NO_HOST_NAME)?) {
            Self::Name(name) if name.is_empty() || name.starts_with('.') => Err(NO_HOST_NAME),
            host => Ok(host),
        }
    }
}

impl FromStr for HostList {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(|word| word.strip_prefix("*.").unwrap_or(word).parse()).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Whether a name is `other`, or ends in it after a dot.
fn is_at_or_below(name: &str, other: &str) -> bool {
    name.strip_suffix(other).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests;

//! Who clicked: read from a request, kept beside its click in the queue, and told to the database as far as that is
//! allowed.
//!
//! Promises: reading costs the redirect well under a microsecond and two small allocations; every part has a bounded
//! length; the address is never stored and never logged, it lies in memory until its batch is written; if the
//! request refuses tracking, nothing is told but whether a program sent it. Leaves out: whose address it is, which the
//! HTTP side knows.
//!
//! The hash of a visitor needs the day's salt, which replicas share and the writer knows. That is why the address
//! travels with the click and is not hashed immediately: a hash under a key of one process would count a visitor once a
//! replica.

mod address;
mod agent;
mod countries;
mod language;
mod purpose;
mod referrer;
mod request;

use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc};

use hmac::{Hmac, KeyInit as _, Mac as _, digest::Key};
use serde::Deserialize;
use sha2::Sha256;

use self::{
    agent::{Agent, Agents},
    countries::{Countries, Country},
    language::Language,
};
pub use self::{countries::CountriesError, purpose::is_counted, request::Request};
use crate::domain::{Details, Dimension};

/// Bytes of a day's salt.
pub const SALT_BYTES: usize = 32;
/// What an allocation takes beside its content, from above.
const PER_ALLOCATION: usize = 16;

/// What is stored of a visitor's address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressPolicy {
    /// The network alone: 24 bits of IPv4, 48 of IPv6.
    #[default]
    Anonymised,
    /// Nothing.
    None,
}

/// A day's salt, ready to hash with: taking in the key is half of a hash's work.
#[derive(Clone)]
pub struct Salt {
    keyed: Hmac<Sha256>,
}

impl Salt {
    /// From the salt as it is stored.
    pub fn new(salt: &[u8; SALT_BYTES]) -> Self {
        // HMAC fills a short key up with zeros to a block; here it is done beforehand, as the type takes whole blocks.
        let mut key = Key::<Hmac<Sha256>>::default();
        key[..SALT_BYTES].copy_from_slice(salt);
        Self { keyed: Hmac::new(&key) }
    }
}

/// How visitors are read.
#[derive(Debug, Clone, Default)]
pub struct VisitorSettings {
    /// What is stored of the address.
    pub address: AddressPolicy,
    /// A MaxMind file of countries or cities; without it countries are unknown.
    pub geoip: Option<PathBuf>,
}

/// Reads visitors. One for each process: it knows the agents seen lately.
#[derive(Debug)]
pub struct Visitors {
    agents: Agents,
    countries: Option<Countries>,
    address: AddressPolicy,
}

impl Visitors {
    /// Loads what is needed into memory, so it is to be called once, before anything is served.
    ///
    /// # Errors
    /// If the MaxMind file cannot be read, or knows no countries.
    pub fn open(settings: &VisitorSettings) -> Result<Self, CountriesError> {
        let countries = settings.geoip.as_deref().map(Countries::open).transpose()?;
        Ok(Self { agents: Agents::new(), countries, address: settings.address })
    }

    /// What `request` tells of its sender. Agents are parsed later, on first use.
    pub fn read(&self, request: &Request<'_>) -> Visitor {
        let agent = request.user_agent.map(|text| self.agents.get(text));
        if request.refuses_tracking {
            return Visitor { agent, about: None };
        }
        let address = request.address.map(|address| address.to_canonical());
        let about = About {
            address,
            shows_network: self.address == AddressPolicy::Anonymised,
            country: address.and_then(|address| self.countries.as_ref()?.of(address)),
            language: request.accept_language.and_then(Language::preferred),
            referrer: request.referrer.and_then(referrer::host),
        };
        Visitor { agent, about: Some(about) }
    }
}

/// Who clicked, as the queue keeps it. Its `Debug` output says nothing about them.
#[derive(Clone)]
pub struct Visitor {
    /// None if the request names none.
    agent: Option<Arc<Agent>>,
    /// None if the request refuses tracking.
    about: Option<About>,
}

/// What is known beside the agent.
#[derive(Clone)]
struct About {
    address: Option<IpAddr>,
    shows_network: bool,
    country: Option<Country>,
    language: Option<Language>,
    referrer: Option<Box<str>>,
}

impl Visitor {
    /// A visitor of whom nothing is known.
    pub const fn unknown() -> Self {
        Self { agent: None, about: None }
    }

    /// Whether a known program sent the request. An agent that is not named is not known.
    pub fn is_bot(&self) -> bool {
        self.agent.as_ref().is_some_and(|agent| agent.traits().is_bot)
    }

    /// Values by dimension, at most one each; none if the request refuses tracking.
    pub fn values(&self) -> impl Iterator<Item = (Dimension, &str)> {
        let about = self.about.as_ref();
        let traits = self.agent.as_deref().filter(|_| about.is_some()).map(Agent::traits);
        let values = [
            (Dimension::Referrer, about.and_then(|about| about.referrer.as_deref())),
            (Dimension::Country, about.and_then(|about| about.country.as_ref()).map(Country::as_str)),
            (Dimension::Browser, traits.and_then(|traits| traits.browser)),
            (Dimension::Os, traits.and_then(|traits| traits.os)),
            (Dimension::Device, traits.and_then(|traits| traits.device)),
            (Dimension::Language, about.and_then(|about| about.language.as_ref()).map(Language::as_str)),
        ];
        values.into_iter().filter_map(|(dimension, value)| Some((dimension, value?)))
    }

    /// What the event's details tell: the values, whether a program clicked, and the network if it may be shown.
    /// If the request refuses tracking, only whether a program clicked.
    pub fn details(&self) -> Details {
        Details::of_members(|text| {
            let about = self.about.as_ref();
            let traits = self.agent.as_deref().filter(|_| about.is_some()).map(Agent::traits);
            push_member(text, "referrer", about.and_then(|about| about.referrer.as_deref()));
            push_member(text, "country", about.and_then(|about| about.country.as_ref()).map(Country::as_str));
            push_member(text, "browser", traits.and_then(|traits| traits.browser));
            push_member(text, "os", traits.and_then(|traits| traits.os));
            push_member(text, "device", traits.and_then(|traits| traits.device));
            push_member(text, "language", about.and_then(|about| about.language.as_ref()).map(Language::as_str));
            if self.is_bot() {
                text.push_str("\"bot\":true,");
            }
            if let Some(address) = about.filter(|about| about.shows_network).and_then(|about| about.address) {
                text.push_str("\"address\":\"");
                address::push_network(text, address);
                text.push_str("\",");
            }
        })
    }

    /// Who it is within a day, as a keyed hash (HMAC-SHA-256, cut to 64 bits) of the full address and the agent: the
    /// same on every replica, and of no use once the salt is deleted. None if the address is unknown or the
    /// request refuses tracking.
    pub fn hash(&self, salt: &Salt) -> Option<i64> {
        let address = self.about.as_ref()?.address?;
        let mut hash = salt.keyed.clone();
        // Of one length for both kinds of address, so that no agent can be taken for a part of it.
        hash.update(&address::octets(address));
        hash.update(self.agent.as_ref().map_or("", |agent| agent.text()).as_bytes());
        let bytes = hash.finalize().into_bytes();
        bytes.first_chunk().map(|first| i64::from_be_bytes(*first))
    }

    /// Bytes that a queued visitor takes, from above: itself and what it owns. An agent is counted in full though
    /// clicks of one agent share it, since the memory of agents seen lately may have given it up.
    pub fn queued_bytes(&self) -> usize {
        size_of::<Self>() + self.heap_bytes()
    }

    /// The part of [`Self::queued_bytes`] that lies outside of the visitor itself.
    pub fn heap_bytes(&self) -> usize {
        let referrer = self.about.as_ref().and_then(|about| about.referrer.as_deref());
        let referrer = referrer.map_or(0, |referrer| referrer.len() + PER_ALLOCATION);
        referrer + self.agent.as_ref().map_or(0, |agent| agent.bytes())
    }
}

/// Adds a member of a JSON object, a comma after it. The value is as it would stand in JSON: hosts, countries,
/// languages and the names that agents are given hold no sign that means anything there.
fn push_member(text: &mut String, name: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    for part in ["\"", name, "\":\"", value, "\","] {
        text.push_str(part);
    }
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

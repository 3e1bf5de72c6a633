//! Agents: what a `User-Agent` says, taken apart once for each that is seen often.
//!
//! Taking one apart costs thousands of times more than looking it up, so it is left to the first use, which is
//! the writer: a redirect only looks up the text, and an attacker who sends a new agent each time cannot slow it by
//! more than an allocation.

mod programs;

use std::{
    borrow::Borrow,
    collections::HashSet,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock, OnceLock},
};

use isbot::Bots;
use quick_cache::sync::Cache;
use woothee::{
    dataset::DATASET,
    parser::{Parser, WootheeResult},
};

use super::PER_ALLOCATION;

/// Bytes of an agent that are looked at. Real ones have 60 to 250.
const LONGEST: usize = 512;
/// Agents that are remembered: 3 MB at most.
const REMEMBERED: usize = 4_096;
/// What an [`Arc`] counts with.
const ARC_COUNTERS: usize = 2 * size_of::<usize>();

static BOTS: LazyLock<Bots> = LazyLock::new(Bots::default);
/// Every name that an agent can be given; it is parsed into borrowed ones.
static NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let names = |entry: &'static WootheeResult<'static>| [entry.name, entry.os, entry.category];
    DATASET.values().flat_map(names).filter(|name| !name.is_empty()).collect()
});

/// What an agent is. Names that are unknown are none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Traits {
    pub(super) is_bot: bool,
    pub(super) browser: Option<&'static str>,
    pub(super) os: Option<&'static str>,
    pub(super) device: Option<&'static str>,
}

impl Traits {
    fn of(text: &str) -> Self {
        let parsed = Parser::new().parse(text).unwrap_or_default();
        let (browser, os, category) = (name(parsed.name), name(parsed.os), name(parsed.category));
        let is_program = category == Some("crawler") || browser == Some("HTTP Library");
        Self {
            is_bot: programs::is_program(text, category).unwrap_or_else(|| is_program || BOTS.is_bot(text)),
            browser,
            os: os.map(system),
            device: category.map(|category| device(category, os, text)),
        }
    }
}

/// The name under which woothee knows what it found.
fn name(found: &str) -> Option<&'static str> {
    NAMES.get(found).copied()
}

/// The system of that name, if woothee names a device instead, or in words that are no name.
fn system(name: &'static str) -> &'static str {
    match name {
        "iPhone" | "iPad" | "iPod" => "iOS",
        "Mac OSX" => "macOS",
        "Windows UNKNOWN Ver" => "Windows",
        name => name,
    }
}

/// The class of device. Woothee takes tablets for smartphones.
fn device(category: &'static str, os: Option<&str>, text: &str) -> &'static str {
    let is_tablet = os == Some("iPad") || (os == Some("Android") && !text.contains("Mobile"));
    if category == "smartphone" && is_tablet { "tablet" } else { category }
}

/// One agent: its text, and what it is once that was asked.
pub(super) struct Agent {
    text: Box<str>,
    traits: OnceLock<Traits>,
}

impl Agent {
    fn new(text: &str) -> Self {
        Self { text: text.into(), traits: OnceLock::new() }
    }

    /// The text, cut to what is looked at.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What it is: worked out the first time, which takes tens of microseconds.
    pub(super) fn traits(&self) -> &Traits {
        self.traits.get_or_init(|| Traits::of(&self.text))
    }

    /// Bytes that it takes, with its own allocations.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + ARC_COUNTERS + self.text.len() + 2 * PER_ALLOCATION
    }
}

/// Agents that were seen lately.
pub(super) struct Agents(Cache<ByText, Arc<Agent>>);

impl Agents {
    pub(super) fn new() -> Self {
        // The first agent is not to pay for the tables.
        LazyLock::force(&BOTS);
        LazyLock::force(&NAMES);
        Self(Cache::new(REMEMBERED))
    }

    /// The agent of this text.
    pub(super) fn get(&self, text: &str) -> Arc<Agent> {
        let text = cut(text);
        self.0.get(text).unwrap_or_else(|| {
            let agent = Arc::new(Agent::new(text));
            self.0.insert(ByText(Arc::clone(&agent)), Arc::clone(&agent));
            agent
        })
    }
}

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Agents").field(&self.0.len()).finish()
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

/// An agent as a key: found by its text, which it shares with the value.
struct ByText(Arc<Agent>);

impl Borrow<str> for ByText {
    fn borrow(&self) -> &str {
        self.0.text()
    }
}

impl Hash for ByText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text().hash(state);
    }
}

impl PartialEq for ByText {
    fn eq(&self, other: &Self) -> bool {
        self.0.text() == other.0.text()
    }
}

impl Eq for ByText {}

#[cfg(test)]
mod tests;

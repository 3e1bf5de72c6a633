//! The tokens of one subject that this replica holds.

use tokio::time::Instant;

use super::terms::Terms;

/// Below this nothing is asked for or given back.
const TRIFLE: f64 = 0.01;

/// The tokens of one subject that this replica holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pot {
    tokens: f64,
    /// Up to when it has filled.
    filled: Instant,
    /// Tokens that it filled by itself while there was no exchange, not charged yet.
    minted: f64,
    /// Requests since the last exchange, those included that were refused.
    demand: f64,
    /// When it was last exchanged, or made.
    exchanged: Instant,
}

/// What a pot asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Need {
    pub(super) wanted: f64,
    pub(super) charge: f64,
}

impl Pot {
    /// The pot of somebody who was never seen.
    pub(super) fn new(terms: &Terms, now: Instant) -> Self {
        Self { tokens: terms.start, filled: now, minted: 0.0, demand: 0.0, exchanged: now }
    }

    /// Whether there is a token, which is taken where `take` says so.
    pub(super) fn admit(&mut self, terms: &Terms, now: Instant, take: bool) -> bool {
        self.accrue(terms, now);
        let admitted = self.tokens >= 1.0;
        if take || !admitted {
            self.demand += 1.0;
        }
        if take && admitted {
            self.tokens -= 1.0;
        }
        admitted
    }

    /// Tokens that are whole.
    pub(super) fn whole(&self) -> u32 {
        // Never negative, and never more than a budget's burst.
        self.tokens.max(0.0) as u32
    }

    /// What is missing of a whole token.
    pub(super) fn missing(&self) -> f64 {
        (1.0 - self.tokens).max(0.0)
    }

    /// When it was last exchanged, or made.
    pub(super) fn exchanged(&self) -> Instant {
        self.exchanged
    }

    /// Fills up to now, where it fills by itself.
    pub(super) fn accrue(&mut self, terms: &Terms, now: Instant) {
        if let Some((rate, since)) = terms.fills {
            let from = since.map_or(self.filled, |since| since.max(self.filled));
            let added = now.duration_since(from).as_secs_f64() * rate;
            let added = added.min(terms.own - self.tokens).max(0.0);
            self.tokens += added;
            self.minted += added;
        }
        self.filled = self.filled.max(now);
    }

    /// What it needs; none where it has what it is to have.
    pub(super) fn need(&mut self, terms: &Terms, now: Instant) -> Option<Need> {
        self.accrue(terms, now);
        let wanted = self.demand.clamp(terms.own, terms.most.max(terms.own)) - self.tokens;
        let need = Need { wanted: wanted.max(0.0), charge: self.minted - (-wanted).max(0.0) };
        let need = (need.wanted > TRIFLE || need.charge.abs() > TRIFLE).then_some(need);
        if need.is_none() {
            self.demand = 0.0;
        }
        need
    }

    /// Takes note that it is asked for: what is given back is gone, whatever becomes of the asking.
    pub(super) fn asked(&mut self, need: Need, now: Instant) {
        let returned = (self.minted - need.charge).max(0.0);
        self.tokens -= returned;
        // What is given back pays for what was made here.
        self.minted = (self.minted - returned).max(0.0);
        self.demand = 0.0;
        self.exchanged = now;
    }

    /// Takes in what was granted, the charge being settled.
    pub(super) fn settle(&mut self, tokens: f64, charge: f64) {
        self.tokens += tokens;
        self.minted = (self.minted - charge.max(0.0)).max(0.0);
    }

    /// Whether a new one would be no better.
    pub(super) fn is_as_new(&mut self, terms: &Terms, now: Instant) -> bool {
        self.accrue(terms, now);
        // What it has beyond its own goes back first.
        let settled = self.minted < TRIFLE && self.demand == 0.0 && self.tokens <= terms.own + TRIFLE;
        (terms.shared.is_none() || settled) && self.tokens >= terms.own - TRIFLE
    }
}

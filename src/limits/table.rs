//! The pots of one policy: a bounded number, of which only those go that are as good as new.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{Ask, Grant, Policy, Subject, pot::Pot, terms::Terms};

/// Subjects that have a pot of their own at most.
pub(super) const MOST_SUBJECTS: usize = 10_000;
/// How often a full table is looked through for pots that can go.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The pots of one policy.
#[derive(Debug, Default)]
pub(super) struct Table {
    pots: HashMap<Subject, Pot>,
    swept: Option<Instant>,
}

impl Table {
    /// The pot of a subject; that of all others where there is no room for one more.
    pub(super) fn pot(&mut self, subject: Subject, terms: &Terms, now: Instant) -> &mut Pot {
        let subject =
            if self.pots.contains_key(&subject) || self.has_room(terms, now) { subject } else { Subject::Others };
        self.pots.entry(subject).or_insert_with(|| Pot::new(terms, now))
    }

    fn has_room(&mut self, terms: &Terms, now: Instant) -> bool {
        if self.pots.len() < MOST_SUBJECTS {
            return true;
        }
        if self.swept.is_none_or(|swept| now.duration_since(swept) >= SWEEP_EVERY) {
            self.sweep(terms, now);
        }
        self.pots.len() < MOST_SUBJECTS
    }

    /// Forgets pots that are as good as new.
    pub(super) fn sweep(&mut self, terms: &Terms, now: Instant) {
        self.swept = Some(now);
        self.pots.retain(|_, pot| !pot.is_as_new(terms, now));
        // A flood that has passed need not keep its memory.
        if self.pots.capacity() > MOST_SUBJECTS / 4 && self.pots.len() < MOST_SUBJECTS / 16 {
            self.pots.shrink_to_fit();
        }
    }

    /// Fills the pots that fill by themselves.
    pub(super) fn accrue(&mut self, terms: &Terms, now: Instant) {
        self.pots.values_mut().for_each(|pot| pot.accrue(terms, now));
    }

    /// What to ask of the database, `most` pots at most: those first that waited longest.
    pub(super) fn asks(&mut self, policy: Policy, terms: &Terms, now: Instant, most: usize) -> Vec<Ask> {
        let Some((capacity, rate)) = terms.shared else { return Vec::new() };
        let needs = self.pots.iter_mut().filter_map(|(subject, pot)| Some((*subject, pot.need(terms, now)?, pot)));
        let mut needs: Vec<_> = needs.collect();
        needs.sort_by_key(|(_, _, pot)| pot.exchanged());
        needs.truncate(most);
        let asks = needs.into_iter().map(|(subject, need, pot)| {
            pot.asked(need, now);
            Ask { policy, subject, wanted: need.wanted, charge: need.charge, capacity, rate }
        });
        asks.collect()
    }

    /// Takes in what was granted.
    pub(super) fn settle(&mut self, grant: &Grant) {
        // A pot that has gone meanwhile needed nothing: the tokens are lost, which is the safe side.
        if let Some(pot) = self.pots.get_mut(&grant.subject) {
            pot.settle(grant.tokens, grant.charge);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.pots.len()
    }
}

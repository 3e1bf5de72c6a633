//! What holds for every pot in memory at a moment: how it fills, and how much may be taken for granted.

use std::time::Duration;

use tokio::time::Instant;

use super::Budget;

/// So long after the last exchange the database counts as away.
pub(super) const AWAY_AFTER: Duration = Duration::from_secs(3);
/// So long the pot in the database goes on filling beyond its part, so that nothing is lost between two exchanges.
const BETWEEN: Duration = Duration::from_secs(2);
/// So long a replica has just come: others may not know of it, nor it of what they have given away.
const NEW_FOR: Duration = Duration::from_secs(60);
/// Replicas that are assumed where none was ever heard of: none has more.
const ASSUMED: u32 = 10;

/// Who shares the budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fleet {
    /// Nobody else.
    Alone,
    /// Replicas on one database.
    Shared {
        /// How many, this one included.
        live: u32,
        /// When the first exchange was, and the last.
        exchanged: Option<(Instant, Instant)>,
    },
}

/// What holds for the pots of one budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Terms {
    /// Tokens in a pot of somebody who was never seen.
    pub(super) start: f64,
    /// Tokens that a pot is to have while nobody asks.
    pub(super) own: f64,
    /// Tokens at most.
    pub(super) most: f64,
    /// Tokens a second that it fills by itself, up to `own`, and since when.
    pub(super) fills: Option<(f64, Option<Instant>)>,
    /// What the pot in the database can hold, and fills by in a second; none where there is none.
    pub(super) shared: Option<(f64, f64)>,
}

impl Fleet {
    /// Replicas of whom nothing is known yet.
    pub(super) const fn unknown() -> Self {
        Self::Shared { live: ASSUMED, exchanged: None }
    }

    /// Takes note of an exchange.
    pub(super) fn heard(&mut self, live: u32, now: Instant) {
        if let Self::Shared { live: known, exchanged } = self {
            *known = live.max(1);
            *exchanged = Some((exchanged.map_or(now, |(first, _)| first), now));
        }
    }

    /// What holds for a budget.
    pub(super) fn terms(self, budget: Budget, now: Instant) -> Terms {
        let (burst, rate) = (f64::from(budget.burst), budget.rate());
        match self {
            Self::Alone => Terms { start: burst, own: burst, most: burst, fills: Some((rate, None)), shared: None },
            Self::Shared { live, exchanged } => {
                let part = burst / (f64::from(live) + 2.0);
                let own = part.max(1.0);
                let is_new = exchanged.is_none_or(|(first, _)| now.duration_since(first) < NEW_FOR);
                let away_since = exchanged.map(|(_, last)| last + AWAY_AFTER);
                let is_away = away_since.is_none_or(|since| now >= since);
                Terms {
                    // Half of the replicas are new in a deployment: together they take one part.
                    start: if is_new { (2.0 * part / f64::from(live)).clamp(1.0, own) } else { own },
                    own,
                    most: burst.max(1.0),
                    fills: is_away.then(|| (rate / f64::from(live), away_since)),
                    shared: Some((part + BETWEEN.as_secs_f64() * rate, rate)),
                }
            }
        }
    }
}

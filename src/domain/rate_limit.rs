//! Rate limits as operators write them, and which clients they hold for.

use std::{str::FromStr, time::Duration};

use serde::Deserialize;

use super::Invalid;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Making users, links, events and keys, one at a time.
    Creations,
    /// Uploads of files.
    Bulk,
    /// Requests whose credentials are not valid.
    FailedCredentials,
    /// Redirects by codes that no link has.
    UnknownCodes,
}

/// A token bucket's size and speed, written `60/min+30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Tokens that a window brings, at least 1.
    pub tokens: u32,
    /// The window.
    pub window: Duration,
    /// Tokens that the bucket holds, at least 1.
    pub burst: u32,
}

/// Which clients are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitMode {
    /// All but the administrator and, if the API is open, clients on loopback.
    Auto,
    /// All.
    On,
    /// None.
    Off,
}

impl Policy {
    /// All of them, each at its own index.
    pub const ALL: [Self; 4] = [Self::Creations, Self::Bulk, Self::FailedCredentials, Self::UnknownCodes];

    /// Its name in headers, metrics and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creations => "creations",
            Self::Bulk => "bulk",
            Self::FailedCredentials => "failed_credentials",
            Self::UnknownCodes => "unknown_codes",
        }
    }
}

impl RateLimit {
    /// The largest number in a limit.
    pub const MAX: u32 = 1_000_000;

    /// The time that brings one token, rounded up: the bucket never refills faster than was promised.
    pub fn interval(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.window.as_nanos().div_ceil(self.tokens.into())).unwrap_or(u64::MAX))
    }
}

impl FromStr for RateLimit {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const FORM: Invalid = Invalid("must be a rate and a burst, as 60/min+30");
        let number = |text: &str| text.parse().ok().filter(|number| (1..=Self::MAX).contains(number)).ok_or(FORM);
        let (tokens, rest) = text.split_once('/').ok_or(FORM)?;
        let (unit, burst) = rest.split_once('+').ok_or(FORM)?;
        let seconds = match unit {
            "s" => 1,
            "min" => 60,
            "h" => 3_600,
            _ => return Err(FORM),
        };
        Ok(Self { tokens: number(tokens)?, window: Duration::from_secs(seconds), burst: number(burst)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_rate_and_a_burst() {
        let limit: RateLimit = "60/min+30".parse().unwrap();
        assert_eq!(limit, RateLimit { tokens: 60, window: Duration::from_secs(60), burst: 30 });
        assert_eq!(limit.interval(), Duration::from_secs(1));
        assert_eq!("7/h+1".parse::<RateLimit>().unwrap().interval(), Duration::from_nanos(514_285_714_286));
        for bad in ["", "60", "60/min", "60/min+", "60/m+30", "0/min+1", "1/min+0", "1000001/s+1", "-1/s+1", "1/s+1 "] {
            assert!(bad.parse::<RateLimit>().is_err(), "{bad}");
        }
    }
}

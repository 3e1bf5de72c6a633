//! The range, unit and zone that a page of statistics is asked for.

use chrono::{NaiveDate, TimeDelta};

use crate::console::posted::{Posted, address};

/// Ranges by name: what they are called, their days with today, the unit that goes with them.
const PRESETS: [(&str, &str, i64, &str); 5] = [
    ("today", "Today", 1, "hour"),
    ("7d", "7 days", 7, "day"),
    ("30d", "30 days", 30, "day"),
    ("90d", "90 days", 90, "week"),
    ("12m", "12 months", 365, "month"),
];
const DEFAULT: &str = "30d";
const UNITS: [&str; 4] = ["hour", "day", "week", "month"];

/// What is asked for.
#[derive(Debug, Clone)]
pub(in crate::console) struct Asked {
    /// The name of the preset; empty if the ends were given.
    pub(in crate::console) range: String,
    pub(in crate::console) from: String,
    pub(in crate::console) to: String,
    pub(in crate::console) unit: String,
    pub(in crate::console) zone: String,
}

impl Asked {
    /// Reads the parameters of the page. What makes no sense goes to the API, which says so.
    pub(super) fn of(query: &Posted, today: NaiveDate) -> Self {
        let text = |name: &str| query.text(name).trim().to_owned();
        let (from, to) = (text("from"), text("to"));
        let is_preset = from.is_empty() && to.is_empty() || !text("range").is_empty();
        let asked_range = text("range");
        let preset = PRESETS.iter().find(|preset| preset.0 == asked_range);
        let preset = preset.or_else(|| PRESETS.iter().find(|preset| preset.0 == DEFAULT)).filter(|_| is_preset);
        // A preset that is chosen in the form brings its own unit.
        let is_own = is_preset && !from.is_empty();
        let unit = Some(text("unit")).filter(|unit| UNITS.contains(&unit.as_str()) && !is_own);
        let zone = Some(text("tz")).filter(|zone| !zone.is_empty()).unwrap_or_else(|| "UTC".to_owned());
        match preset {
            Some((name, _, days, usual)) => Self {
                range: (*name).to_owned(),
                from: (today - TimeDelta::days(days - 1)).to_string(),
                to: today.to_string(),
                unit: unit.unwrap_or_else(|| (*usual).to_owned()),
                zone,
            },
            None => Self { range: String::new(), from, to, unit: unit.unwrap_or_else(|| "day".to_owned()), zone },
        }
    }

    pub(in crate::console) fn presets(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        PRESETS.iter().map(|preset| (preset.0, preset.1))
    }

    pub(in crate::console) fn units(&self) -> [&'static str; 4] {
        UNITS
    }

    pub(in crate::console) fn is_preset(&self, name: &str) -> bool {
        self.range == name
    }

    /// The range as the API takes it.
    pub(super) fn in_api(&self, path: &str) -> String {
        let parameters = [("from", &*self.from), ("to", &self.to), ("unit", &self.unit), ("tz", &self.zone)];
        address(path, &parameters)
    }

    /// The range of the same length before; none if the ends are no days.
    pub(super) fn before(&self) -> Option<Self> {
        let (from, to): (NaiveDate, NaiveDate) = (self.from.parse().ok()?, self.to.parse().ok()?);
        let days = (to - from).num_days().checked_add(1).filter(|days| (1..=3_660).contains(days))?;
        let earlier = |day: NaiveDate| day.checked_sub_signed(TimeDelta::days(days)).map(|day| day.to_string());
        // The sums alone are read of it.
        Some(Self { from: earlier(from)?, to: earlier(to)?, unit: "month".to_owned(), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        Asked::of(&Posted::parse(query.as_bytes()), NaiveDate::from_ymd_opt(2026, 3, 10).unwrap())
    }

    #[test]
    fn ranges_are_of_days_with_today() {
        assert_eq!(asked("").in_api("/stats"), "/stats?from=2026-02-09&to=2026-03-10&unit=day&tz=UTC");
        assert_eq!(
            asked("range=7d&tz=Asia%2FTokyo").in_api("/stats"),
            "/stats?from=2026-03-04&to=2026-03-10&unit=day&tz=Asia%2FTokyo"
        );
        assert_eq!(
            asked("from=2026-01-01&to=2026-01-31&unit=week").in_api("/stats"),
            "/stats?from=2026-01-01&to=2026-01-31&unit=week&tz=UTC"
        );
    }

    #[test]
    fn the_range_before_ends_where_this_one_begins() {
        let before = asked("from=2026-02-01&to=2026-02-10").before().unwrap();
        assert_eq!((before.from.as_str(), before.to.as_str()), ("2026-01-22", "2026-01-31"));
        assert!(
            asked("from=x&to=2026-02-10").before().is_none()
                && asked("from=2026-02-10&to=2026-02-01").before().is_none()
        );
    }
}

//! Sums as JSON, the form in which they are pending.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::deltas::{Sums, Tally, add};
use crate::domain::{Dimension, UrlId, UserId};

/// The sums as rows: maps of JSON have texts as keys.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Rows<'a> {
    /// Link, owner.
    owners: Vec<(i64, Option<i64>)>,
    /// Link, slot, people, bots.
    slots: Vec<(i64, i64, i64, i64)>,
    /// Link, day, dimension, value, clicks.
    #[serde(borrow)]
    values: Vec<(i64, i64, Dimension, Cow<'a, str>, i64)>,
    /// Link, day, visitor.
    visitors: Vec<(i64, i64, i64)>,
}

impl Sums<'_> {
    /// These sums as JSON.
    ///
    /// # Errors
    /// None that is known: the rows are numbers and texts.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        let rows = Rows {
            owners: self.owners.iter().map(|(url, owner)| (url.0, owner.map(|owner| owner.0))).collect(),
            slots: self.slots.iter().map(|((url, slot), tally)| (url.0, *slot, tally.people, tally.bots)).collect(),
            values: self
                .values
                .iter()
                .map(|((url, day, dimension, value), clicks)| {
                    (url.0, *day, *dimension, Cow::Borrowed(value.as_ref()), *clicks)
                })
                .collect(),
            visitors: self.visitors.iter().map(|(url, day, visitor)| (url.0, *day, *visitor)).collect(),
        };
        serde_json::to_string(&rows)
    }

    /// Adds sums given as JSON.
    ///
    /// # Errors
    /// If the text is none of [`Sums::to_json`].
    pub(crate) fn add_json(&mut self, text: &str) -> serde_json::Result<()> {
        let rows: Rows<'_> = serde_json::from_str(text)?;
        for (url, owner) in rows.owners {
            let known = self.owners.entry(UrlId(url)).or_default();
            *known = known.or(owner.map(UserId));
        }
        for (url, slot, people, bots) in rows.slots {
            add(&mut self.slots, (UrlId(url), slot), Tally { people, bots });
        }
        for (url, day, dimension, value, clicks) in rows.values {
            add(&mut self.values, (UrlId(url), day, dimension, Cow::Owned(value.into_owned())), clicks);
        }
        self.visitors.extend(rows.visitors.into_iter().map(|(url, day, visitor)| (UrlId(url), day, visitor)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Counted;

    fn click(url: i64, seconds: i64, browser: &'static str) -> Counted<'static> {
        let values = [(Dimension::Browser, browser)].into_iter().collect();
        let at = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        let owner = (url != 2).then_some(UserId(5));
        Counted { url_id: UrlId(url), owner, at, is_bot: url == 3, visitor: Some(seconds), values }
    }

    #[test]
    fn sums_that_were_text_meanwhile_are_those_of_all_clicks() {
        let clicks =
            [click(1, 0, "Fire\"fox"), click(2, 10, "Safari"), click(3, 900, "bot"), click(1, 950, "Fire\"fox")];
        let all: Sums<'_> = clicks.iter().cloned().collect();
        let (first, second) = clicks.split_at(1);
        let mut folded = Sums::default();
        for part in [first, second] {
            let part: Sums<'_> = part.iter().cloned().collect();
            folded.add_json(&part.to_json().unwrap()).unwrap();
        }
        assert_eq!(folded.deltas(), all.deltas());
    }

    #[test]
    fn what_is_not_known_is_not_folded() {
        assert!(Sums::default().add_json(r#"{"values":[[1,0,"shoe_size","43",1]]}"#).is_err());
        assert!(Sums::default().add_json("none").is_err());
    }
}

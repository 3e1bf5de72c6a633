//! Statistics, read from the rollups: what is counted here was counted when the clicks were stored.
//!
//! Promises: every statement walks over one range of one index, whose length depends on the time asked for and not on
//! the number of clicks; all that one call answers shows one moment. Leaves out: which zone the buckets follow.

use sqlx::QueryBuilder;

use crate::{
    db::{Result, Store, Tx, on_pool, on_tx},
    domain::{
        Dimension, Subject, UrlId,
        rollup::{OTHER, SLOTS_PER_DAY},
        stats::{Calendar, Run, Top},
    },
};

const URL_EXISTS: &str = "SELECT id FROM urls WHERE id = $1";
const DAYS: &str = r"
    SELECT day, people, bots
    FROM click_days
    WHERE subject = $1
    AND day >= $2
    AND day < $3";
const UNIQUES: &str = r"
    SELECT coalesce(CAST(sum(uniques) AS BIGINT), 0)
    FROM click_days
    WHERE subject = $1
    AND day >= $2
    AND day < $3";
// The beginning of a statement; its subjects and the first day follow.
const DAYS_OF: &str = "SELECT subject, day, people + bots FROM click_days WHERE subject IN (";
/// The first `$4` values of each dimension by their clicks; all others, and what was counted as others, in one row.
const TOP: &str = include_str!("read/top.sql");

// The parts of the statement that counts cells, put together in `cells`.
const CELLS: &str = "SELECT ";
const MORE_CELLS: &str = " UNION ALL SELECT ";
const COUNTS: &str = " AS cell, CAST(sum(people) AS BIGINT) AS people, CAST(sum(bots) AS BIGINT) AS bots \
                      FROM click_slots WHERE subject = ";
/// Runs that one statement counts; there are two or three, but if a range spans many years.
const RUNS: usize = 200;

pub(crate) const STATEMENTS: &[&str] = &[URL_EXISTS, DAYS, UNIQUES, TOP];

/// Clicks of people and of programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Clicks of people.
    pub people: i64,
    /// Clicks of programs known as such.
    pub bots: i64,
}

impl Count {
    /// All of them.
    pub fn total(self) -> i64 {
        self.people + self.bots
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.people += other.people;
        self.bots += other.bots;
    }
}

/// A value that people's clicks had, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueCount {
    /// The value, [`OTHER`] for all that have no place of their own.
    pub value: String,
    /// How many clicks had it.
    pub clicks: i64,
}

/// What became of the clicks of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// The clicks of each bucket, those without any included.
    pub series: Vec<Count>,
    /// Visitors of each day in UTC that the range touches, added up.
    pub unique: i64,
    /// The values of each dimension in the order of [`Dimension::ALL`], the most frequent first, [`OTHER`] last.
    pub top: [Vec<ValueCount>; Dimension::ALL.len()],
}

impl Statistics {
    /// The clicks of all buckets.
    pub fn sum(&self) -> Count {
        let mut sum = Count::default();
        self.series.iter().for_each(|count| sum += *count);
        sum
    }
}

impl Store {
    /// The statistics of a link; none if there is no such link.
    pub async fn url_statistics(&self, id: UrlId, calendar: &Calendar, top: Top) -> Result<Option<Statistics>> {
        let mut snapshot = self.snapshot().await?;
        let found: Option<i64> =
            on_tx!(snapshot, |conn| sqlx::query_scalar(URL_EXISTS).bind(id).fetch_optional(conn).await?);
        match found {
            Some(_) => snapshot.statistics(Subject::url(id), calendar, top).await.map(Some),
            None => Ok(None),
        }
    }

    /// The clicks of links by day since `first_day`, days without any left out: the link's id, the day, clicks.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn clicks_by_day(&self, urls: &[UrlId], first_day: i64) -> Result<Vec<(i64, i64, i64)>> {
        if urls.is_empty() {
            return Ok(Vec::new());
        }
        Ok(on_pool!(self, |pool, Db| {
            let mut statement = QueryBuilder::<Db>::new(DAYS_OF);
            let mut subjects = statement.separated(", ");
            for id in urls {
                subjects.push_bind(Subject::url(*id));
            }
            statement.push(") AND day >= ").push_bind(first_day);
            statement.build_query_as::<(i64, i64, i64)>().fetch_all(pool).await
        })?)
    }

    /// The statistics of a user's links, or of all.
    pub async fn statistics(&self, subject: Subject, calendar: &Calendar, top: Top) -> Result<Statistics> {
        self.snapshot().await?.statistics(subject, calendar, top).await
    }
}

impl Tx {
    async fn statistics(&mut self, subject: Subject, calendar: &Calendar, top: Top) -> Result<Statistics> {
        let series = self.series(subject, calendar).await?;
        let (from, to) = calendar.days();
        let unique = on_tx!(self, |conn| {
            sqlx::query_scalar(UNIQUES).bind(subject).bind(from).bind(to).fetch_one(conn).await?
        });
        let rows: Vec<(i64, String, i64)> = on_tx!(self, |conn| {
            let statement = sqlx::query_as(TOP).bind(subject).bind(from).bind(to);
            statement.bind(i64::from(top.0)).fetch_all(conn).await?
        });
        Ok(Statistics { series, unique, top: by_dimension(rows) })
    }

    async fn series(&mut self, subject: Subject, calendar: &Calendar) -> Result<Vec<Count>> {
        let mut series = vec![Count::default(); calendar.starts().len()];
        let (slots_of_row, rows) = if calendar.is_of_whole_days() {
            let (from, to) = calendar.days();
            let rows: Vec<(i64, i64, i64)> =
                on_tx!(self, |conn| sqlx::query_as(DAYS).bind(subject).bind(from).bind(to).fetch_all(conn).await?);
            (SLOTS_PER_DAY, rows)
        } else {
            (1, self.cells(subject, &calendar.runs()).await?)
        };
        for (place, people, bots) in rows {
            if let Some(bucket) = series.get_mut(calendar.bucket(place * slots_of_row)) {
                *bucket += Count { people, bots };
            }
        }
        Ok(series)
    }

    /// The clicks of cells: the slot with which each begins, people, bots.
    async fn cells(&mut self, subject: Subject, runs: &[Run]) -> Result<Vec<(i64, i64, i64)>> {
        let mut rows = Vec::new();
        for runs in runs.chunks(RUNS) {
            rows.extend(on_tx!(self, |conn, Db| {
                let mut statement = QueryBuilder::<Db>::new("");
                for (nth, run) in runs.iter().enumerate() {
                    statement.push(if nth == 0 { CELLS } else { MORE_CELLS });
                    statement.push_bind(run.base).push(" + (slot - ").push_bind(run.base).push(") / ");
                    statement.push_bind(run.width).push(" * ").push_bind(run.width).push(COUNTS).push_bind(subject);
                    statement.push(" AND slot >= ").push_bind(run.from).push(" AND slot < ").push_bind(run.to);
                    statement.push(" GROUP BY cell");
                }
                statement.build_query_as::<(i64, i64, i64)>().fetch_all(conn).await?
            }));
        }
        Ok(rows)
    }
}

/// Sorts what was found into the dimensions, each in the order in which it is told.
fn by_dimension(rows: Vec<(i64, String, i64)>) -> [Vec<ValueCount>; Dimension::ALL.len()] {
    let mut top: [Vec<ValueCount>; Dimension::ALL.len()] = Default::default();
    for (dimension, value, clicks) in rows {
        let place = Dimension::ALL.iter().position(|known| i64::from(*known as i16) == dimension);
        if let Some(values) = place.and_then(|place| top.get_mut(place)) {
            values.push(ValueCount { value, clicks });
        }
    }
    for values in &mut top {
        values.sort_by(|one, other| {
            let key = |it: &ValueCount| (it.value == OTHER, std::cmp::Reverse(it.clicks));
            key(one).cmp(&key(other)).then_with(|| one.value.cmp(&other.value))
        });
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_come_last_however_many_they_are() {
        let rows = [(1, "b", 3), (1, OTHER, 90), (1, "c", 7), (1, "a", 3), (6, "de", 1), (9, "new", 1)];
        let top = by_dimension(rows.map(|(dimension, value, clicks)| (dimension, value.to_owned(), clicks)).to_vec());
        let shown: Vec<_> = top[0].iter().map(|it| (it.value.as_str(), it.clicks)).collect();
        assert_eq!(shown, [("c", 7), ("a", 3), ("b", 3), (OTHER, 90)]);
        assert_eq!(top[5].len(), 1);
        assert!(top[1..5].iter().all(Vec::is_empty));
    }
}

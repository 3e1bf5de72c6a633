//! Whether the rollups say what the events say, and how to make them.
//!
//! A day (in UTC) at a time: its click events are summed up as a writer would, and compared with what the rollups
//! hold of that day. Days before `kept_since_day`, whose events may be gone, are neither compared nor changed. A
//! link's total is compared with the sum of its days, which reaches back beyond the events. Visitors cannot be
//! counted again.
//!
//! Promises: a comparison shows one moment while clicks come in. A repair adds what is missing and takes away what is
//! too much, in short transactions that lock days as every writer does; since writers change events and rollups
//! alike, the difference is the same whatever they store. One process at a time repairs.

mod expected;
mod held;
mod repair;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use self::expected::Expected;
use super::Counted;
use crate::{
    db::{
        Lock, Result, Store, StoreError, Tx, TxInner,
        dialect::{self, Sql},
        on_tx,
    },
    domain::{
        Details, Dimension, Subject, UrlId,
        clock::Timestamp,
        rollup::{FIRST_DAY, LAST_DAY, SLOTS_PER_DAY, day_of, day_of_slot, end_of, first_moment},
    },
};

const KEPT_SINCE: &str = r"
    SELECT coalesce(max(value), $1)
    FROM click_state
    WHERE name = 'kept_since_day'";
const NEXT_DAY: &str = "SELECT min(day) FROM click_days WHERE day >= $1";
const SUBJECTS: &str = "SELECT subject FROM click_days WHERE day = $1";
/// Slots whose day has no row of its own: there are none, unless the tables were changed by hand.
const STRAY_SLOTS: &str = concat!(
    r"
    SELECT DISTINCT s.subject, ",
    day_of_slot!("s.slot"),
    r" AS day
    FROM click_slots s
    WHERE NOT EXISTS (
        SELECT 1
        FROM click_days d
        WHERE d.subject = s.subject
        AND d.day = ",
    day_of_slot!("s.slot"),
    ")"
);
/// The same for values.
const STRAY_VALUES: &str = r"
    SELECT DISTINCT v.subject, v.day
    FROM click_values v
    WHERE NOT EXISTS (
        SELECT 1
        FROM click_days d
        WHERE d.subject = v.subject
        AND d.day = v.day
    )";
/// Links whose total is not the sum of their days: the total's people and bots, then the days'.
const TOTALS: &str = include_str!("reconcile/totals.sql");

pub(crate) const STATEMENTS: &[&str] = &[KEPT_SINCE, NEXT_DAY, SUBJECTS, STRAY_SLOTS, STRAY_VALUES, TOTALS];
pub(crate) const ROW_STATEMENTS: &[Sql] = &[held::DAYS, held::SLOTS, held::VALUES, repair::DROP_EMPTY];

/// PostgreSQL's transaction in which every statement sees what the first one saw; a whole day may take its time.
const BEGIN_POSTGRES: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const NO_LIMIT: &str = "SET LOCAL statement_timeout = 0";
/// How often folding is tried until no batch comes in between that and the comparison, which begins a millisecond
/// later.
const FOLDS: u32 = 100;
/// An import may hold the rollups for minutes: a comparison waits as long as one statement may take.
const FOLD_LOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// Events of a read.
const CHUNK: i64 = 5_000;
/// Subjects of a comparison.
const SUBJECTS_AT_ONCE: usize = 500;

/// What a rollup counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counts {
    /// The clicks of a day in UTC.
    Day(i64),
    /// Those of a quarter of an hour.
    Slot(i64),
    /// Those of people with a value, on a day.
    Value(i64, Dimension, String),
    /// Those of a link, of all times.
    Total,
}

/// A rollup that does not say what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Whose clicks it counts.
    pub subject: Subject,
    /// Which of them.
    pub counts: Counts,
    /// What it says: clicks of people, and of programs.
    pub held: (i64, i64),
    /// What it should say.
    pub expected: (i64, i64),
}

/// A comparison in progress.
#[derive(Debug)]
pub struct Reconciliation {
    store: Store,
    /// Whether differences are repaired.
    fix: bool,
    /// Keeps other processes from repairing; SQLite has one writer, and a day's comparison and repair are one
    /// transaction.
    guard: Option<Tx>,
    /// Days that have slots or values of these subjects, and no row of their own.
    strays: BTreeMap<i64, BTreeSet<Subject>>,
    next: i64,
}

/// A click as it was stored.
#[derive(Debug, sqlx::FromRow)]
struct StoredClick {
    id: i64,
    url_id: UrlId,
    timestamp: Timestamp,
    details: Details,
}

impl Tx {
    /// Stored clicks as the rollups see them.
    async fn counted(&mut self, clicks: &[StoredClick]) -> Result<Vec<Counted<'static>>> {
        let urls: Vec<UrlId> = clicks.iter().map(|click| click.url_id).collect();
        let owners = self.owners(&urls).await?;
        let counted = |click: &StoredClick| {
            Counted::posted(click.url_id, owners.get(&click.url_id).copied(), click.timestamp, &click.details)
        };
        Ok(clicks.iter().map(counted).collect())
    }
}

impl Store {
    /// Begins a comparison.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if another process repairs.
    pub async fn reconcile(&self, fix: bool) -> Result<Reconciliation> {
        let mut guard = None;
        if fix && !self.is_embedded() {
            let mut tx = self.begin().await?;
            if !tx.try_lock(Lock::Reconcile).await? {
                return Err(StoreError::Unavailable("another process is repairing the rollups".to_owned()));
            }
            guard = Some(tx);
        }
        let mut comparison =
            Reconciliation { store: self.clone(), fix, guard, strays: BTreeMap::new(), next: FIRST_DAY };
        let mut tx = comparison.begin().await?;
        for sql in [STRAY_SLOTS, STRAY_VALUES] {
            let rows: Vec<(Subject, i64)> = on_tx!(tx, |conn| sqlx::query_as(sql).fetch_all(conn).await?);
            rows.into_iter().for_each(|(subject, day)| _ = comparison.strays.entry(day).or_default().insert(subject));
        }
        tx.rollback().await?;
        Ok(comparison)
    }
}

impl Reconciliation {
    /// Compares the next day that has events or rollups, and repairs it if that was asked for. Answers the day and
    /// what differs, or differed; none at the end.
    ///
    /// # Errors
    /// After an error the days before stay repaired.
    pub async fn next_day(&mut self) -> Result<Option<(i64, Vec<Difference>)>> {
        let mut tx = self.begin_folded().await?;
        let since: i64 = on_tx!(tx, |conn| sqlx::query_scalar(KEPT_SINCE).bind(FIRST_DAY).fetch_one(conn).await?);
        self.next = self.next.max(since);
        let Some(day) = self.find_day(&mut tx).await? else {
            tx.rollback().await?;
            return Ok(None);
        };
        self.next = day + 1;
        let strays = self.strays.remove(&day).unwrap_or_default();
        let differences = tx.compare_day(day, strays).await?;
        self.settle(tx, &differences).await?;
        Ok(Some((day, differences)))
    }

    /// Compares each link's total with the sum of its days, and repairs it if that was asked for: to be called after
    /// all days.
    pub async fn totals(&mut self) -> Result<Vec<Difference>> {
        let mut tx = self.begin().await?;
        let rows: Vec<(UrlId, i64, i64, i64, i64)> = on_tx!(tx, |conn| sqlx::query_as(TOTALS).fetch_all(conn).await?);
        let differences: Vec<Difference> = rows
            .into_iter()
            .map(|(url, people, bots, days_people, days_bots)| Difference {
                subject: Subject::url(url),
                counts: Counts::Total,
                held: (people, bots),
                expected: (days_people, days_bots),
            })
            .collect();
        self.settle(tx, &differences).await?;
        Ok(differences)
    }

    /// Ends the comparison, and lets others repair.
    ///
    /// # Errors
    /// If the connection breaks; the lock is then gone as well.
    pub async fn finish(self) -> Result<()> {
        match self.guard {
            Some(guard) => guard.rollback().await,
            None => Ok(()),
        }
    }

    /// The same at a moment when nothing is left to be folded: events and rollups say the same then.
    async fn begin_folded(&self) -> Result<Tx> {
        for _ in 0..FOLDS {
            self.store.fold_clicks(FOLD_LOCK_TIMEOUT).await?;
            let mut tx = self.begin().await?;
            // The first statement, whose moment is that of all.
            if !tx.has_pending().await? {
                return Ok(tx);
            }
            tx.rollback().await?;
        }
        Err(StoreError::Unavailable(
            "clicks come in faster than they can be folded in; try again when there are fewer".to_owned(),
        ))
    }

    /// A transaction that shows one moment. On SQLite it may write if that will be needed.
    async fn begin(&self) -> Result<Tx> {
        let inner = match &self.store {
            Store::Postgres { pool, peers, .. } => {
                let mut tx = pool.current().begin_with(BEGIN_POSTGRES).await?;
                sqlx::raw_sql(NO_LIMIT).execute(&mut tx).await?;
                TxInner::Postgres(tx, peers.clone())
            }
            Store::Sqlite { .. } if self.fix => return self.store.begin().await,
            Store::Sqlite { .. } => return self.store.snapshot().await,
        };
        Ok(Tx::new(inner))
    }

    /// The first day from `next` on that has events, rollups or strays.
    async fn find_day(&self, tx: &mut Tx) -> Result<Option<i64>> {
        if self.next > LAST_DAY {
            return Ok(None);
        }
        let begin = first_moment(self.next);
        let next_click = dialect::NEXT_CLICK.on(tx.is_embedded());
        let click: Option<Timestamp> =
            on_tx!(tx, |conn| sqlx::query_scalar(next_click).bind(begin).fetch_optional(conn).await?);
        let rolled: Option<i64> =
            on_tx!(tx, |conn| sqlx::query_scalar(NEXT_DAY).bind(self.next).fetch_one(conn).await?);
        let stray = self.strays.range(self.next..).next().map(|(day, _)| *day);
        Ok([click.map(day_of), rolled, stray].into_iter().flatten().min())
    }

    /// Ends the transaction of a comparison, and repairs what was found if that was asked for: in it on SQLite,
    /// else in short ones of their own.
    async fn settle(&self, mut comparison: Tx, differences: &[Difference]) -> Result<()> {
        if self.fix && self.store.is_embedded() {
            comparison.repair(differences).await?;
            comparison.commit().await?;
            return Ok(());
        }
        comparison.rollback().await?;
        if !self.fix {
            return Ok(());
        }
        for part in repair::parts(differences) {
            let mut tx = self.store.begin().await?;
            tx.repair(part).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

impl Tx {
    async fn compare_day(&mut self, day: i64, mut subjects: BTreeSet<Subject>) -> Result<Vec<Difference>> {
        let expected = self.expected(day).await?;
        let rolled: Vec<Subject> = on_tx!(self, |conn| sqlx::query_scalar(SUBJECTS).bind(day).fetch_all(conn).await?);
        subjects.extend(rolled.into_iter().chain(expected.subjects()));
        let mut subjects: Vec<Subject> = subjects.into_iter().collect();
        subjects.sort_by_key(|subject| subject.lock_order());
        let mut differences = Vec::new();
        for subjects in subjects.chunks(SUBJECTS_AT_ONCE) {
            let held = self.held(day, subjects).await?;
            for subject in subjects {
                expected.compare(*subject, day, &held, &mut differences);
            }
        }
        Ok(differences)
    }

    /// What the events of a day add up to.
    async fn expected(&mut self, day: i64) -> Result<Expected> {
        let mut expected = Expected::default();
        let sql = dialect::CLICKS_OF_DAY.on(self.is_embedded());
        let (mut from, to, mut after) = (first_moment(day), end_of(day, self.is_embedded()), 0);
        loop {
            let clicks: Vec<StoredClick> = on_tx!(self, |conn| {
                sqlx::query_as(sql).bind(from).bind(to).bind(after).bind(CHUNK).fetch_all(conn).await?
            });
            let counted = self.counted(&clicks).await?;
            expected.add(counted);
            match clicks.last() {
                Some(last) if clicks.len() as u64 == CHUNK.unsigned_abs() => (from, after) = (last.timestamp, last.id),
                _ => return Ok(expected),
            }
        }
    }
}

/// The first slot of a day.
fn first_slot(day: i64) -> i64 {
    day * SLOTS_PER_DAY
}

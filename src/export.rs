//! The store into CSV files: `users.csv`, `urls.csv`, `events.csv`, and what these cannot hold: `retired_codes.csv` for
//! codes once used, `rollups.csv` for clicks whose events may be gone.
//!
//! Promises: all files show one moment; an import of them into an empty database gives the same rows, and the next ids
//! are beyond all that were in use. The files appear under their names when all are complete. Rows are read in chunks,
//! so memory stays small however many there are.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::DateTime;
use csv_async::AsyncWriter;
use tokio::io::BufWriter;

use crate::{
    db::{Store, StoreError, Tx, private_file, snapshot::RetiredCode},
    domain::{Dimension, Event, EventId, Url, UrlId, User, UserId, clock::Timestamp, rollup::SLOT_SECONDS},
    stats::exported::{ExportedRollup, RollupKind},
};

/// An import may hold the rollups for minutes.
const FOLD_LOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// Rows of one query.
const CHUNK: u32 = 1_000;
/// Bytes of a write.
const BUFFER: usize = 64 << 10;

/// The files, in the order in which they are written.
pub const FILES: [&str; 5] = ["users.csv", "urls.csv", "events.csv", "retired_codes.csv", "rollups.csv"];

/// Is told how an export gets on.
pub trait Progress: Send + Sync {
    /// So many more rows have been written to the file.
    fn advance(&self, _file: &'static str, _rows: u64) {}
}

/// Without progress.
impl Progress for () {}

/// Rows written to each of [`FILES`].
pub type Counts = [u64; FILES.len()];

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file exists that would be overwritten.
    #[error("{} exists already; --force overwrites it", .0.display())]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("{}: {cause}", path.display())]
    File {
        /// Its name.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What cells look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As they are, for an import.
    AsStored,
    /// With an apostrophe before what a spreadsheet would take for a formula.
    ForSpreadsheets,
}

/// Writes all data to files in `folder`, which is created if it is missing. With `overwrite`, files that are there give
/// way. Only their owner may read them, and no symbolic link is followed.
///
/// # Errors
/// Names the file that exists or cannot be written.
pub async fn export(
    store: &Store,
    folder: &Path,
    overwrite: bool,
    form: Form,
    progress: &dyn Progress,
) -> Result<Counts, ExportError> {
    tokio::fs::create_dir_all(folder).await.map_err(failed(folder))?;
    for path in FILES.map(|file| folder.join(file)) {
        if !overwrite && tokio::fs::symlink_metadata(&path).await.is_ok() {
            return Err(ExportError::Exists(path));
        }
    }
    let files = Files { folder, form, progress };
    let written = files.write_all(store).await;
    for path in FILES.map(|file| folder.join(file)) {
        let partial = partial(&path);
        match written {
            Ok(_) if overwrite => tokio::fs::rename(&partial, &path).await.map_err(failed(&path))?,
            Ok(_) => private_file::publish(&partial, &path).await.map_err(|cause| match cause.kind() {
                std::io::ErrorKind::AlreadyExists => ExportError::Exists(path.clone()),
                _ => failed(&path)(cause),
            })?,
            // What was written so far is of no use; that it stays is no further harm.
            Err(_) => drop(tokio::fs::remove_file(&partial).await),
        }
    }
    written
}

/// The files that are written.
struct Files<'a> {
    folder: &'a Path,
    form: Form,
    progress: &'a dyn Progress,
}

impl Files<'_> {
    async fn write_all(&self, store: &Store) -> Result<Counts, ExportError> {
        // What is still to be folded in then is of the last second, and its events tell of it.
        store.fold_clicks(FOLD_LOCK_TIMEOUT).await?;
        let mut snapshot = store.snapshot().await?;
        let [users, urls, events, codes, rollups] = FILES;
        Ok([
            self.write::<User>(&mut snapshot, users).await?,
            self.write::<Url>(&mut snapshot, urls).await?,
            self.write::<Event>(&mut snapshot, events).await?,
            self.write::<RetiredCode>(&mut snapshot, codes).await?,
            self.write::<ExportedRollup>(&mut snapshot, rollups).await?,
        ])
    }

    async fn write<T: Record>(&self, snapshot: &mut Tx, name: &'static str) -> Result<u64, ExportError> {
        let path = partial(&self.folder.join(name));
        let file = private_file::create_anew(&path).await.map_err(failed(&path))?;
        let mut writer = AsyncWriter::from_writer(BufWriter::with_capacity(BUFFER, file));
        writer.write_record(T::HEADER).await.map_err(unwritten(&path))?;
        let (mut last, mut count) = (None, 0);
        loop {
            let rows = T::after(snapshot, last.as_ref()).await?;
            for row in &rows {
                let cells = row.cells();
                let cells = cells.iter().map(|cell| self.form.of(cell));
                writer
                    .write_record(cells.map(|cell| cell.into_owned().into_bytes()))
                    .await
                    .map_err(unwritten(&path))?;
            }
            let written = rows.len() as u64;
            count += written;
            self.progress.advance(name, written);
            match rows.into_iter().next_back() {
                Some(row) if written == u64::from(CHUNK) => last = Some(row),
                _ => break,
            }
        }
        writer.flush().await.map_err(failed(&path))?;
        let file = writer.into_inner().await.map_err(failed(&path))?.into_inner();
        file.sync_all().await.map_err(failed(&path))?;
        Ok(count)
    }
}

impl Form {
    /// A cell in this form. A negative number is no formula.
    fn of(self, cell: &str) -> Cow<'_, str> {
        let is_negative = cell.strip_prefix('-').is_some_and(|number| number.parse::<u64>().is_ok());
        let begins_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_negative;
        if self == Self::ForSpreadsheets && begins_formula { format!("'{cell}").into() } else { cell.into() }
    }
}

/// A row as it stands in a file.
trait Record: Sized {
    const HEADER: &'static [&'static str];

    /// The rows that follow `last`.
    async fn after(snapshot: &mut Tx, last: Option<&Self>) -> Result<Vec<Self>, StoreError>;

    /// Its cells, in the order of the header.
    fn cells(&self) -> Vec<Cow<'_, str>>;
}

impl Record for User {
    const HEADER: &'static [&'static str] = &["id", "username", "email", "created_at"];

    async fn after(snapshot: &mut Tx, last: Option<&Self>) -> Result<Vec<Self>, StoreError> {
        snapshot.users(last.map_or(UserId(0), |user| user.id), CHUNK).await
    }

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let (username, email) = (self.username.as_str(), self.email.as_str());
        vec![number(self.id), username.into(), email.into(), time(self.created_at)]
    }
}

impl Record for Url {
    const HEADER: &'static [&'static str] = &[
        "id",
        "user_id",
        "short_code",
        "original_url",
        "title",
        "is_active",
        "created_at",
        "updated_at",
        "disabled_reason",
    ];

    async fn after(snapshot: &mut Tx, last: Option<&Self>) -> Result<Vec<Self>, StoreError> {
        snapshot.urls(last.map_or(UrlId(0), |url| url.id), CHUNK).await
    }

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let title = self.title.as_ref().map_or("", |title| title.as_str());
        let is_active = if self.is_active { "True" } else { "False" };
        let (code, target) = (self.short_code.as_str(), self.original_url.as_str());
        let reason = self.disabled_reason.as_ref().map_or("", |reason| reason.as_str());
        vec![
            number(self.id),
            number(self.user_id),
            code.into(),
            target.into(),
            title.into(),
            is_active.into(),
            time(self.created_at),
            time(self.updated_at),
            reason.into(),
        ]
    }
}

impl Record for Event {
    const HEADER: &'static [&'static str] = &["id", "url_id", "user_id", "event_type", "timestamp", "details"];

    async fn after(snapshot: &mut Tx, last: Option<&Self>) -> Result<Vec<Self>, StoreError> {
        snapshot.events(last.map_or(EventId(0), |event| event.id), CHUNK).await
    }

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let user_id = self.user_id.map(number).unwrap_or_default();
        let (event_type, details) = (self.event_type.as_str(), self.details.as_str());
        vec![number(self.id), number(self.url_id), user_id, event_type.into(), time(self.timestamp), details.into()]
    }
}

impl Record for RetiredCode {
    const HEADER: &'static [&'static str] = &["short_code", "retired_at"];

    async fn after(snapshot: &mut Tx, last: Option<&Self>) -> Result<Vec<Self>, StoreError> {
        snapshot.retired_codes(last.map_or("", |code| code.short_code.as_str()), CHUNK).await
    }

    fn cells(&self) -> Vec<Cow<'_, str>> {
        vec![self.short_code.as_str().into(), time(self.retired_at)]
    }
}

impl Record for ExportedRollup {
    const HEADER: &'static [&'static str] =
        &["rollup", "subject", "user_id", "at", "dimension", "value", "people", "bots", "uniques"];

    async fn after(snapshot: &mut Tx, last: Option<&Self>) -> Result<Vec<Self>, StoreError> {
        snapshot.rollups(last, CHUNK).await
    }

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let moment = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        let (user_id, at) = match self.kind {
            RollupKind::Owner => (number(self.place), "".into()),
            RollupKind::Slot => ("".into(), time(moment(self.place * SLOT_SECONDS))),
            _ => ("".into(), moment(self.place * 86_400).format("%Y-%m-%d").to_string().into()),
        };
        let known = Dimension::ALL.into_iter().find(|known| i64::from(*known as i16) == self.dimension);
        let dimension = known.map_or("", Dimension::name);
        let [people, bots, uniques] = [self.people, self.bots, self.uniques].map(number);
        let (kind, value) = (self.kind.name().into(), self.value.as_str().into());
        vec![kind, number(self.subject), user_id, at, dimension.into(), value, people, bots, uniques]
    }
}

/// As the published data set writes times: UTC without a zone, with microseconds if there are any.
fn time(moment: Timestamp) -> Cow<'static, str> {
    let format = if moment.timestamp_subsec_micros() == 0 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.6f" };
    moment.format(format).to_string().into()
}

fn number(number: impl ToString) -> Cow<'static, str> {
    number.to_string().into()
}

fn partial(path: &Path) -> PathBuf {
    path.with_extension("csv.partial")
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> ExportError {
    let path = path.to_owned();
    move |cause| ExportError::File { path: path.clone(), cause }
}

fn unwritten(path: &Path) -> impl Fn(csv_async::Error) -> ExportError {
    let path = path.to_owned();
    move |error| ExportError::File { path: path.clone(), cause: std::io::Error::other(error) }
}

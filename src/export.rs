//! The store into CSV files: `users.csv`, `urls.csv`, `events.csv`, and what these cannot hold: `retired_codes.csv` for
//! codes once used, `rollups.csv` for clicks whose events may be gone.
//!
//! Promises: all files show one moment; an import of them into an empty database gives the same rows, and the next ids
//! are beyond all that were in use. The files appear under their names when all are complete. Rows are read in chunks,
//! so memory stays small however many there are.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::DateTime;
use csv_async::AsyncWriter;
use tokio::{fs::File, io::BufWriter};

use crate::{
    db::{Store, StoreError, Tx, snapshot::RetiredCode},
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
    #[error("{}: exists already, and is not overwritten unless told so", .0.display())]
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

/// Writes all data to files in `folder`, which is made if it is missing. With `overwrite`, files that are there give
/// way.
///
/// # Errors
/// Names the file that exists or cannot be written.
pub async fn export(
    store: &Store,
    folder: &Path,
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<Counts, ExportError> {
    tokio::fs::create_dir_all(folder).await.map_err(failed(folder))?;
    for path in FILES.map(|file| folder.join(file)) {
        if !overwrite && tokio::fs::try_exists(&path).await.map_err(failed(&path))? {
            return Err(ExportError::Exists(path));
        }
    }
    let written = write_all(store, folder, progress).await;
    for path in FILES.map(|file| folder.join(file)) {
        let partial = partial(&path);
        if written.is_ok() {
            tokio::fs::rename(&partial, &path).await.map_err(failed(&path))?;
        } else {
            // What was written so far is of no use; that it stays is no further harm.
            tokio::fs::remove_file(&partial).await.ok();
        }
    }
    written
}

async fn write_all(store: &Store, folder: &Path, progress: &dyn Progress) -> Result<Counts, ExportError> {
    // What is still to be folded in then is of the last second, and its events tell of it.
    store.fold_clicks(FOLD_LOCK_TIMEOUT).await?;
    let mut snapshot = store.snapshot().await?;
    let [users, urls, events, codes, rollups] = FILES;
    Ok([
        write::<User>(&mut snapshot, folder, users, progress).await?,
        write::<Url>(&mut snapshot, folder, urls, progress).await?,
        write::<Event>(&mut snapshot, folder, events, progress).await?,
        write::<RetiredCode>(&mut snapshot, folder, codes, progress).await?,
        write::<ExportedRollup>(&mut snapshot, folder, rollups, progress).await?,
    ])
}

async fn write<T: Record>(
    snapshot: &mut Tx,
    folder: &Path,
    name: &'static str,
    progress: &dyn Progress,
) -> Result<u64, ExportError> {
    let path = partial(&folder.join(name));
    let file = File::create(&path).await.map_err(failed(&path))?;
    let mut writer = AsyncWriter::from_writer(BufWriter::with_capacity(BUFFER, file));
    writer.write_record(T::HEADER).await.map_err(unwritten(&path))?;
    let (mut last, mut count) = (None, 0);
    loop {
        let rows = T::after(snapshot, last.as_ref()).await?;
        for row in &rows {
            row.write(&mut writer).await.map_err(unwritten(&path))?;
        }
        let written = rows.len() as u64;
        count += written;
        progress.advance(name, written);
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

type Writer = AsyncWriter<BufWriter<File>>;
type Written = Result<(), csv_async::Error>;

/// A row as it stands in a file.
trait Record: Sized {
    const HEADER: &'static [&'static str];

    /// The rows that follow `last`.
    async fn after(snapshot: &mut Tx, last: Option<&Self>) -> Result<Vec<Self>, StoreError>;

    async fn write(&self, writer: &mut Writer) -> Written;
}

impl Record for User {
    const HEADER: &'static [&'static str] = &["id", "username", "email", "created_at"];

    async fn after(snapshot: &mut Tx, last: Option<&Self>) -> Result<Vec<Self>, StoreError> {
        snapshot.users(last.map_or(UserId(0), |user| user.id), CHUNK).await
    }

    async fn write(&self, writer: &mut Writer) -> Written {
        let (id, created_at) = (self.id.to_string(), time(self.created_at));
        writer.write_record([&id, self.username.as_str(), self.email.as_str(), &created_at]).await
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

    async fn write(&self, writer: &mut Writer) -> Written {
        let (id, user_id) = (self.id.to_string(), self.user_id.to_string());
        let (created_at, updated_at) = (time(self.created_at), time(self.updated_at));
        let title = self.title.as_ref().map_or("", |title| title.as_str());
        let is_active = if self.is_active { "True" } else { "False" };
        let (code, target) = (self.short_code.as_str(), self.original_url.as_str());
        let reason = self.disabled_reason.as_ref().map_or("", |reason| reason.as_str());
        writer.write_record([&id, &user_id, code, target, title, is_active, &created_at, &updated_at, reason]).await
    }
}

impl Record for Event {
    const HEADER: &'static [&'static str] = &["id", "url_id", "user_id", "event_type", "timestamp", "details"];

    async fn after(snapshot: &mut Tx, last: Option<&Self>) -> Result<Vec<Self>, StoreError> {
        snapshot.events(last.map_or(EventId(0), |event| event.id), CHUNK).await
    }

    async fn write(&self, writer: &mut Writer) -> Written {
        let (id, url_id, timestamp) = (self.id.to_string(), self.url_id.to_string(), time(self.timestamp));
        let user_id = self.user_id.map(|id| id.to_string()).unwrap_or_default();
        let (event_type, details) = (self.event_type.as_str(), self.details.as_str());
        writer.write_record([&id, &url_id, &user_id, event_type, &timestamp, details]).await
    }
}

impl Record for RetiredCode {
    const HEADER: &'static [&'static str] = &["short_code", "retired_at"];

    async fn after(snapshot: &mut Tx, last: Option<&Self>) -> Result<Vec<Self>, StoreError> {
        snapshot.retired_codes(last.map_or("", |code| code.short_code.as_str()), CHUNK).await
    }

    async fn write(&self, writer: &mut Writer) -> Written {
        writer.write_record([self.short_code.as_str(), &time(self.retired_at)]).await
    }
}

impl Record for ExportedRollup {
    const HEADER: &'static [&'static str] =
        &["rollup", "subject", "user_id", "at", "dimension", "value", "people", "bots", "uniques"];

    async fn after(snapshot: &mut Tx, last: Option<&Self>) -> Result<Vec<Self>, StoreError> {
        snapshot.rollups(last, CHUNK).await
    }

    async fn write(&self, writer: &mut Writer) -> Written {
        let moment = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        let (user_id, at) = match self.kind {
            RollupKind::Owner => (self.place.to_string(), String::new()),
            RollupKind::Slot => (String::new(), time(moment(self.place * SLOT_SECONDS))),
            _ => (String::new(), moment(self.place * 86_400).format("%Y-%m-%d").to_string()),
        };
        let known = Dimension::ALL.into_iter().find(|known| i64::from(*known as i16) == self.dimension);
        let dimension = known.map_or("", Dimension::name);
        let [subject, people, bots, uniques] =
            [self.subject, self.people, self.bots, self.uniques].map(|number| number.to_string());
        let names = [self.kind.name(), &subject, &user_id, &at, dimension, &self.value, &people, &bots, &uniques];
        writer.write_record(names).await
    }
}

/// As the published data set writes times: UTC without a zone, with microseconds if there are any.
fn time(moment: Timestamp) -> String {
    let format = if moment.timestamp_subsec_micros() == 0 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.6f" };
    moment.format(format).to_string()
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

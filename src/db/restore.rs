//! A backup in place of the embedded database.
//!
//! Promises: the backup is copied and checked before anything happens to the database; a database that another
//! process has open is left alone; at every moment the file under the database's name is complete, the old one or the
//! new one.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode},
};

use super::{DatabaseUrl, migrate, private_file, sqlite_file};

const CHECK: &str = "PRAGMA integrity_check(1)";
const IS_OURS: &str =
    "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('urls', 'codes', 'click_totals')";
const OUR_TABLES: i64 = 3;
const SIZES: &str = r"
    SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM urls), (SELECT count(*) FROM events)
";
/// What SQLite keeps beside a database: its write-ahead log, the log's index, and the journal of older modes. Those
/// of another database would be applied to this one.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];
/// How long another process may hold the database, as one that ends does.
const IN_USE_FOR: Duration = Duration::from_millis(500);
/// Bytes copied at a time.
const BUFFER: usize = 1 << 20;

/// Why nothing was restored. The database is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// `DATABASE_URL` names no file.
    #[error("{0} is no SQLite file: for PostgreSQL use its own `pg_restore`")]
    NotEmbedded(String),
    /// The backup is the database.
    #[error("{} is the database itself: name a backup", .0.display())]
    Same(PathBuf),
    /// A process has the database open.
    #[error("the database {0} is in use: stop the service, then restore")]
    InUse(String),
    /// The backup has a write-ahead log, so it is incomplete.
    #[error(
        "{} has a write-ahead log beside it, so it is a service's own file: copy that with `buoy backup`",
        .0.display()
    )]
    HasLog(PathBuf),
    /// The backup cannot be used.
    #[error("{} cannot be restored: {why}", path.display())]
    Bad {
        /// Its name.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// Its name.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// What a restored database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Restored {
    /// Users.
    pub users: i64,
    /// Links.
    pub urls: i64,
    /// Events.
    pub events: i64,
}

/// Puts the backup `file` in the place of the database at `url`. `copied` is told of each piece, in bytes.
///
/// # Errors
/// If the backup is damaged or none of buoy's, if the database is in use, or if a file cannot be written.
pub async fn restore(
    url: &DatabaseUrl,
    file: &Path,
    copied: impl Fn(u64) + Send + 'static,
) -> Result<Restored, RestoreError> {
    let target = url.file().ok_or_else(|| RestoreError::NotEmbedded(url.place()))?;
    if is_same(file, target) {
        return Err(RestoreError::Same(file.to_owned()));
    }
    if std::fs::metadata(beside(file, "-wal")).is_ok_and(|log| log.len() > 0) {
        return Err(RestoreError::HasLog(file.to_owned()));
    }
    let partial = beside(target, ".restoring");
    let restored = async {
        copy(file, &partial, copied).await?;
        let restored = check(file, &partial).await?;
        replace(url, target, &partial).await?;
        Ok(restored)
    };
    let restored = restored.await;
    for leftover in BESIDE.map(|end| beside(&partial, end)).iter().chain([&partial]) {
        private_file::remove(leftover).await.map_err(failed(leftover))?;
    }
    restored
}

fn is_same(one: &Path, other: &Path) -> bool {
    let canonical = |path: &Path| std::fs::canonicalize(path).ok();
    canonical(one).is_some_and(|one| Some(one) == canonical(other))
}

/// The name of a file beside another one.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

async fn copy(file: &Path, partial: &Path, copied: impl Fn(u64) + Send + 'static) -> Result<(), RestoreError> {
    let mut to = private_file::create_anew(partial).await.map_err(failed(partial))?.into_std().await;
    let from = std::fs::File::open(file).map_err(failed(file))?;
    let written = tokio::task::spawn_blocking(move || {
        let mut from = io::BufReader::with_capacity(BUFFER, from);
        loop {
            let piece = io::BufRead::fill_buf(&mut from)?;
            if piece.is_empty() {
                return to.sync_all();
            }
            to.write_all(piece)?;
            let bytes = piece.len();
            io::BufRead::consume(&mut from, bytes);
            copied(bytes as u64);
        }
    });
    written.await.map_err(io::Error::other).flatten().map_err(failed(partial))
}

/// Checks the copy of `file`, and brings it to the newest schema.
async fn check(file: &Path, partial: &Path) -> Result<Restored, RestoreError> {
    let bad = |why: String| RestoreError::Bad { path: file.to_owned(), why };
    let damaged = |error: sqlx::Error| bad(format!("it is no SQLite database, or damaged ({error})"));
    let options = SqliteConnectOptions::new().filename(partial).create_if_missing(false);
    let mut connection = options.connect().await.map_err(damaged)?;
    let found: String = sqlx::query_scalar(CHECK).fetch_one(&mut connection).await.map_err(damaged)?;
    if found != "ok" {
        return Err(bad(format!("it is damaged: {found}")));
    }
    let tables: i64 = sqlx::query_scalar(IS_OURS).fetch_one(&mut connection).await.map_err(damaged)?;
    if tables != OUR_TABLES {
        return Err(bad("it is no database of buoy's".to_owned()));
    }
    let (users, urls, events) = sqlx::query_as(SIZES).fetch_one(&mut connection).await.map_err(damaged)?;
    migrate::migrate_sqlite(&mut connection).await.map_err(|error| bad(error.to_string()))?;
    connection.close().await.map_err(damaged)?;
    Ok(Restored { users, urls, events })
}

/// Renames the copy to the database, while no other process has that open.
async fn replace(url: &DatabaseUrl, target: &Path, partial: &Path) -> Result<(), RestoreError> {
    let lock = if target.exists() { lock(url, target).await? } else { None };
    // Before the renaming: a log that was left would be applied to the restored database.
    for stale in BESIDE.map(|end| beside(target, end)) {
        private_file::remove(&stale).await.map_err(failed(&stale))?;
    }
    tokio::fs::rename(partial, target).await.map_err(failed(target))?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))?;
    if let Some(lock) = lock {
        // The old file has no name any more: whether it is closed well does not matter.
        lock.close().await.ok();
    }
    Ok(())
}

/// The database in exclusive use, its log taken in; none if the file is no database, which nothing can have open.
async fn lock(url: &DatabaseUrl, target: &Path) -> Result<Option<SqliteConnection>, RestoreError> {
    let options = SqliteConnectOptions::new().filename(target).create_if_missing(false).busy_timeout(IN_USE_FOR);
    // Every connection to a database with a write-ahead log shares a lock until it closes, so only the last one can
    // leave that mode.
    let alone = options.locking_mode(SqliteLockingMode::Exclusive).journal_mode(SqliteJournalMode::Delete);
    let locked = async {
        let mut connection = alone.connect().await?;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await?;
        Ok(connection)
    };
    match locked.await {
        Ok(connection) => Ok(Some(connection)),
        Err(error) if sqlite_file::is_unreadable(&error) => Ok(None),
        Err(error) if sqlite_file::is_busy(&error) => Err(RestoreError::InUse(url.place())),
        Err(error) => Err(RestoreError::File { path: target.to_owned(), cause: io::Error::other(error) }),
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> RestoreError {
    let path = path.to_owned();
    move |cause| RestoreError::File { path: path.clone(), cause }
}

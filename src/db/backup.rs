//! A copy of the embedded database, taken while it is in use.

use std::path::{Path, PathBuf};

use super::{Store, StoreError, private_file};

const COPY: &str = "VACUUM INTO $1";

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database is not a file of this program.
    #[error("only the embedded database can be copied to a file: for PostgreSQL use its own `pg_dump`")]
    NotEmbedded,
    /// The target exists.
    #[error("{}: exists already, and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// The target's name cannot be handed to the database.
    #[error("{}: is not a file name in UTF-8", .0.display())]
    Name(PathBuf),
    /// The copy could not be put in its place.
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

impl Store {
    /// Copies the embedded database to a new file at `path`: as it is at one moment, while others read and write. The
    /// file appears under its name when it is complete. Answers its size in bytes.
    ///
    /// # Errors
    /// If the file exists already or cannot be written, and on PostgreSQL.
    pub async fn backup(&self, path: &Path) -> Result<u64, BackupError> {
        let Self::Sqlite { pool, .. } = self else { return Err(BackupError::NotEmbedded) };
        let failed = |cause| BackupError::File { path: path.to_owned(), cause };
        if tokio::fs::try_exists(path).await.map_err(failed)? {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let name = partial.to_str().ok_or_else(|| BackupError::Name(path.to_owned()))?;
        // The database writes to new or empty files only.
        private_file::create_anew(&partial).await.map_err(failed)?;
        let copied = match sqlx::query(COPY).bind(name).execute(pool).await {
            Ok(_) => complete(&partial, path).await,
            Err(error) => Err(BackupError::Store(error.into())),
        };
        private_file::remove(&partial).await.map_err(failed)?;
        copied
    }
}

/// Gives the finished copy its name, unless another file has taken it.
async fn complete(partial: &Path, path: &Path) -> Result<u64, BackupError> {
    let linked = async {
        let file = tokio::fs::File::open(partial).await?;
        file.sync_all().await?;
        private_file::publish(partial, path).await?;
        file.metadata().await.map(|about| about.len())
    };
    linked.await.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => BackupError::Exists(path.to_owned()),
        _ => BackupError::File { path: path.to_owned(), cause },
    })
}

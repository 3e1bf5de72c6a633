//! Files that hold everybody's data: databases, backups and exports, which their owner alone may read.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Read and write for the owner, nothing for others.
const OWNER_ALONE: u32 = 0o600;

/// Creates an empty file. One that is there, or a symbolic link, is an error: a planted link would choose what is
/// written to.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(OWNER_ALONE).open(path)
}

/// Removes what an interrupted run left at `path`, and creates the file anew.
pub async fn create_anew(path: &Path) -> io::Result<tokio::fs::File> {
    remove(path).await?;
    let path = path.to_owned();
    let created = tokio::task::spawn_blocking(move || create(&path)).await;
    created.map_err(io::Error::other)?.map(tokio::fs::File::from_std)
}

/// Gives the complete file `partial` its name, unless another file has taken it.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if one has.
pub async fn publish(partial: &Path, path: &Path) -> io::Result<()> {
    // A link, not a renaming: renaming would overwrite.
    tokio::fs::hard_link(partial, path).await?;
    tokio::fs::remove_file(partial).await
}

/// Removes a file, if it is there.
pub async fn remove(path: &Path) -> io::Result<()> {
    match tokio::fs::remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

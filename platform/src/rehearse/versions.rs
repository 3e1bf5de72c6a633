//! Two versions of the program: the one of this working tree, and the same with one migration more.
//!
//! The second is built from a copy of the tree, so that it is as real as the first: its migration is compiled in, and
//! its schema is newer than the one that the first version knows.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::{process::Command, time::Instant};

use super::{engine, say};

/// The migration of the next version: an expansion that touches the table which every request needs.
const MIGRATION: &str = "\
-- A migration that a rehearsal adds: a table, and a column that the version before does not know.
CREATE TABLE rehearsal (id bigint PRIMARY KEY, note text NOT NULL);
ALTER TABLE urls ADD COLUMN rehearsed text NOT NULL DEFAULT '';
";

/// What stands in the way of that migration until it is removed.
pub(super) const OBSTACLE: &str = "CREATE TABLE rehearsal (in_the_way text)";
/// Its removal.
pub(super) const NO_OBSTACLE: &str = "DROP TABLE rehearsal";

/// A version: an image, and the commit that it reports.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) image: &'static str,
    pub(super) commit: String,
}

/// Both versions.
#[derive(Debug, Clone)]
pub(super) struct Versions {
    pub(super) this: Version,
    pub(super) next: Version,
}

/// Builds both, the second on the layers of the first.
pub(super) async fn build(root: &Path, dockerfile: &str) -> Result<Versions> {
    let commit = git(root, &["rev-parse", "HEAD"]).await.context("the commit cannot be told: is this a clone?")?;
    let this = Version { image: "buoy-rehearsal:this", commit: commit.trim().to_owned() };
    let next = Version { image: "buoy-rehearsal:next", commit: format!("{}-next", this.commit) };
    build_one(root, dockerfile, &this).await?;
    let copy = copy_of(root).await?;
    add_migration(copy.path())?;
    build_one(copy.path(), dockerfile, &next).await?;
    Ok(Versions { this, next })
}

async fn build_one(context: &Path, dockerfile: &str, version: &Version) -> Result<()> {
    say(&format!("building {} from {dockerfile}; minutes where nothing is cached", version.image));
    let started = Instant::now();
    let arguments = [("COMMIT".to_owned(), version.commit.clone())];
    engine::build(context, dockerfile, version.image, &arguments).await?;
    say(&format!("built {} in {} s", version.image, started.elapsed().as_secs()));
    Ok(())
}

/// A copy of what Git knows of the tree, changes that are not committed included.
async fn copy_of(root: &Path) -> Result<TempDir> {
    let listed = git(root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).await?;
    let copy = tempfile::Builder::new().prefix("buoy-rehearsal-").tempdir()?;
    for file in listed.split('\0').filter(|file| !file.is_empty()) {
        let (from, to) = (root.join(file), copy.path().join(file));
        if !from.is_file() {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap_or(copy.path()))?;
        fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(copy)
}

/// Adds the migration to both databases, under the number after the last.
fn add_migration(root: &Path) -> Result<()> {
    let number = last_migration(&root.join("migrations/postgres"))? + 1;
    for database in ["postgres", "sqlite"] {
        let file: PathBuf = root.join("migrations").join(database).join(format!("{number:04}_rehearsal.sql"));
        fs::write(&file, MIGRATION).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn last_migration(folder: &Path) -> Result<u32> {
    let mut last = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let number = name.split('_').next().and_then(|number| number.parse().ok());
        last = last.max(number.with_context(|| format!("{name} has no number"))?);
    }
    ensure!(last > 0, "{} holds no migration", folder.display());
    Ok(last)
}

async fn git(root: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new("git").arg("-C").arg(root).args(args).stdin(Stdio::null()).output().await?;
    ensure!(output.status.success(), "git {} failed: {}", args[0], String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

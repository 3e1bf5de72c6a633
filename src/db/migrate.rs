//! The schema: applying migrations, and telling whether the database has the schema that this version needs.

use std::{sync::LazyLock, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    migrate::{MigrateError, Migrator},
};

use super::{
    Lock, Result, Server, Store, StoreError,
    address::{self, IS_A_POOLER},
    dialect,
    privileges::{self, Standing},
    sequences,
};

static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| tolerant(sqlx::migrate!("migrations/postgres")));
static SQLITE: LazyLock<Migrator> = LazyLock::new(|| tolerant(sqlx::migrate!("migrations/sqlite")));

/// How long to wait for another process that migrates; a migration itself has no limit.
const LOCK_TIMEOUT: Duration = Duration::from_secs(600);

/// How the database's schema compares with the one that this version was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// As new, or newer: during a deployment the old version runs on the new schema.
    Sufficient {
        /// The newest migration applied.
        version: i64,
    },
    /// No migration has been applied.
    Missing,
    /// Migrations are missing.
    TooOld {
        /// The newest migration applied.
        version: i64,
    },
}

/// The newest migration that this version knows: the schema it needs.
pub fn needed_version() -> i64 {
    POSTGRES.iter().map(|migration| migration.version).max().unwrap_or(0)
}

impl SchemaState {
    /// Compares the version found with the needed one.
    pub(crate) fn of(version: Option<i64>) -> Self {
        match version {
            None => Self::Missing,
            Some(version) if version < needed_version() => Self::TooOld { version },
            Some(version) => Self::Sufficient { version },
        }
    }
}

impl Store {
    /// Applies the migrations that are missing, one transaction each, and moves sequences that are behind. Several
    /// processes may call this concurrently: on PostgreSQL a lock lets one work and the others find nothing left to do.
    /// A newer schema is left as it is.
    ///
    /// # Errors
    /// Names the migration that failed; it is undone, and those before it stay. [`StoreError::Forbidden`] says what
    /// has to be granted or configured.
    pub async fn migrate(&self) -> Result<()> {
        match self {
            Self::Postgres { server, .. } => migrate_postgres(server).await?,
            Self::Sqlite { pool, .. } => SQLITE.run(pool).await.map_err(failed)?,
        }
        Ok(())
    }

    /// Compares the database's schema with the needed one.
    pub async fn schema_state(&self) -> Result<SchemaState> {
        let sql = dialect::SCHEMA_VERSION.on(self.is_embedded());
        let version = super::on_pool!(self, |pool| sqlx::query_scalar(sql).fetch_one(pool).await);
        version_found(version).map(SchemaState::of)
    }
}

/// The same for one connection to an SQLite file.
pub(super) async fn migrate_sqlite(connection: &mut SqliteConnection) -> Result<()> {
    SQLITE.run(connection).await.map_err(failed)
}

/// On a connection of its own: the pool's limits on statements and waiting are made for requests, and the lock that
/// keeps others from migrating at the same time belongs to a session, which a pooler does not give.
async fn migrate_postgres(server: &Server) -> Result<()> {
    let limits = [("statement_timeout", "0".to_owned()), ("lock_timeout", LOCK_TIMEOUT.as_millis().to_string())];
    let mut connection = server.direct().options(limits).connect().await?;
    if !address::is_direct(&mut connection).await? {
        return Err(StoreError::Forbidden(IS_A_POOLER.to_owned()));
    }
    if let Some(remedy) = Standing::of(&mut connection).await?.encoding_remedy() {
        return Err(StoreError::Forbidden(remedy));
    }
    let version = sqlx::query_scalar(dialect::SCHEMA_VERSION.postgres).fetch_one(&mut connection).await;
    let done = matches!(SchemaState::of(version_found(version)?), SchemaState::Sufficient { .. });
    match privileges::make_room(&mut connection, server.schema()).await {
        // There is nothing to create for this role, which may well be one that only reads and writes.
        Err(StoreError::Forbidden(_)) if done => {}
        made => {
            made?;
            POSTGRES.run_direct(None, &mut connection, false).await.map_err(failed)?;
        }
    }
    let mut tx = connection.begin().await?;
    sqlx::query(sequences::LOCK).bind(Lock::Sequences.number()).execute(&mut *tx).await?;
    sequences::advance(&mut *tx).await?;
    tx.commit().await?;
    connection.close().await?;
    Ok(())
}

/// Takes a missing table of migrations for a missing schema.
pub(crate) fn version_found(version: sqlx::Result<Option<i64>>) -> Result<Option<i64>> {
    const UNDEFINED_TABLE: &str = "42P01";
    match version {
        Err(sqlx::Error::Database(cause)) if cause.code().is_some_and(|code| code == UNDEFINED_TABLE) => Ok(None),
        other => Ok(other?),
    }
}

fn tolerant(mut migrator: Migrator) -> Migrator {
    migrator.set_ignore_missing(true);
    migrator
}

fn failed(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(cause) => cause.into(),
        other => StoreError::Migration(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_have_the_same_migrations() {
        let names = |migrator: &Migrator| -> Vec<(i64, String)> {
            migrator.iter().map(|migration| (migration.version, migration.description.to_string())).collect()
        };
        assert_eq!(names(&POSTGRES), names(&SQLITE));
    }

    #[test]
    fn a_newer_schema_is_sufficient() {
        assert_eq!(SchemaState::of(None), SchemaState::Missing);
        assert_eq!(SchemaState::of(Some(0)), SchemaState::TooOld { version: 0 });
        let newer = needed_version() + 1;
        assert_eq!(SchemaState::of(Some(newer)), SchemaState::Sufficient { version: newer });
    }
}

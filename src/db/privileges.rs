//! What the database lets this program's role do, and the remedy if that is too little.
//!
//! Since PostgreSQL 15 only a database's owner may create tables in the schema public. A new role therefore meets
//! "permission denied for schema public" at its first migration, which names no remedy.

use sqlx::{Executor, PgConnection, Postgres};

use super::{Result, StoreError};

const STANDING: &str = r"
    SELECT
        current_user::text AS role,
        current_database()::text AS database,
        current_setting('server_encoding') AS encoding,
        current_schema()::text AS schema,
        coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
        has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
        has_database_privilege(current_database(), 'TEMPORARY') AS may_stage";
const SCHEMA_EXISTS: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)";
/// Tables of the present schema that some privilege is missing on; the table of migrations is read alone.
const OUT_OF_REACH: &str = r"
    SELECT count(*)
    FROM pg_catalog.pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace
    AND c.relkind = 'r'
    AND NOT (
        has_table_privilege(c.oid, 'SELECT')
        AND (
            c.relname = '_sqlx_migrations'
            OR has_table_privilege(c.oid, 'INSERT')
            AND has_table_privilege(c.oid, 'UPDATE')
            AND has_table_privilege(c.oid, 'DELETE')
        )
    )";

/// The statements of this module, which only PostgreSQL understands.
pub(crate) const STATEMENTS: &[&str] = &[STANDING, SCHEMA_EXISTS, OUT_OF_REACH];

/// What a role may do.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Standing {
    /// The role.
    pub role: String,
    /// The database.
    pub database: String,
    /// Its encoding.
    pub encoding: String,
    /// The schema in which tables are looked for and created; none if there is none that the role may use.
    pub schema: Option<String>,
    /// Whether the role may create tables there.
    pub may_create: bool,
    /// Whether the role may create a schema.
    pub may_create_schema: bool,
    /// Whether the role may create temporary tables, which imports need.
    pub may_stage: bool,
}

impl Standing {
    /// Asks the database.
    pub(crate) async fn of(connection: impl Executor<'_, Database = Postgres>) -> sqlx::Result<Self> {
        sqlx::query_as(STANDING).fetch_one(connection).await
    }

    /// What has to be done about a database that cannot store every text; nothing if it can.
    pub fn encoding_remedy(&self) -> Option<String> {
        let Self { database, encoding, .. } = self;
        (encoding != "UTF8").then(|| {
            format!(
                "the database {database} has the encoding {encoding}, in which not every name and address can be \
                 stored: create \
                 another one with `CREATE DATABASE buoy ENCODING 'UTF8' TEMPLATE template0`, and name it in \
                 DATABASE_URL"
            )
        })
    }

    /// What has to be done before this role can migrate, `chosen` being the configured schema; nothing
    /// if it can.
    pub fn remedy(&self, chosen: Option<&str>) -> Option<String> {
        if self.may_create {
            return None;
        }
        let Self { role, database, .. } = self;
        let Some(chosen) = chosen else {
            let schema = self.schema.as_deref().unwrap_or("public");
            let own = if self.may_create_schema {
                "which `buoy migrate` then creates".to_owned()
            } else {
                format!("after `GRANT CREATE ON DATABASE \"{database}\" TO \"{role}\"`")
            };
            return Some(format!(
                "the role {role} may not create tables in schema {schema} of database {database}: as the database's \
                 owner run \
                 `GRANT ALL ON SCHEMA {schema} TO \"{role}\"`, or set DATABASE_SCHEMA=buoy to use a schema of its \
                     own, {own}; a \
                 development database of App Platform is mended by recreating it"
            ));
        };
        Some(format!(
            "the role {role} may not create tables in schema {chosen}, which DATABASE_SCHEMA names: as the \
             database's owner run \
             `CREATE SCHEMA IF NOT EXISTS \"{chosen}\"; GRANT ALL ON SCHEMA \"{chosen}\" TO \"{role}\"`"
        ))
    }
}

/// Tables that this role cannot read and write.
pub(crate) async fn out_of_reach(connection: impl Executor<'_, Database = Postgres>) -> sqlx::Result<i64> {
    sqlx::query_scalar(OUT_OF_REACH).fetch_one(connection).await
}

/// Creates the schema that was chosen, if it is missing and may be created, and makes sure that tables can be
/// created in it.
///
/// # Errors
/// [`StoreError::Forbidden`] with the remedy.
pub(super) async fn make_room(connection: &mut PgConnection, chosen: Option<&str>) -> Result<()> {
    let standing = Standing::of(&mut *connection).await?;
    if let Some(name) = chosen
        && standing.may_create_schema
        && !schema_exists(connection, name).await?
    {
        let made = connection.execute(sqlx::AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS \"{name}\""))).await;
        // Another process may have made it at the same moment, which `IF NOT EXISTS` does not forgive.
        if let Err(error) = made
            && !schema_exists(connection, name).await?
        {
            return Err(error.into());
        }
    }
    match Standing::of(connection).await?.remedy(chosen) {
        Some(remedy) => Err(StoreError::Forbidden(remedy)),
        None => Ok(()),
    }
}

async fn schema_exists(connection: &mut PgConnection, name: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar(SCHEMA_EXISTS).bind(name).fetch_one(connection).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_names_what_to_run() {
        let standing = Standing {
            role: "ann".to_owned(),
            database: "db".to_owned(),
            encoding: "UTF8".to_owned(),
            schema: Some("public".to_owned()),
            may_create: false,
            may_create_schema: false,
            may_stage: true,
        };
        let remedy = standing.remedy(None).unwrap();
        for words in ["GRANT ALL ON SCHEMA public TO \"ann\"", "DATABASE_SCHEMA=", "GRANT CREATE ON DATABASE \"db\""] {
            assert!(remedy.contains(words), "{words}: {remedy}");
        }
        let remedy = standing.remedy(Some("links")).unwrap();
        assert!(remedy.contains("GRANT ALL ON SCHEMA \"links\" TO \"ann\""), "{remedy}");
        assert_eq!(standing.encoding_remedy(), None);
        let latin = Standing { encoding: "LATIN1".to_owned(), ..standing.clone() }.encoding_remedy().unwrap();
        assert!(latin.contains("LATIN1") && latin.contains("ENCODING 'UTF8'"), "{latin}");
        assert_eq!(Standing { may_create: true, ..standing }.remedy(None), None);
    }
}

//! Roles that may do little, as on PostgreSQL 15 and later, and tables in a schema of their own.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    app::TestApp,
    common::database::{Database, Kind, on_server},
    platform::{assert_done, assert_refused},
    process::run,
};

/// A database, and a role that owns nothing in it.
pub(crate) struct Guest {
    pub(crate) database: Database,
    /// The address for that role.
    pub(crate) url: String,
    /// Its name.
    pub(crate) role: String,
}

impl Guest {
    /// A role on an empty database that may do there what everybody may since PostgreSQL 15.
    pub(crate) async fn new() -> Self {
        let database = Database::empty(Kind::Postgres).await;
        // Removed with the database.
        let role = format!("{}_user", database.name);
        on_server(&format!("CREATE ROLE {role} LOGIN PASSWORD 'guest'")).await;
        let mut url = url::Url::parse(&database.url).unwrap();
        url.set_username(&role).unwrap();
        url.set_password(Some("guest")).unwrap();
        let guest = Self { database, url: url.into(), role };
        guest.as_owner("REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
        guest
    }

    /// Runs a statement in the database as its owner.
    pub(crate) async fn as_owner(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.database.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Runs a command as the guest.
    pub(crate) fn run(&self, command: &str, variables: &[(&str, &str)]) -> crate::process::Finished {
        let mut all = vec![("DATABASE_URL", self.url.as_str())];
        all.extend(variables);
        run(self.database.folder(), &[command], &all)
    }

    /// Which schemas hold a table of this name.
    async fn schemas_with(&self, table: &str) -> Vec<String> {
        let mut connection = PgConnection::connect(&self.database.url).await.unwrap();
        let sql = "SELECT schemaname::text FROM pg_tables WHERE tablename = $1 ORDER BY 1";
        sqlx::query_scalar(sql).bind(table).fetch_all(&mut connection).await.unwrap()
    }
}

/// What the program says in backquotes after `before`.
fn quoted<'a>(text: &'a str, before: &str) -> &'a str {
    let (_, after) = text.split_once(before).unwrap_or_else(|| panic!("{before}: {text}"));
    after.split('`').nth(1).unwrap_or_else(|| panic!("no quotation after {before}: {text}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_may_create_nothing_is_told_what_to_do() {
    let guest = Guest::new().await;
    let refused = guest.run("migrate", &[]);
    assert_refused(&refused, &["schema public", "GRANT ALL ON SCHEMA public", "DATABASE_SCHEMA=", &guest.role]);
    let seen = guest.run("doctor", &[]);
    assert_refused(&seen, &["fail  privileges", "GRANT ALL ON SCHEMA public"]);
    // Exactly what it said is what helps.
    guest.as_owner(quoted(&refused.output(), "as the database's owner run")).await;
    assert_done(&guest.run("migrate", &[]));
    assert_done(&guest.run("doctor", &[]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_its_own_is_created_where_that_is_allowed() {
    let guest = Guest::new().await;
    let own = ("DATABASE_SCHEMA", "links");
    let refused = guest.run("migrate", &[own]);
    assert_refused(&refused, &["schema links", "GRANT ALL ON SCHEMA \"links\"", &guest.role]);
    let database = &guest.database.name;
    guest.as_owner(&format!("GRANT CREATE ON DATABASE {database} TO {}", guest.role)).await;
    let seen = guest.run("doctor", &[own]);
    assert_refused(&seen, &["may create schema links", "fail  schema"]);
    // Several concurrently, as jobs of several deployments may be.
    std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..3).map(|_| scope.spawn(|| guest.run("migrate", &[own]))).collect();
        jobs.into_iter().for_each(|job| assert_done(&job.join().unwrap()));
    });
    assert_eq!(guest.schemas_with("urls").await, ["links"]);
    assert_eq!(guest.schemas_with("_sqlx_migrations").await, ["links"]);
    let seen = guest.run("doctor", &[own]);
    assert_done(&seen);
    assert!(seen.out.contains("all it needs in schema links"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_works_in_a_schema_of_its_own() {
    let guest = Guest::new().await;
    guest.as_owner(&format!("CREATE SCHEMA \"user\" AUTHORIZATION {}", guest.role)).await;
    // A word that SQL keeps for itself is a name like another.
    let own = ("DATABASE_SCHEMA", "user");
    assert_done(&guest.run("migrate", &[own]));
    let url = guest.url.clone();
    let database = std::sync::Arc::new(guest.database);
    let app = TestApp::start_on(&database, &[("DATABASE_URL", &url), own]).await;
    let ann = app.user("ann").await;
    let link = app.url(ann, "https://example.com/own").await;
    let code = link["short_code"].as_str().unwrap();
    assert_eq!(app.get(&format!("/{code}")).await.header("location"), Some("https://example.com/own"));
    app.until("counted", || async { app.clicks(&link["id"]).await == 1 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_only_reads_and_writes_needs_no_more_once_the_schema_is_there() {
    let guest = Guest::new().await;
    let store = guest.database.store().await;
    store.migrate().await.unwrap();
    store.close().await;
    let refused = guest.run("doctor", &[]);
    assert_refused(&refused, &["fail  privileges", "GRANT ALL ON ALL TABLES"]);
    let tables = format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}", guest.role);
    let sequences = format!("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {}", guest.role);
    guest.as_owner(&format!("{tables}; {sequences}")).await;
    assert_done(&guest.run("migrate", &[]));
    let seen = guest.run("doctor", &[]);
    assert_done(&seen);
    assert!(seen.out.contains("warn  privileges"), "{seen:?}");
}

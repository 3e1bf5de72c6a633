//! PgBouncer in transaction mode: no statement finds the session of the one before, and no start-up parameter arrives.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::{Method, multipart};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Row as _};

use crate::{
    app::{TestApp, send},
    common::database::{Database, Kind},
    platform::{assert_done, assert_refused, connections::connections, servers::through_pooler},
    process::run,
};

/// A database with the newest schema in a schema of its own, and two replicas that reach it through the pooler.
struct Fleet {
    one: TestApp,
    two: TestApp,
    database: Arc<Database>,
}

impl Fleet {
    async fn start() -> Self {
        let database = Arc::new(Database::empty(Kind::Postgres).await);
        let (url, direct) = (through_pooler(&database.name), database.url.clone());
        let variables =
            [("DATABASE_URL", url.as_str()), ("DATABASE_DIRECT_URL", direct.as_str()), ("DATABASE_SCHEMA", "links")];
        assert_done(&run(database.folder(), &["migrate"], &variables));
        let one = TestApp::start_on(&database, &variables).await;
        let two = TestApp::start_on(&database, &variables).await;
        Self { one, two, database }
    }

    /// Neither replica complained of anything.
    fn assert_calm(&self) {
        for app in [&self.one, &self.two] {
            let complaints: Vec<Value> = app
                .server
                .logs()
                .into_iter()
                .filter(|line| line["level"] != "INFO" && line["http.route"] != "/ready")
                .collect();
            assert!(complaints.is_empty(), "{complaints:#?}");
        }
    }

    /// What other clients of the pooler would find left in its sessions: named statements, and settings that are not
    /// theirs.
    async fn assert_sessions_clean(&self) {
        let url = format!("{}?sslmode=disable", through_pooler(&self.database.name));
        let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
        let options = options.extra_float_digits(None);
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        // In turn, so more often than there are sessions.
        for _ in 0..6 {
            let sql = "SELECT (SELECT count(*) FROM pg_prepared_statements)::text, current_setting('search_path'), \
                       current_setting('statement_timeout'), \
                       (SELECT count(*) FROM pg_class WHERE relname LIKE 'import_%')::text";
            let row = sqlx::Executor::fetch_one(&mut connection, sqlx::raw_sql(sql)).await.unwrap();
            let left: [String; 4] = [row.get(0), row.get(1), row.get(2), row.get(3)];
            assert_eq!(left, ["0", "\"$user\", public", "0", "0"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_through_a_pooler() {
    let fleet = Fleet::start().await;
    let (one, two) = (&fleet.one, &fleet.two);
    let ann = one.user("ann").await;
    let links = join_all((0..40).map(|number| {
        let app = if number % 2 == 0 { one } else { two };
        async move { app.url(ann, &format!("https://example.com/{number}")).await }
    }));
    let links = links.await;
    assert_eq!(two.get("/urls?page=1").await.expect(200).as_array().map_or(0, Vec::len), 20);
    assert_eq!(one.get("/urls").await.expect(200).as_array().map_or(0, Vec::len), 40);
    assert_eq!(one.get("/users").await.expect(200).as_array().map_or(0, Vec::len), 1);
    for (number, link) in links.iter().enumerate() {
        let code = link["short_code"].as_str().unwrap();
        for app in [one, two] {
            let target = format!("https://example.com/{number}");
            assert_eq!(app.get(&format!("/{code}")).await.header("location"), Some(target.as_str()));
        }
    }
    one.until("counted", || async {
        one.get("/events?event_type=click").await.expect(200).as_array().map_or(0, Vec::len) == 80
    })
    .await;
    let body = json!({"user_id": ann, "original_url": "https://example.com/key"});
    let first = one.post_with_key("/urls", "key", &body).await.expect(201);
    assert_eq!(two.post_with_key("/urls", "key", &body).await.expect(201)["id"], first["id"]);
    import_and_delete(&fleet, ann, &links[0]).await;
    fleet.assert_calm();
    fleet.assert_sessions_clean().await;
}

/// What is done in one long transaction, with temporary tables and COPY.
async fn import_and_delete(fleet: &Fleet, ann: i64, link: &Value) {
    let (one, two) = (&fleet.one, &fleet.two);
    for (round, app) in [one, two, one].into_iter().enumerate() {
        let rows: String = (0..500)
            .map(|row| {
                format!(
                    "{},{ann},r{round}x{row},https://example.com/{row},,True,2026-01-01 00:00:00,2026-01-01 00:00:00\n",
                    1_000 + round * 1_000 + row
                )
            })
            .collect();
        let csv = format!("id,user_id,short_code,original_url,title,is_active,created_at,updated_at\n{rows}");
        let form = multipart::Form::new().part("file", multipart::Part::text(csv).file_name("urls.csv"));
        let answer = send(app.request(Method::POST, "/urls/bulk").multipart(form)).await;
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    }
    assert_eq!(one.get("/r2x499").await.status, 302);
    assert_eq!(one.delete(&format!("/urls/{}", link["id"])).await.status, 204);
    let code = link["short_code"].as_str().unwrap();
    assert_eq!(two.get(&format!("/{code}")).await.status, 404);
    assert_eq!(two.delete(&format!("/users/{ann}")).await.status, 204);
    assert_eq!(one.get("/urls?page=1").await.expect(200), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_seen_immediately_on_every_replica() {
    let fleet = Fleet::start().await;
    let ann = fleet.one.user("ann").await;
    let link = fleet.one.url(ann, "https://example.com/0").await;
    let (path, id) = (format!("/{}", link["short_code"].as_str().unwrap()), &link["id"]);
    for round in 1..=60 {
        let (changing, other) = if round % 2 == 0 { (&fleet.one, &fleet.two) } else { (&fleet.two, &fleet.one) };
        // Reads during the change leave the old target wherever it could be cached.
        let reading = join_all((0..8).map(|_| other.get(&path)));
        let target = format!("https://example.com/{round}");
        let changed = json!({"original_url": target});
        let request = changing.request(Method::PATCH, &format!("/urls/{id}")).json(&changed);
        let (_, changed) = tokio::join!(reading, send(request));
        assert_eq!(changed.status, 200, "{changed:?}");
        for app in [other, changing] {
            assert_eq!(app.get(&path).await.header("location"), Some(target.as_str()));
        }
    }
    fleet.assert_calm();
}

/// Transactions that hold every server of the pooler for this database.
async fn hold_servers(database: &Database) -> Vec<PgConnection> {
    let options: sqlx::postgres::PgConnectOptions = through_pooler(&database.name).parse().unwrap();
    let options = options.extra_float_digits(None).statement_cache_capacity(0);
    let mut held = Vec::new();
    // As many as `scripts/with-pgbouncer` says. The service's own may be in between.
    while held.len() < 3 {
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
        held.push(connection);
    }
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_without_a_free_server_is_not_waited_for() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let (url, direct) = (through_pooler(&database.name), database.url.clone());
    let variables =
        [("DATABASE_URL", url.as_str()), ("DATABASE_DIRECT_URL", direct.as_str()), ("DATABASE_WAIT_MS", "800")];
    let app = TestApp::start_on(&database, &variables).await;
    let link = app.url(app.user("ann").await, "https://example.com").await;
    let held = hold_servers(&database).await;
    let path = format!("/urls/{}", link["id"]);
    for _ in 0..3 {
        let begun = Instant::now();
        app.get(&path).await.problem(503, "database_unavailable");
        let body = json!({"user_id": link["user_id"], "original_url": "https://example.com"});
        app.post("/urls", &body).await.problem(503, "database_unavailable");
        // Two waits of 800 ms, and what a busy machine adds.
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
    drop(held);
    app.until("served", || async { app.get(&path).await.status == 200 }).await;
    app.url(link["user_id"].as_i64().unwrap(), "https://example.com").await;
    assert_eq!(
        app.get("/urls").await.expect(200).as_array().map(Vec::len),
        Some(2),
        "nothing was made that was refused"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_replica_listens_on_one_direct_connection() {
    let fleet = Fleet::start().await;
    let listening = connections(&fleet.database.name).await;
    let listening: i64 = listening.iter().filter(|(name, _)| name == "buoy listener").map(|(_, count)| count).sum();
    assert_eq!(listening, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_never_goes_through_a_pooler() {
    let database = Database::empty(Kind::Postgres).await;
    let url = through_pooler(&database.name);
    let migrate = |variables: &[(&str, &str)]| {
        let mut all = vec![("DATABASE_URL", url.as_str())];
        all.extend(variables);
        run(database.folder(), &["migrate"], &all)
    };
    assert_refused(&migrate(&[("DATABASE_DIRECT_URL", &url)]), &["connection pooler", "DATABASE_DIRECT_URL"]);
    assert_refused(&migrate(&[]), &["connection pooler", "DATABASE_DIRECT_URL"]);
    assert_done(&migrate(&[("DATABASE_DIRECT_URL", &database.url)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_nobody_told_of_stops_the_service() {
    let database = Database::fresh(Kind::Postgres).await;
    let url = through_pooler(&database.name);
    let serve = |variables: &[(&str, &str)]| {
        let mut all = vec![("DATABASE_URL", url.as_str()), ("PORT", "0")];
        all.extend(variables);
        run(database.folder(), &["serve"], &all)
    };
    assert_refused(&serve(&[]), &["connection pooler", "DATABASE_DIRECT_URL"]);
    assert_refused(&serve(&[("DATABASE_DIRECT_URL", &url)]), &["connection pooler"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_looks_through_the_pooler_and_around_it() {
    let database = Database::fresh(Kind::Postgres).await;
    let url = through_pooler(&database.name);
    let doctor = |variables: &[(&str, &str)]| {
        let mut all = vec![("DATABASE_URL", url.as_str())];
        all.extend(variables);
        run(database.folder(), &["doctor"], &all)
    };
    let ended = doctor(&[("DATABASE_DIRECT_URL", &database.url)]);
    assert_done(&ended);
    assert!(ended.out.contains("ok    pooler") && ended.out.contains("1 beside the pooler"), "{ended:?}");
    assert_refused(&doctor(&[]), &["fail  database", "DATABASE_DIRECT_URL"]);
}

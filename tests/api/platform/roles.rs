//! Two roles, made by `deploy/roles.sql`: one migrates, the other serves and may only read and write rows.

use std::sync::Arc;

use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    app::{TestApp, send},
    common::database::{Database, Kind, on_server},
    platform::assert_done,
    process::run,
};

const SCRIPT: &str = include_str!("../../../deploy/roles.sql");

/// The address of `database` for one of its roles.
fn address(database: &Database, role: &str) -> String {
    let mut url = url::Url::parse(&database.url).unwrap();
    url.set_username(role).unwrap();
    url.set_password(Some("guest")).unwrap();
    url.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_needs_no_more_than_rows() {
    let database = Arc::new(Database::empty(Kind::Postgres).await);
    // Roles belong to the server, so each test has its own names.
    let [migrate, service] = ["migrate", "service"].map(|role| format!("{}_{role}", database.name));
    let script = SCRIPT.replace("buoy_migrate", &migrate).replace("buoy_service", &service);
    let mut owner = PgConnection::connect(&database.url).await.unwrap();
    let passwords = format!("ALTER ROLE {migrate} PASSWORD 'guest'; ALTER ROLE {service} PASSWORD 'guest'");
    sqlx::raw_sql(AssertSqlSafe(format!("{script}; {passwords}"))).execute(&mut owner).await.unwrap();
    owner.close().await.unwrap();
    let command = |role: &str, arguments: &[&str]| {
        assert_done(&run(database.folder(), arguments, &[("DATABASE_URL", &address(&database, role))]));
    };
    command(&migrate, &["migrate"]);
    command(&service, &["doctor"]);

    let variables = [("DATABASE_URL", &*address(&database, &service)), ("EVENT_RETENTION_DAYS", "30")];
    let app = TestApp::start_on(&database, &variables).await;
    let ann = app.user("ann").await;
    let link = app.url(ann, "https://example.com/").await;
    let path = format!("/urls/{}", link["id"]);
    app.get(&format!("/{}", link["short_code"].as_str().unwrap())).await;
    app.until("counted", || async { app.clicks(&link["id"]).await == 1 }).await;
    assert_eq!(app.get(&format!("{path}/stats")).await.expect(200)["total"], 1);
    let change = json!({"disabled_reason": "legal"});
    send(app.request(Method::PATCH, &path).json(&change)).await.expect(200);
    let again = json!({"user_id": ann, "original_url": "https://example.com/2"});
    let first = app.post_with_key("/urls", "once", &again).await.expect(201);
    assert_eq!(app.post_with_key("/urls", "once", &again).await.expect(201), first);
    // An id of the file's own, behind which the sequence moves, and the staging tables of an import.
    let rows = format!("id,user_id,short_code,original_url\n1000,{ann},imported,https://example.com/3\n");
    let file = Form::new().part("file", Part::text(rows).file_name("urls.csv"));
    send(app.request(Method::POST, "/urls/bulk").multipart(file)).await.expect(201);
    assert!(app.url(ann, "https://example.com/4").await["id"].as_i64().unwrap() > 1_000);
    command(&service, &["key", "create", "--user", "ann", "--name", "script", "--scope", "links:read"]);
    command(&service, &["reconcile", "--fix"]);
    assert_eq!(app.delete(&format!("/users/{ann}")).await.status, 204);
    let denied = app.server.lines().into_iter().filter(|line| line.contains("permission denied"));
    assert_eq!(denied.collect::<Vec<_>>(), Vec::<String>::new());

    drop((app, database));
    on_server(&format!("DROP ROLE {migrate}; DROP ROLE {service}")).await;
}

//! One instance takes its pool and one connection more: what the sums in the app spec rest on.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use sqlx::{Connection as _, PgConnection};
use tokio::time::sleep;

use crate::{
    app::TestApp,
    common::database::{Database, Kind, server_url},
};

/// The clients connected to a database, as (application, count). Workers of the server's own, such as autovacuum's,
/// take nothing of `max_connections`.
pub(crate) async fn connections(database: &str) -> Vec<(String, i64)> {
    let mut connection = PgConnection::connect(&server_url()).await.unwrap();
    let sql = "SELECT application_name::text, count(*) FROM pg_stat_activity
               WHERE datname = $1 AND backend_type = 'client backend' GROUP BY 1 ORDER BY 1";
    let rows = sqlx::query_as(sql).bind(database).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows
}

fn sum(clients: &[(String, i64)]) -> i64 {
    clients.iter().map(|(_, count)| count).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_takes_its_pool_and_one_more() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    // The server is a moment behind those who made the schema and left.
    while !connections(&database.name).await.is_empty() {
        sleep(Duration::from_millis(5)).await;
    }
    let app = TestApp::start_on(&database, &[("DATABASE_POOL_SIZE", "3")]).await;
    let mut most = Vec::new();
    for round in 0..10 {
        // Lists have a share of the pool, so that changes are what fills it.
        let busy = join_all((0..30).map(|number| {
            let app = &app;
            async move {
                match number % 3 {
                    0 => assert_eq!(app.get(&format!("/users?page={}", number + 1)).await.status, 200),
                    _ => drop(app.user(&format!("user-{round}-{number}")).await),
                }
            }
        }));
        let (_, during) = tokio::join!(busy, connections(&database.name));
        most = [most, during].into_iter().max_by_key(|clients| sum(clients)).unwrap_or_default();
    }
    let named = |name: &str, count: i64| (name.to_owned(), count);
    assert_eq!(connections(&database.name).await, [named("buoy", 3), named("buoy listener", 1)]);
    assert!(sum(&most) <= 4, "{most:?} at once");
}

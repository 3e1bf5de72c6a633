//! One instance takes its pool and one connection more: what the sums in the app spec rest on.

use std::sync::Arc;

use futures_util::future::join_all;
use sqlx::{Connection as _, PgConnection};

use crate::{
    app::TestApp,
    common::database::{Database, Kind, server_url},
};

/// The connections of a database, as (application, count).
pub(crate) async fn connections(database: &str) -> Vec<(String, i64)> {
    let mut connection = PgConnection::connect(&server_url()).await.unwrap();
    let sql = "SELECT application_name::text, count(*) FROM pg_stat_activity WHERE datname = $1 GROUP BY 1 ORDER BY 1";
    let rows = sqlx::query_as(sql).bind(database).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_takes_its_pool_and_one_more() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let app = TestApp::start_on(&database, &[("DATABASE_POOL_SIZE", "3")]).await;
    let mut most = 0;
    for _ in 0..10 {
        let busy = join_all((0..30).map(|number| {
            let path = format!("/users?page={}", number + 1);
            let app = &app;
            async move { app.get(&path).await }
        }));
        let (answers, during) = tokio::join!(busy, connections(&database.name));
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        most = most.max(during.iter().map(|(_, count)| count).sum::<i64>());
    }
    let named = |name: &str, count: i64| (name.to_owned(), count);
    assert_eq!(connections(&database.name).await, [named("buoy", 3), named("buoy listener", 1)]);
    assert!(most <= 4, "{most} at once");
}

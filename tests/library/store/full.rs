//! An SQLite database that may not grow: the program is told so, and goes on when there is room.

use std::time::Duration;

use buoy::{
    db::{Store, StoreError, StoreSettings},
    domain::{NewUrl, TargetUrl, UserId},
};

use crate::{
    common::database::{Database, Kind},
    store::{Fixture, at, new_url},
};

/// Sets the number of pages that the file may have, on every connection of the pool.
async fn allow_pages(store: &Store, pages: u32) {
    let Store::Sqlite { pool, .. } = store else { panic!("SQLite was asked for") };
    let mut connections = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        connections.push(pool.acquire().await.unwrap());
    }
    for connection in &mut connections {
        let sql = format!("PRAGMA max_page_count = {pages}");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut **connection).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_may_not_grow_takes_no_changes_until_it_may() {
    let database = Database::fresh(Kind::Sqlite).await;
    let url = database.url.parse().unwrap();
    let store = Store::open(&StoreSettings { wait: Duration::from_secs(10), ..StoreSettings::of(url) }).await.unwrap();
    let fixture = Fixture { store, database };
    let user = fixture.user("ann").await.id;
    // Fewer than there are, which SQLite takes for as many as there are.
    allow_pages(&fixture.store, 1).await;
    let full = loop {
        if let Err(error) = fixture.create_url(&long_url(user), at(0)).await {
            break error;
        }
    };
    assert!(matches!(full, StoreError::NoChanges("its disk is full")), "{full}");
    assert!(!full.is_about_values(), "clicks wait for room");
    assert_eq!(fixture.store.user(user).await.unwrap().map(|user| user.id), Some(user), "reads go on");
    allow_pages(&fixture.store, 100_000).await;
    for _ in 0..20 {
        fixture.create_url(&long_url(user), at(0)).await.unwrap();
    }
}

fn long_url(user: UserId) -> NewUrl {
    let target = format!("https://example.com/{}", "x".repeat(8_000));
    NewUrl { original_url: TargetUrl::parse(target).unwrap(), ..new_url(user, None) }
}

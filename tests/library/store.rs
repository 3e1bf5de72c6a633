//! Conformance of the store: every method does the same on both databases.

mod batches;
mod changes;
mod full;
mod limits;
mod lists;
mod locks;
mod pending;
mod reconcile;
mod retention;
mod rollups;
mod round_trips;
mod watermark;
mod wire;
mod words;

use std::time::Duration;

use buoy::{
    db::{Result, Store, Tx},
    domain::{
        Caller, Details, EmailAddress, NewUrl, NewUser, ShortCode, TargetUrl, Title, Url, UrlChanges, UrlId, User,
        UserId, Username, clock::Timestamp,
    },
    stats::ClickBatch,
    store::urls::create::Created,
};

use crate::common::{
    database::{Database, Kind},
    sums,
};

/// How long a fold waits for the rollups.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// A store on a database of its own.
struct Fixture {
    // Dropped first, with its connections.
    store: Store,
    database: Database,
}

impl Fixture {
    async fn new(kind: Kind) -> Self {
        let database = Database::fresh(kind).await;
        Self { store: database.store().await, database }
    }

    /// Does something in a transaction of its own.
    async fn in_tx<T>(&self, work: impl AsyncFnOnce(&mut Tx) -> T) -> T {
        let mut tx = self.store.begin().await.unwrap();
        let done = work(&mut tx).await;
        tx.commit().await.unwrap();
        done
    }

    /// Runs statements behind the store's back.
    async fn execute(&self, sql: &str) {
        self.database.execute(sql).await;
    }

    /// Stores a batch of clicks and folds it into the rollups.
    async fn count_clicks(&self, id: &str, batch: &ClickBatch<'_>) {
        self.store.store_clicks(id, batch, at(0)).await.unwrap();
        self.fold().await;
    }

    /// Folds pending rows, as each reader of statistics does.
    async fn fold(&self) {
        self.store.fold_clicks(LOCK_TIMEOUT).await.unwrap();
    }

    async fn assert_clicks_add_up(&self) {
        self.fold().await;
        sums::assert_clicks_add_up(&self.database).await;
    }

    async fn user(&self, name: &str) -> User {
        self.in_tx(async |tx| tx.create_user(&new_user(name), at(0)).await.unwrap()).await
    }

    async fn url(&self, owner: UserId, code: &str) -> Url {
        self.create_url(&new_url(owner, Some(code)), at(0)).await.unwrap()
    }

    async fn create_url(&self, new: &NewUrl, now: Timestamp) -> Result<Url> {
        Ok(created(self.store.create_url(Caller::Open, None, new, now).await?))
    }

    async fn update_url(&self, id: UrlId, changes: &UrlChanges, now: Timestamp) -> Option<Url> {
        self.store.update_url(Caller::Open, id, changes, now).await.unwrap().map(|(url, _)| url)
    }

    /// None if there is no such link.
    async fn delete_url(&self, id: UrlId, now: Timestamp, details: Details) -> Option<()> {
        self.store.delete_url(Caller::Open, id, now, details).await.unwrap().map(drop)
    }

    /// None if there is no such user.
    async fn delete_user(&self, id: UserId, now: Timestamp, details: &Details) -> Option<()> {
        self.store.delete_user(Caller::Open, id, now, details).await.unwrap().map(drop)
    }
}

/// The link of a creation that no limit refused.
fn created(created: Created) -> Url {
    let Created::Link(url, _, _) = created else { panic!("no limit was given") };
    url
}

/// A moment, to the microsecond.
fn at(seconds: i64) -> Timestamp {
    chrono::DateTime::from_timestamp(1_780_000_000 + seconds, 123_456_000).unwrap()
}

fn new_user(name: &str) -> NewUser {
    NewUser {
        username: Username::parse(name).unwrap(),
        email: EmailAddress::parse(format!("{name}@example.com")).unwrap(),
    }
}

fn new_url(user_id: UserId, code: Option<&str>) -> NewUrl {
    NewUrl {
        user_id,
        original_url: TargetUrl::parse("https://example.com/ü?q=%20").unwrap(),
        title: Some(Title::parse("שלום 🛟").unwrap()),
        short_code: code.map(|code| ShortCode::parse(code).unwrap()),
    }
}

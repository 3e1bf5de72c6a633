//! A database to import into, and what is in it afterwards.

use std::path::PathBuf;

use buoy::{
    db::{Store, snapshot::RetiredCode},
    domain::{Caller, Clock, Details, Event, EventId, TargetPolicy, Url, UrlId, User, UserId},
    import::{ImportError, Options, Report, Source, import, sources_from_paths},
};

use crate::common::database::{Database, Kind};

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) database: Database,
}

/// Every row of a database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) users: Vec<User>,
    pub(crate) urls: Vec<Url>,
    pub(crate) events: Vec<Event>,
    pub(crate) codes: Vec<RetiredCode>,
}

/// How the import command goes about it.
pub(crate) fn strict() -> Options {
    Options {
        skip_bad: false,
        only: None,
        reserve_named: true,
        targets: TargetPolicy::default(),
        asked: None,
        may_disable: true,
        now: Clock::system().now(),
    }
}

pub(crate) fn lenient() -> Options {
    Options { skip_bad: true, ..strict() }
}

pub(crate) fn text<'a>(name: &str, content: &'a str) -> Source<'a> {
    Source { name: name.to_owned(), bytes: None, content: Box::new(content.as_bytes()) }
}

pub(crate) fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import")
}

impl World {
    pub(crate) async fn new(kind: Kind) -> Self {
        let database = Database::fresh(kind).await;
        Self { store: database.store().await, database }
    }

    pub(crate) async fn delete_url(&self, id: UrlId) {
        let deleted = self.store.delete_url(Caller::Open, id, strict().now, Details::none()).await.unwrap();
        assert!(deleted.is_some(), "there is no link {id}");
    }

    /// Imports as the command does: commits unless there is an error.
    pub(crate) async fn import(&self, sources: Vec<Source<'_>>, options: &Options) -> Result<Report, ImportError> {
        let mut tx = self.store.begin().await.unwrap();
        let report = import(&mut tx, sources, options, &()).await?;
        tx.commit().await.unwrap();
        Ok(report)
    }

    /// Imports texts, one file each, named `0.csv`, `1.csv`…; answers created, found, refused for each file in the
    /// order in which they were taken.
    pub(crate) async fn counts(&self, files: &[&str]) -> Vec<(u64, u64, u64)> {
        let report = self.lenient(files).await;
        report.files.iter().map(|file| (file.created, file.found, file.refused)).collect()
    }

    /// Imports texts, and answers the bad rows as a person reads them.
    pub(crate) async fn bad_rows(&self, files: &[&str]) -> Vec<String> {
        self.lenient(files).await.bad_rows.iter().map(ToString::to_string).collect()
    }

    async fn lenient(&self, files: &[&str]) -> Report {
        let sources = files.iter().enumerate().map(|(i, content)| text(&format!("{i}.csv"), content)).collect();
        self.import(sources, &lenient()).await.unwrap()
    }

    /// Imports the fixtures.
    pub(crate) async fn furnish(&self) -> Report {
        let sources = sources_from_paths(&[fixtures()]).await.unwrap();
        self.import(sources, &strict()).await.unwrap()
    }

    pub(crate) async fn content(&self) -> Content {
        let mut snapshot = self.store.snapshot().await.unwrap();
        Content {
            users: snapshot.users(UserId(0), 100_000).await.unwrap(),
            urls: snapshot.urls(UrlId(0), 100_000).await.unwrap(),
            events: snapshot.events(EventId(0), 100_000).await.unwrap(),
            codes: snapshot.retired_codes("", 100_000).await.unwrap(),
        }
    }

    /// The owner of each link, by code.
    pub(crate) async fn owners(&self) -> Vec<(String, i64)> {
        let mut owners: Vec<(String, i64)> =
            self.content().await.urls.iter().map(|url| (url.short_code.to_string(), url.user_id.0)).collect();
        owners.sort();
        owners
    }
}

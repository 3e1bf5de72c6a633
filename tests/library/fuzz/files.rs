//! CSV files as imports and bulk uploads take them.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use buoy::{
    db::{Store, StoreSettings, Tx},
    domain::{Clock, Details, EventType, ShortCode, TargetPolicy, TargetUrl, Title, UrlId, UserId, page::PageStart},
    import::{ImportError, Options, Report, Source, import},
    store::{EventFilter, UrlFilter},
};
use csv_async::AsyncWriter;
use proptest::{collection::vec, option, prelude::*};
use tokio::runtime::Runtime;

use crate::fuzz::{
    inputs,
    search::{Verdict, search},
};

const USERS: &str = "id,username,email,created_at\n1,ann,ann@x.example,2025-06-09 11:24:49\n2,bob,bob@x.example,\n";
const URLS: &str = "id,user_id,short_code,original_url,title,is_active,created_at,updated_at\r\n\
    1,1,abc,https://x.example/1,\"A, \"\"B\"\"\",True,2025-06-09 11:24:49,2025-06-09T11:24:49+02:00\r\n\
    ,2,,https://x.example/2,,0,,\r\n";
const EVENTS: &str = "id,url_id,user_id,event_type,timestamp,details\n\
    1,1,,click,2025-06-09 11:24:49,\"{\"\"bot\"\":true,\"\"os\"\":\"\"Linux\"\"}\"\n,7,1,view,,{}\n3,1,,click,,\n";
const CODES: &str = "short_code,retired_at\nxyz,2025-06-09 11:24:49\n";
const ROLLUPS: &str = "rollup,subject,user_id,at,dimension,value,people,bots,uniques\n\
    kept_since,0,,2025-06-09,,,,,\nowner,7,1,,,,,,\nday,1,,2025-06-08,,,3,1,2\n\
    slot,1,,2025-06-08 10:15:00,,,3,1,\nvalue,1,,2025-06-08,os,Linux,3,,\n";
/// One of each, and each alone.
const FILES: &[&str] = &[USERS, URLS, EVENTS, CODES, ROLLUPS];

/// An embedded database, and what runs on it.
struct World {
    store: Store,
    runtime: Runtime,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("buoy.db").display()).parse().unwrap();
        let wait = Duration::from_secs(10);
        let settings = StoreSettings { wait, ..StoreSettings::of(url) };
        let store = runtime.block_on(Store::open(&settings)).unwrap();
        Self { store, runtime, _folder: folder }
    }
}

async fn take_in(tx: &mut Tx, files: &[Vec<u8>]) -> Result<Report, ImportError> {
    let sources = files.iter().map(|file| Source { name: "f.csv".into(), bytes: None, content: Box::new(&**file) });
    let options = Options {
        skip_bad: true,
        only: None,
        reserve_named: true,
        targets: TargetPolicy { allow_private: true, ..TargetPolicy::default() },
        asked: None,
        may_disable: true,
        now: Clock::system().now(),
    };
    import(tx, sources.collect(), &options, &()).await
}

#[test]
fn any_files() {
    let world = World::new();
    search(
        "CSV files",
        || vec(inputs::bytes(FILES), 1..4),
        move |files| {
            let imported = world.runtime.block_on(async {
                let mut tx = world.store.begin().await.unwrap();
                let imported = take_in(&mut tx, &files).await;
                tx.rollback().await.unwrap();
                imported
            });
            match imported {
                Ok(report) => {
                    for file in &report.files {
                        prop_assert_eq!(file.rows, file.created + file.found + file.refused, "{}", file);
                    }
                }
                Err(ImportError::File { why, .. }) => prop_assert!(!why.is_empty()),
                Err(error) => return Err(TestCaseError::fail(format!("the database failed: {error:?}"))),
            }
            Ok(())
        },
    );
}

/// A link and an event of it, as they stand in files.
type Written = (Option<String>, String, bool, String, String);

fn written() -> impl Strategy<Value = Written> {
    let title = option::of("\\PC{1,40}").prop_map(|title| title.filter(|title| Title::parse(title.as_str()).is_ok()));
    let path = "[ -~ü道]{0,30}".prop_filter("a target", |path| TargetUrl::parse(target(path)).is_ok());
    let kind = "\\PC{1,20}".prop_filter("a kind of event", |kind| EventType::parse(kind.as_str()).is_ok());
    let value = any::<String>().prop_map(|value| serde_json::json!({ "a": value, "b\n": [1, null] }).to_string());
    (title, path, any::<bool>(), kind, value)
}

fn target(path: &str) -> String {
    format!("https://x.example/{path}")
}

#[test]
fn what_is_written_is_read_again() {
    let (world, ids) = (World::new(), AtomicI64::new(1));
    search("CSV round trips", written, move |row| {
        let id = ids.fetch_add(1, Ordering::Relaxed);
        world.runtime.block_on(round_trip(&world.store, id, row))
    });
}

async fn file(header: &[&str], row: &[&str]) -> Vec<u8> {
    let mut writer = AsyncWriter::from_writer(Vec::new());
    writer.write_record(header).await.unwrap();
    writer.write_record(row).await.unwrap();
    writer.into_inner().await.unwrap()
}

async fn round_trip(store: &Store, id: i64, (title, path, active, kind, details): Written) -> Verdict {
    let (number, code, name) = (id.to_string(), format!("c-{id}"), format!("u{id}"));
    let (mail, target) = (format!("{name}@x.example"), target(&path));
    let flag = if active { "True" } else { "False" };
    let files = [
        file(&["id", "username", "email"], &[&number, &name, &mail]).await,
        file(
            &["id", "user_id", "short_code", "original_url", "title", "is_active"],
            &[&number, &number, &code, &target, title.as_deref().unwrap_or_default(), flag],
        )
        .await,
        file(&["id", "url_id", "event_type", "details"], &[&number, &number, &kind, &details]).await,
    ];
    let mut tx = store.begin().await.unwrap();
    let report = take_in(&mut tx, &files).await.map_err(|error| TestCaseError::fail(error.to_string()))?;
    tx.commit().await.unwrap();
    prop_assert_eq!(report.created(), 3, "{:?}", report);
    let link = store.link(&ShortCode::parse(code).unwrap()).await.unwrap().unwrap();
    prop_assert_eq!((link.id, link.original_url.as_str(), link.is_active), (UrlId(id), target.as_str(), active));
    let filter = UrlFilter { user_id: Some(UserId(id)), ..UrlFilter::default() };
    let url = store.urls(filter, Default::default(), PageStart::Offset(0), 2).await.unwrap().remove(0);
    prop_assert_eq!(url.title.as_ref().map(Title::as_str), title.as_deref());
    let filter = EventFilter { url_id: Some(UrlId(id)), ..EventFilter::default() };
    let event = store.events(&filter, Default::default(), PageStart::Offset(0), 2).await.unwrap().remove(0);
    prop_assert_eq!((event.event_type.as_str(), event.details.as_str()), (kind.as_str(), details.as_str()));
    prop_assert_eq!(event.details, Details::parse(details).unwrap());
    Ok(())
}

//! An export is the database: importing it into an empty one gives the same rows and the same next ids.

use std::os::unix::fs::{MetadataExt as _, symlink};

use buoy::{
    domain::{Caller, Details, NewUrl, TargetUrl, UrlId, UserId, rollup::Dimension},
    export::{FILES, Form, export},
    import::sources_from_paths,
    stats::{Counted, NewClick},
};

use crate::{
    common::{
        database::Kind,
        on_both_databases,
        sums::{assert_clicks_add_up, number},
    },
    import::world::{World, fixtures, strict, text},
};

on_both_databases!(
    an_export_imports_to_the_same_database,
    an_export_is_what_was_imported,
    existing_files_are_kept,
    the_other_database_takes_it_too,
    statistics_survive_where_events_are_gone,
);

/// A database with a past: links deleted, a user deleted, codes used up, the newest ids gone.
async fn with_a_past(kind: Kind) -> World {
    let world = World::new(kind).await;
    world.furnish().await;
    let now = strict().now;
    let mut tx = world.store.begin().await.unwrap();
    for path in ["one", "two", "three"] {
        let original_url = TargetUrl::parse(format!("https://x.example/{path}")).unwrap();
        let new = NewUrl { user_id: UserId(9), original_url, title: None, short_code: None };
        tx.create_url(&new, now).await.unwrap();
    }
    tx.commit().await.unwrap();
    world.delete_url(UrlId(2)).await;
    let _ = world.store.delete_user(Caller::Open, UserId(9), now, &Details::none()).await.unwrap().unwrap();
    world
}

async fn move_to(from: &World, to: &World) {
    let folder = from.database.folder().join("export");
    export(&from.store, &folder, false, Form::AsStored, &()).await.unwrap();
    let sources = sources_from_paths(&[folder]).await.unwrap();
    let report = to.import(sources, &strict()).await.unwrap();
    assert_eq!(report.created(), report.rows());
}

async fn next_ids(world: &World) -> (i64, i64) {
    let (now, mut tx) = (strict().now, world.store.begin().await.unwrap());
    let user = buoy::domain::NewUser {
        username: buoy::domain::Username::parse("next").unwrap(),
        email: buoy::domain::EmailAddress::parse("next@x.example").unwrap(),
    };
    let user = tx.create_user(&user, now).await.unwrap();
    let original_url = TargetUrl::parse("https://x.example").unwrap();
    let new = NewUrl { user_id: user.id, original_url, title: None, short_code: None };
    let url = tx.create_url(&new, now).await.unwrap();
    tx.rollback().await.unwrap();
    (user.id.0, url.id.0)
}

async fn an_export_imports_to_the_same_database(kind: Kind) {
    let (before, after) = (with_a_past(kind).await, World::new(kind).await);
    move_to(&before, &after).await;
    assert_eq!(before.content().await, after.content().await);
    assert_clicks_add_up(&after.database).await;
    assert_eq!(next_ids(&after).await, next_ids(&before).await, "ids of what is gone stay gone");
}

async fn the_other_database_takes_it_too(kind: Kind) {
    let other = if kind == Kind::Sqlite { Kind::Postgres } else { Kind::Sqlite };
    let (before, after) = (with_a_past(kind).await, World::new(other).await);
    move_to(&before, &after).await;
    assert_eq!(before.content().await, after.content().await);
}

async fn an_export_is_what_was_imported(kind: Kind) {
    let world = World::new(kind).await;
    world.furnish().await;
    let folder = world.database.folder().join("export");
    let counts = export(&world.store, &folder, false, Form::AsStored, &()).await.unwrap();
    assert_eq!(counts, [4, 3, 4, 2, 0]);
    let exported = std::fs::read_to_string(folder.join("urls.csv")).unwrap();
    assert_eq!(exported, std::fs::read_to_string(fixtures().join("urls.csv")).unwrap());
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(left.len(), FILES.len(), "no unfinished file is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_for_their_owner_and_no_planted_link_is_followed() {
    let world = World::new(Kind::Sqlite).await;
    let (folder, victim) = (world.database.folder().join("export"), world.database.folder().join("victim"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(&victim, "mine").unwrap();
    symlink(&victim, folder.join("users.csv.partial")).unwrap();
    symlink(&victim, folder.join("urls.csv")).unwrap();
    symlink("nowhere", folder.join("events.csv")).unwrap();
    for planted in ["urls.csv", "events.csv"] {
        let refused = export(&world.store, &folder, false, Form::AsStored, &()).await.unwrap_err().to_string();
        assert!(refused.ends_with(&format!("{planted} exists already; --force overwrites it")), "{refused}");
        std::fs::remove_file(folder.join(planted)).unwrap();
    }
    symlink(&victim, folder.join("urls.csv")).unwrap();
    export(&world.store, &folder, true, Form::AsStored, &()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
    for file in FILES {
        let about = std::fs::symlink_metadata(folder.join(file)).unwrap();
        assert_eq!((about.is_file(), about.mode() & 0o777), (true, 0o600), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spreadsheets_are_shown_no_formula_and_other_exports_come_back() {
    let world = World::new(Kind::Sqlite).await;
    let mut files = ["id,username,email\n".to_owned(), "id,user_id,short_code,original_url,title\n".to_owned()];
    let names = ["=1+1", "+49", "-x", "@sum", "'plain", "a=b"];
    for (i, name) in names.iter().enumerate() {
        let id = i + 1;
        files[0].push_str(&format!("{id},{name},{id}@x.example\n"));
        files[1].push_str(&format!("{id},{id},-{id}x,https://x.example,{name}\n"));
    }
    let sources: Vec<_> = files.iter().map(|file| text("x.csv", file)).collect();
    world.import(sources, &strict()).await.unwrap();
    let folder = world.database.folder().join("sheets");
    export(&world.store, &folder, false, Form::ForSpreadsheets, &()).await.unwrap();
    let users = std::fs::read_to_string(folder.join("users.csv")).unwrap();
    let shown: Vec<&str> = users.lines().skip(1).filter_map(|row| row.split(',').nth(1)).collect();
    assert_eq!(shown, ["'=1+1", "'+49", "'-x", "'@sum", "'plain", "a=b"]);
    let urls = std::fs::read_to_string(folder.join("urls.csv")).unwrap();
    assert!(urls.contains("\n1,1,'-1x,https://x.example,'=1+1,True,"), "{urls}");
    let other = World::new(Kind::Sqlite).await;
    move_to(&world, &other).await;
    assert_eq!(world.content().await, other.content().await);
}

async fn existing_files_are_kept(kind: Kind) {
    let world = World::new(kind).await;
    let folder = world.database.folder().join("export");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("events.csv"), "mine").unwrap();
    let refused = export(&world.store, &folder, false, Form::AsStored, &()).await.unwrap_err().to_string();
    assert!(refused.contains("events.csv exists already; --force overwrites it"), "{refused}");
    assert_eq!(std::fs::read_to_string(folder.join("events.csv")).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    export(&world.store, &folder, true, Form::AsStored, &()).await.unwrap();
    let events = std::fs::read_to_string(folder.join("events.csv")).unwrap();
    assert_eq!(events, "id,url_id,user_id,event_type,timestamp,details\n");
}

/// Every rollup but the uncountable order of rows: what statistics are read from, totals and the day since which
/// events are kept.
async fn sums(world: &World) -> Vec<i64> {
    let mut sums = Vec::new();
    for (table, columns) in [
        ("click_days", "(1 + subject % 7 * subject % 7 + day % 11) * (people + 3 * bots + 7 * uniques)"),
        ("click_slots", "(1 + subject % 7 * subject % 7 + slot % 11) * (people + 3 * bots)"),
        ("click_values", "(1 + subject % 7 * subject % 7 + day % 11 + dimension + length(value)) * clicks"),
        ("click_totals", "(1 + url_id % 7) * (clicks + 3 * bots) + coalesce(user_id, 0) * 100"),
        ("click_state", "CASE WHEN name = 'kept_since_day' THEN value ELSE 0 END"),
    ] {
        let sql = format!("SELECT coalesce(CAST(sum({columns}) AS BIGINT), 0) FROM {table}");
        sums.push(number(&world.database, &sql).await);
    }
    sums
}

/// A day's clicks of links 1 and 2, a program's among them.
async fn clicks_of_day(world: &World, day: i64) {
    let at = strict().now - chrono::Duration::days(day);
    let clicks: Vec<NewClick<'_>> = (0..40)
        .map(|n| {
            let values = [(Dimension::Os, format!("os {}", n % 3))].into_iter().collect();
            let (url_id, owner) = (UrlId(1 + n % 2), Some(UserId(1)));
            let counted = Counted { url_id, owner, at, is_bot: n % 10 == 0, visitor: Some(n % 9), values };
            let details =
                if counted.is_bot { r#"{"bot":true}"#.to_owned() } else { format!(r#"{{"os":"os {}"}}"#, n % 3) };
            NewClick { counted, details: Details::parse(details).unwrap() }
        })
        .collect();
    world.store.store_clicks(&format!("{day}"), &clicks.into(), at).await.unwrap();
}

async fn assert_reconciled(world: &World) {
    let mut reconciliation = world.store.reconcile(false).await.unwrap();
    while let Some((day, differences)) = reconciliation.next_day().await.unwrap() {
        assert_eq!(differences, [], "{day}");
    }
    assert_eq!(reconciliation.totals().await.unwrap(), []);
    reconciliation.finish().await.unwrap();
}

async fn statistics_survive_where_events_are_gone(kind: Kind) {
    let (before, after) = (World::new(kind).await, World::new(kind).await);
    before
        .counts(&[
            "id,username,email\n1,ann,ann@x.example\n",
            "id,user_id,original_url\n1,1,https://x.example/1\n2,1,https://x.example/2\n",
        ])
        .await;
    for day in 0..8 {
        clicks_of_day(&before, day).await;
    }
    let now = strict().now;
    before.delete_url(UrlId(2)).await;
    assert_eq!(before.store.sweep(Some(3), now).await.unwrap().clicks, 4 * 40);
    move_to(&before, &after).await;
    assert_eq!(before.content().await, after.content().await);
    assert_eq!(sums(&after).await, sums(&before).await);
    assert_reconciled(&after).await;
    // The same files again change nothing.
    let sources = sources_from_paths(&[before.database.folder().join("export")]).await.unwrap();
    after.import(sources, &strict()).await.unwrap();
    assert_eq!(sums(&after).await, sums(&before).await);
}

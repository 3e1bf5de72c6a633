//! An export is the database: importing it into an empty one gives the same rows and the same next ids.

use buoy::{
    domain::{Details, NewUrl, TargetUrl, UrlId, UserId},
    export::{FILES, export},
    import::sources_from_paths,
};

use crate::{
    common::{database::Kind, on_both_databases},
    world::{World, fixtures, strict},
};

on_both_databases!(
    an_export_imports_to_the_same_database,
    an_export_is_what_was_imported,
    existing_files_are_kept,
    the_other_database_takes_it_too,
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
    tx.delete_url(UrlId(2), now, Details::none()).await.unwrap().unwrap();
    assert!(tx.delete_user(UserId(9), now, &Details::none()).await.unwrap());
    drop(tx.commit().await.unwrap());
    world
}

async fn move_to(from: &World, to: &World) {
    let folder = from.database.folder().join("export");
    export(&from.store, &folder, false, &()).await.unwrap();
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
    let counts = export(&world.store, &folder, false, &()).await.unwrap();
    assert_eq!(counts, [4, 3, 4, 2]);
    let exported = std::fs::read_to_string(folder.join("urls.csv")).unwrap();
    assert_eq!(exported, std::fs::read_to_string(fixtures().join("urls.csv")).unwrap());
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(left.len(), FILES.len(), "no unfinished file is left");
}

async fn existing_files_are_kept(kind: Kind) {
    let world = World::new(kind).await;
    let folder = world.database.folder().join("export");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("events.csv"), "mine").unwrap();
    let refused = export(&world.store, &folder, false, &()).await.unwrap_err().to_string();
    assert!(refused.contains("events.csv: exists already"), "{refused}");
    assert_eq!(std::fs::read_to_string(folder.join("events.csv")).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    export(&world.store, &folder, true, &()).await.unwrap();
    let events = std::fs::read_to_string(folder.join("events.csv")).unwrap();
    assert_eq!(events, "id,url_id,user_id,event_type,timestamp,details\n");
}

//! Copies of the embedded database.

use std::os::unix::fs::{MetadataExt as _, symlink};

use buoy::{
    db::{Store, StoreSettings},
    domain::{EmailAddress, NewUser, Username},
};

use crate::{
    common::database::Kind,
    import::world::{World, strict},
};

#[tokio::test]
async fn a_copy_is_taken_while_another_writes() {
    let world = World::new(Kind::Sqlite).await;
    world.furnish().await;
    let before = world.content().await;
    let mut tx = world.store.begin().await.unwrap();
    let (username, email) = (Username::parse("new").unwrap(), EmailAddress::parse("new@x.example").unwrap());
    tx.create_user(&NewUser { username, email }, strict().now).await.unwrap();
    let copy = world.database.folder().join("copy.db");
    let bytes = world.store.backup(&copy).await.unwrap();
    tx.commit().await.unwrap();
    let about = std::fs::metadata(&copy).unwrap();
    assert_eq!((bytes, about.mode() & 0o777), (about.len(), 0o600));

    let url = format!("sqlite:{}", copy.display()).parse().unwrap();
    let limit = std::time::Duration::from_secs(5);
    let settings = StoreSettings { wait: limit, ..StoreSettings::of(url) };
    let copied = World { store: Store::open(&settings).await.unwrap(), database: world.database };
    assert_eq!(copied.content().await, before);

    let refused = copied.store.backup(&copy).await.unwrap_err().to_string();
    assert!(refused.ends_with("copy.db: exists already, and is not overwritten"), "{refused}");
    let (planted, victim) = (copied.database.folder().join("new.db.partial"), copied.database.folder().join("victim"));
    std::fs::write(&victim, "mine").unwrap();
    symlink(&victim, &planted).unwrap();
    copied.store.backup(&copied.database.folder().join("new.db")).await.unwrap();
    assert_eq!((std::fs::read(&victim).unwrap(), planted.exists()), (b"mine".to_vec(), false));
    let nowhere = copied.database.folder().join("missing/copy.db");
    assert!(copied.store.backup(&nowhere).await.is_err());
}

#[tokio::test]
async fn a_server_is_copied_by_its_own_program() {
    let world = World::new(Kind::Postgres).await;
    let file = world.database.folder().join("copy.db");
    let refused = world.store.backup(&file).await.unwrap_err().to_string();
    assert!(refused.contains("pg_dump"), "{refused}");
    assert!(!file.exists());
}

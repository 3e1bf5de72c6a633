//! Rows that another client writes while an import is at work. On PostgreSQL the import waits for that client; SQLite
//! has one writer at a time.

use std::time::Duration;

use buoy::domain::{EmailAddress, NewUrl, NewUser, ShortCode, TargetUrl, UserId, Username};
use sqlx::{Connection as _, PgConnection};

use crate::{
    common::database::Kind,
    import::world::{World, strict},
};

const USERS: &str = "id,username,email\n1,ann,ann@x.example\n2,bob,bob@x.example\n";
const URLS: &str = "id,user_id,short_code,original_url\n";

/// Imports while a transaction is open, and commits it when the import has had time to run into it.
async fn import_during(world: &World, commit: impl AsyncFnOnce(), files: &[&str]) -> Vec<String> {
    let commit = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        commit().await;
    };
    tokio::join!(world.bad_rows(files), commit).0
}

fn link(code: &str) -> NewUrl {
    NewUrl {
        user_id: UserId(1),
        original_url: TargetUrl::parse("https://x.example/theirs").unwrap(),
        title: None,
        short_code: Some(ShortCode::parse(code).unwrap()),
    }
}

#[tokio::test]
async fn what_another_client_creates_is_found_or_in_the_way() {
    let world = World::new(Kind::Postgres).await;
    world.counts(&["id,username,email\n1,ann,ann@x.example\n"]).await;
    let mut tx = world.store.begin().await.unwrap();
    let (username, email) = (Username::parse("bob").unwrap(), EmailAddress::parse("bob@x.example").unwrap());
    let bob = tx.create_user(&NewUser { username, email }, strict().now).await.unwrap();
    tx.create_url(&link("taken"), strict().now).await.unwrap();
    let urls = format!("{URLS}50,1,taken,https://x.example\n51,7,free,https://x.example\n");
    let users = USERS.replace("2,bob", "7,bob");
    let bad = import_during(&world, async || tx.commit().await.unwrap(), &[&users, &urls]).await;
    assert_eq!(bad, ["1.csv:2: short_code: is another link's"]);
    assert_eq!(world.owners().await, [("free".to_owned(), bob.id.0), ("taken".to_owned(), 1)]);
}

#[tokio::test]
async fn what_another_client_deletes_is_gone() {
    let world = World::new(Kind::Postgres).await;
    let urls = format!("{URLS}1,1,one,https://x.example\n");
    world.counts(&[USERS, &urls]).await;
    let mut connection = PgConnection::connect(&world.database.url).await.unwrap();
    let mut tx = connection.begin().await.unwrap();
    for sql in [
        "DELETE FROM urls WHERE id = 1",
        "UPDATE codes SET retired_at = now() WHERE short_code = 'one'",
        "DELETE FROM users WHERE id = 2",
    ] {
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
    }
    let urls = format!("{URLS}50,1,one,https://x.example\n51,2,two,https://x.example\n52,1,three,https://x.example\n");
    let commit = async || tx.commit().await.unwrap();
    let mut bad = import_during(&world, commit, &[&urls]).await;
    bad.sort();
    assert_eq!(bad, ["0.csv:2: short_code: was used by a link that is gone", "0.csv:3: user_id: names no user"]);
    assert_eq!(world.owners().await, [("three".to_owned(), 1)]);
}

#[tokio::test]
async fn two_imports_of_the_same_files_make_one_set_of_rows() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let world = World::new(kind).await;
        let (a, b) = tokio::join!(world.furnish(), world.furnish());
        assert_eq!(a.created() + b.created(), a.rows(), "{kind:?}");
        let content = world.content().await;
        assert_eq!((content.users.len(), content.urls.len(), content.events.len()), (4, 3, 4));
    }
}

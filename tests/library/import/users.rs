//! Whom a user's row stands for.

use crate::{
    common::{database::Kind, on_both_databases},
    import::world::{World, strict, text},
};

on_both_databases!(
    a_row_whose_name_or_address_is_taken_stands_for_who_has_it,
    it_may_be_taken_by_an_earlier_row,
    an_id_of_another_user_is_a_fault,
    a_row_left_out_hands_its_links_to_nobody,
    an_id_stands_for_one_user_in_one_import,
    rows_without_an_id_get_one_that_is_free,
    the_next_ids_are_free,
    ids_reach_to_half_of_the_exact_integers,
);

const URLS: &str = "user_id,short_code,original_url\n";

async fn a_row_whose_name_or_address_is_taken_stands_for_who_has_it(kind: Kind) {
    let world = World::new(kind).await;
    world.counts(&["id,username,email\n10,ann,ann@x.example\n11,bob,bob@x.example\n"]).await;
    let users = "id,username,email\n1,ann,other@x.example\n2,newcomer,bob@x.example\n3,bob,ann@x.example\n\
                 4,carol,carol@x.example\n";
    let urls = format!(
        "{URLS}1,one,https://x.example\n2,two,https://x.example\n3,three,https://x.example\n\
                        4,four,https://x.example\n10,ten,https://x.example\n"
    );
    let events = "url_id,user_id,event_type\n1,1,click\n1,2,click\n1,,click\n1,99,click\n";
    assert_eq!(world.counts(&[events, &urls, users]).await, [(1, 3, 0), (5, 0, 0), (4, 0, 0)]);
    // The name decides before the address does.
    let owners = [("four", 4), ("one", 10), ("ten", 10), ("three", 11), ("two", 11)];
    assert_eq!(world.owners().await, owners.map(|(code, id)| (code.to_owned(), id)));
    let content = world.content().await;
    let actors: Vec<Option<i64>> = content.events.iter().map(|event| event.user_id.map(|id| id.0)).collect();
    assert_eq!(actors, [Some(10), Some(11), None, Some(99)]);
    assert_eq!(content.users[0].id.0, 4);
    assert_eq!(content.users[1].email.as_str(), "ann@x.example", "who is found is not changed");
}

async fn it_may_be_taken_by_an_earlier_row(kind: Kind) {
    let world = World::new(kind).await;
    let users = "id,username,email\n1,ann,ann@x.example\n2,ann,ann2@x.example\n3,bob,ann@x.example\n\
                 4,bob,bob@x.example\n5,bob,ann@x.example\n,ann,\n";
    let urls = format!(
        "{URLS}1,c1,https://x.example\n2,c2,https://x.example\n3,c3,https://x.example\n\
                        4,c4,https://x.example\n5,c5,https://x.example\n"
    );
    let report = world.counts(&[users, &urls]).await;
    // The row without an address is bad; bob's first row stands for ann, by the address.
    assert_eq!(report, [(2, 3, 1), (5, 0, 0)]);
    let owners = world.owners().await;
    assert_eq!((owners[0].1, owners[1].1, owners[3].1, owners[4].1), (1, 1, 4, 4));
}

async fn an_id_of_another_user_is_a_fault(kind: Kind) {
    let world = World::new(kind).await;
    world.furnish().await;
    let before = world.content().await;
    let users = "id,username,email\n1,zoe,zoe@x.example\n77,yan,yan@x.example\n";
    assert_eq!(world.bad_rows(&[users]).await, ["0.csv:2: id: belongs to another user"]);
    let content = world.content().await;
    assert_eq!(content.users[..4], before.users, "nobody is overwritten");
    assert_eq!(content.users.len(), 5);
}

async fn a_row_left_out_hands_its_links_to_nobody(kind: Kind) {
    let world = World::new(kind).await;
    world.furnish().await;
    // Users 1 and 2 of the database are ann and bob; those of the file are zoe and a user with a bad address.
    let users = "id,username,email\n1,zoe,zoe@x.example\n2,yan,nonsense\n";
    let urls = format!("{URLS}1,one,https://x.example\n2,two,https://x.example\n5,five,https://x.example\n");
    let events = "url_id,user_id,event_type\n1,1,click\n1,2,click\n1,5,click\n";
    let expected = [
        "0.csv:2: id: belongs to another user",
        "0.csv:3: email: is not an e-mail address",
        "1.csv:2: user_id: names a user whose row was left out",
        "1.csv:3: user_id: names a user whose row was left out",
        "2.csv:2: user_id: names a user whose row was left out",
        "2.csv:3: user_id: names a user whose row was left out",
    ];
    let mut found = world.bad_rows(&[users, &urls, events]).await;
    found.sort();
    assert_eq!(found, expected);
}

async fn an_id_stands_for_one_user_in_one_import(kind: Kind) {
    let world = World::new(kind).await;
    let users = "id,username,email\n1,ann,ann@x.example\n1,bob,bob@x.example\n1,ann,ann@x.example\n";
    let fault = "0.csv:3: id: stands for another username earlier in this import";
    assert_eq!(world.bad_rows(&[users]).await, [fault]);
    // Also if the two rows are in different chunks.
    let mut many = "id,username,email\n".to_owned();
    for i in 10..6_010 {
        many.push_str(&format!("{i},u{i},u{i}@x.example\n"));
    }
    many.push_str("10,other,other@x.example\n11,u11,u11@x.example\n");
    assert_eq!(world.bad_rows(&[&many]).await, ["0.csv:6002: id: stands for another username earlier in this import"]);
    assert_eq!(world.content().await.users.len(), 6_001);
}

async fn rows_without_an_id_get_one_that_is_free(kind: Kind) {
    let world = World::new(kind).await;
    let plain = "username,email\nzoe,zoe@x.example\nyan,yan@x.example\nzoe,zoe@x.example\n";
    let with_ids = "id,username,email\n1,ann,ann@x.example\n2,bob,bob@x.example\n,carol,carol@x.example\n";
    assert_eq!(world.counts(&[plain, with_ids]).await, [(3, 0, 0), (2, 1, 0)]);
    let ids: Vec<i64> = world.content().await.users.iter().map(|user| user.id.0).collect();
    assert_eq!(ids.len(), 5);
    assert_eq!(ids[..2], [1, 2]);
}

async fn the_next_ids_are_free(kind: Kind) {
    let world = World::new(kind).await;
    world.furnish().await;
    let mut tx = world.store.begin().await.unwrap();
    let now = strict().now;
    let user = buoy::domain::NewUser {
        username: buoy::domain::Username::parse("next").unwrap(),
        email: buoy::domain::EmailAddress::parse("next@x.example").unwrap(),
    };
    let user = tx.create_user(&user, now).await.unwrap();
    let url = buoy::domain::NewUrl {
        user_id: user.id,
        original_url: buoy::domain::TargetUrl::parse("https://x.example").unwrap(),
        title: None,
        short_code: None,
    };
    let url = tx.create_url(&url, now).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((user.id.0, url.id.0), (10, 8));
    assert_eq!(world.content().await.events.last().unwrap().id.0, 6);
}

async fn ids_reach_to_half_of_the_exact_integers(kind: Kind) {
    let world = World::new(kind).await;
    let users = "id,username,email\n4503599627370496,ann,ann@x.example\n4503599627370497,bob,bob@x.example\n\
                 0,carol,carol@x.example\n-1,dan,dan@x.example\n1.0,eve,eve@x.example\n";
    let bad = world.bad_rows(&[users]).await;
    let fault = "id: must be an integer from 1 to 4503599627370496";
    assert_eq!(bad, (3..=6).map(|line| format!("0.csv:{line}: {fault}")).collect::<Vec<_>>());
    assert_eq!(world.content().await.users[0].id.0, 4_503_599_627_370_496);
    // What a client sent is in the same shape: a file of another kind is refused by its name.
    let only = buoy::import::Options { only: Some(buoy::import::Kind::Users), ..strict() };
    let refused = world.import(vec![text("upload.csv", "short_code,retired_at\n")], &only).await.unwrap_err();
    assert_eq!(refused.to_string(), "upload.csv: its header is that of codes once used; expected users");
}

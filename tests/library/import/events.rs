//! Which event a row stands for.

use crate::{
    common::{database::Kind, on_both_databases},
    import::world::World,
};

on_both_databases!(events_may_name_what_is_gone, an_event_is_found_by_its_id, details_stay_byte_for_byte);

const HEAD: &str = "id,url_id,user_id,event_type,timestamp,details\n";

async fn events_may_name_what_is_gone(kind: Kind) {
    let world = World::new(kind).await;
    let events = format!("{HEAD}3,40,50,deleted,2025-01-01 00:00:00,\n4,41,,click,2024-01-01 00:00:00,{{}}\n");
    assert_eq!(world.counts(&[&events]).await, [(2, 0, 0)]);
    // A new link does not inherit them.
    let urls = "user_id,original_url\n51,https://x.example\n";
    assert_eq!(world.counts(&["username,email\nann,ann@x.example\n", urls]).await, [(1, 0, 0), (1, 0, 0)]);
    let content = world.content().await;
    assert_eq!((content.users[0].id.0, content.urls[0].id.0), (51, 42));
}

async fn an_event_is_found_by_its_id(kind: Kind) {
    let world = World::new(kind).await;
    let events = format!("{HEAD}3,1,,click,2025-01-01 00:00:00,\n3,1,,click,2025-01-01T00:00:00Z,\n");
    assert_eq!(world.counts(&[&events]).await, [(1, 1, 0)]);
    let others = format!(
        "{HEAD}3,2,,click,2025-01-01 00:00:00,\n3,1,,view,2025-01-01 00:00:00,\n3,1,,click,2025-01-01 00:00:01,\n\
         ,1,,click,2025-01-01 00:00:00,\n,1,,click,2025-01-01 00:00:00,\n"
    );
    let fault = "id: belongs to another event";
    let expected: Vec<String> = (2..=4).map(|line| format!("0.csv:{line}: {fault}")).collect();
    assert_eq!(world.bad_rows(&[&others]).await, expected);
    let ids: Vec<i64> = world.content().await.events.iter().map(|event| event.id.0).collect();
    assert_eq!(ids, [3, 4, 5], "without an id an event is new each time");
}

async fn details_stay_byte_for_byte(kind: Kind) {
    let world = World::new(kind).await;
    let details = [
        r#"{ "n": 123456789012345678901234567890.50 }"#,
        "{\"a\":\n\t1,\r\n\"b\": \"\\u0000\\\\N \\t 🛟\"}",
        r#"{"a":"\\.","b":"\\"}"#,
    ];
    let mut events = HEAD.to_owned();
    for (i, details) in details.iter().enumerate() {
        events.push_str(&format!("{},1,,click,2025-01-01 00:00:00,\"{}\"\n", i + 1, details.replace('"', "\"\"")));
    }
    events.push_str("9,1,,click,2025-01-01 00:00:00,[]\n");
    let bad = world.bad_rows(&[&events]).await;
    assert_eq!(bad, ["0.csv:7: details: must be a JSON object"]);
    let content = world.content().await;
    assert_eq!(content.events.iter().map(|event| event.details.as_str()).collect::<Vec<_>>(), details);
}

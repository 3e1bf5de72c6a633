//! Which link a row stands for.

use buoy::{
    db::announcement::Changes,
    domain::{TargetPolicy, UrlId},
    import::{Options, import},
    statements::prepare_all,
};

use crate::{
    common::{database::Kind, on_both_databases},
    import::world::{World, lenient, strict, text},
};

on_both_databases!(
    a_link_is_found_by_id_and_code,
    a_link_without_an_id_is_found_by_code_owner_and_target,
    what_contradicts_a_link_is_a_fault,
    rows_of_one_file_contradict_each_other,
    a_code_once_used_is_never_given_again,
    a_link_without_a_code_gets_one,
    owners_must_exist,
    bad_values_are_named,
    new_links_are_announced,
    targets_and_reasons_obey_the_rules,
);

const USERS: &str = "id,username,email\n1,ann,ann@x.example\n2,bob,bob@x.example\n";
const HEAD: &str = "id,user_id,short_code,original_url\n";

async fn furnished(kind: Kind) -> World {
    let world = World::new(kind).await;
    let urls = format!("{HEAD}1,1,abc,https://x.example/1\n2,2,def,https://x.example/2\n");
    assert_eq!(world.counts(&[USERS, &urls]).await, [(2, 0, 0), (2, 0, 0)]);
    world
}

async fn targets_and_reasons_obey_the_rules(kind: Kind) {
    let world = furnished(kind).await;
    let urls = "user_id,original_url,disabled_reason\n1,https://evil.example/,\n1,http://[::1]/,\n1,https://x.example/3,spam\n\
                1,https://x.example/4,\n";
    let targets = TargetPolicy { blocked: "evil.example".parse().unwrap(), ..TargetPolicy::default() };
    let options = Options { targets, may_disable: false, ..lenient() };
    let report = world.import(vec![text("urls.csv", urls)], &options).await.unwrap();
    let bad: Vec<String> = report.bad_rows.iter().map(ToString::to_string).collect();
    let expected = [
        "urls.csv:2: original_url: leads to a host that is blocked here",
        "urls.csv:3: original_url: leads to a private, loopback or reserved address",
        "urls.csv:4: disabled_reason: may be set by an administrator alone",
    ];
    assert_eq!((bad.as_slice(), report.created()), (expected.map(ToOwned::to_owned).as_slice(), 1));
    let report = world.import(vec![text("urls.csv", urls)], &strict()).await.unwrap_err().to_string();
    assert_eq!(report, "1 of 4 rows were refused");
    let reasons = "user_id,original_url,disabled_reason\n1,https://x.example/5, spam\n1,https://x.example/6,spam\n";
    assert_eq!(world.counts(&[reasons]).await, [(1, 0, 1)]);
    let disabled = world.content().await.urls.into_iter().filter_map(|url| url.disabled_reason);
    assert_eq!(disabled.map(|reason| reason.to_string()).collect::<Vec<_>>(), ["spam"]);
}

async fn a_link_is_found_by_id_and_code(kind: Kind) {
    let world = furnished(kind).await;
    let before = world.content().await;
    // Another target, owner and state: the link that is there stays as it is.
    let urls = "id,user_id,short_code,original_url,is_active\n1,2,abc,https://x.example/other,False\n";
    assert_eq!(world.counts(&[urls]).await, [(0, 1, 0)]);
    assert_eq!(world.content().await, before);
}

async fn a_link_without_an_id_is_found_by_code_owner_and_target(kind: Kind) {
    let world = furnished(kind).await;
    let urls = "user_id,short_code,original_url\n1,abc,https://x.example/1\n1,abc,https://x.example/9\n\
                2,abc,https://x.example/1\n1,ABC,https://x.example/1\n";
    let fault = "short_code: is another link's";
    assert_eq!(world.bad_rows(&[urls]).await, [format!("0.csv:3: {fault}"), format!("0.csv:4: {fault}")]);
    assert_eq!(world.content().await.urls.len(), 3, "codes are case-sensitive");
}

async fn what_contradicts_a_link_is_a_fault(kind: Kind) {
    let world = furnished(kind).await;
    let urls = format!("{HEAD}1,1,new,https://x.example\n3,1,abc,https://x.example\n2,1,abc,https://x.example\n");
    let expected = [
        "0.csv:2: id: belongs to another link",
        "0.csv:3: short_code: is another link's",
        "0.csv:4: id: belongs to another link",
    ];
    assert_eq!(world.bad_rows(&[&urls]).await, expected);
    assert_eq!(world.content().await.urls.len(), 2);
}

async fn rows_of_one_file_contradict_each_other(kind: Kind) {
    let world = furnished(kind).await;
    let urls = format!(
        "{HEAD}5,1,five,https://x.example\n5,1,five,https://x.example\n6,1,five,https://x.example\n\
         5,1,six,https://x.example\n,1,five,https://x.example\n"
    );
    let report = world.counts(&[&urls]).await;
    assert_eq!(report, [(1, 2, 2)]);
}

async fn a_code_once_used_is_never_given_again(kind: Kind) {
    let world = furnished(kind).await;
    world.delete_url(UrlId(1)).await;
    let urls = format!("{HEAD}1,1,abc,https://x.example/1\n8,1,old,https://x.example\n9,1,good,https://x.example\n");
    let codes = "short_code,retired_at\nold,2025-01-01 00:00:00\nabc,2025-01-01 00:00:00\ndef,2025-01-01 00:00:00\n";
    let expected = [
        "1.csv:4: short_code: is the code of a link that is there",
        "0.csv:2: short_code: was used by a link that is gone",
        "0.csv:3: short_code: was used by a link that is gone",
    ];
    assert_eq!(world.bad_rows(&[&urls, codes]).await, expected);
    let content = world.content().await;
    assert_eq!(content.urls.iter().map(|url| url.short_code.as_str()).collect::<Vec<_>>(), ["def", "good"]);
    assert_eq!(content.codes.len(), 2);
}

async fn a_link_without_a_code_gets_one(kind: Kind) {
    let world = furnished(kind).await;
    let mut urls = HEAD.to_owned();
    for i in 10..1_010 {
        urls.push_str(&format!("{i},1,,https://x.example/{i}\n"));
    }
    assert_eq!(world.counts(&[&urls]).await, [(1_000, 0, 0)]);
    let before = world.content().await;
    assert!(before.urls[2..].iter().all(|url| url.short_code.as_str().len() == 6));
    assert_eq!(world.counts(&[&urls]).await, [(0, 1_000, 0)], "found by their ids");
    assert_eq!(world.content().await, before);
    let other = format!("{HEAD}10,1,,https://x.example/other\n");
    assert_eq!(world.bad_rows(&[&other]).await, ["0.csv:2: id: belongs to another link"]);
    // Nothing identifies a row without id and code: it is new each time, as a POST is.
    let nameless = "user_id,original_url\n1,https://x.example\n1,https://x.example\n";
    assert_eq!(world.counts(&[nameless]).await, [(2, 0, 0)]);
}

async fn owners_must_exist(kind: Kind) {
    let world = furnished(kind).await;
    let urls = format!("{HEAD}7,3,seven,https://x.example\n8,2,eight,https://x.example\n");
    assert_eq!(world.bad_rows(&[&urls]).await, ["0.csv:2: user_id: names no user"]);
    assert_eq!(world.content().await.urls.len(), 3);
}

async fn bad_values_are_named(kind: Kind) {
    let world = furnished(kind).await;
    let urls = "id,user_id,short_code,original_url,title,is_active,created_at,updated_at\n\
                7,1,a b,https://x.example,,True,,\n\
                7,1,health,https://x.example,,True,,\n\
                7,1,ok1,ftp://x.example,,True,,\n\
                7,1,ok1,https://x.example,,maybe,,\n\
                7,1,ok1,https://x.example,,True,yesterday,\n\
                7,,ok1,https://x.example,,True,,\n\
                7,1,ok1,https://x.example,,True,2020-01-02 03:04:05.25\n\
                8,1,ok2,https://x.example,,0,2020-01-02 03:04:05.25,\n";
    let found = world.bad_rows(&[urls]).await;
    let fields: Vec<&str> = found.iter().filter_map(|line| line.split(": ").nth(1)).collect();
    let whole = "has 7 fields where the header has 8";
    assert_eq!(fields, ["short_code", "short_code", "original_url", "is_active", "created_at", "user_id", whole]);
    let content = world.content().await;
    let last = content.urls.last().unwrap();
    assert_eq!(last.created_at.to_rfc3339(), "2020-01-02T03:04:05.250+00:00");
    assert_eq!((last.updated_at, last.is_active, &last.title), (last.created_at, false, &None));
}

/// What other processes remember of a code that led nowhere would hide the new link.
async fn new_links_are_announced(kind: Kind) {
    let world = World::new(kind).await;
    let urls = format!("{HEAD}1,1,abc,https://x.example/1\n");
    for (users, urls, expected) in
        [(USERS, HEAD, Changes::default()), (USERS, &urls, Changes::All), (USERS, &urls, Changes::default())]
    {
        let mut tx = world.store.begin().await.unwrap();
        import(&mut tx, vec![text("urls.csv", urls), text("users.csv", users)], &strict(), &()).await.unwrap();
        assert_eq!(tx.commit_links().await.unwrap().changes, expected);
    }
    prepare_all(&world.store).await.unwrap();
}

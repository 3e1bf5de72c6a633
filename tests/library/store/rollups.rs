//! Rollups: they agree with the events of any writer, of concurrent ones too, and they cannot be made to grow.

use buoy::{
    db::Store,
    domain::{Details, EventType, NewEvent, UrlId, UserId, rollup::Dimension},
    stats::NewClick,
    store::bulk::{Bulk, BulkEvent},
};

use crate::{
    common::{database::Kind, on_both_databases, sums::number},
    store::{Fixture, at, batches::click},
};

on_both_databases!(
    rollups_agree_with_events,
    visitors_are_counted_once_a_day,
    at_most_a_hundred_values_are_kept,
    posted_clicks_count,
    imported_clicks_count_once,
    imported_values_are_capped_with_those_that_are_there,
    writers_at_the_same_time_lose_nothing,
);

/// A click from a page on `referrer`.
fn from_page(url: i64, referrer: String) -> NewClick<'static> {
    let mut click = click(url, 1, 0);
    click.counted.values = [(Dimension::Referrer, referrer)].into_iter().collect();
    click
}

fn by_visitor(url: i64, seconds: i64, visitor: i64) -> NewClick<'static> {
    let mut click = click(url, 1, seconds);
    click.counted.visitor = Some(visitor);
    click
}

async fn rollups_agree_with_events(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let mut clicks: Vec<_> = (0..1_000).map(|n| click(1 + n % 7, 1 + n % 3, n * 613)).collect();
    clicks.iter_mut().step_by(5).for_each(|click| click.counted.is_bot = true);
    clicks.iter_mut().step_by(11).for_each(|click| click.counted.owner = None);
    for (nth, batch) in clicks.chunks(90).enumerate() {
        fixture.count_clicks(&format!("{nth}"), &batch.to_vec().into()).await;
    }
    let bots = number(&fixture.database, "SELECT CAST(sum(bots) AS BIGINT) FROM click_totals").await;
    assert_eq!(bots, 200);
    for (what, sql) in [
        ("links", "SELECT CAST(sum(people + bots) AS BIGINT) FROM click_slots WHERE subject > 0"),
        ("all", "SELECT CAST(sum(people + bots) AS BIGINT) FROM click_days WHERE subject = 0"),
    ] {
        assert_eq!(number(&fixture.database, sql).await, 1_000, "{what}");
    }
}

async fn visitors_are_counted_once_a_day(kind: Kind) {
    const DAY: i64 = 86_400;
    let fixture = Fixture::new(kind).await;
    let store = async |id: &str, clicks: &[NewClick<'_>]| fixture.count_clicks(id, &clicks.to_vec().into()).await;
    store("a", &[by_visitor(1, 0, 7), by_visitor(1, 1, 7), by_visitor(1, 2, 8), by_visitor(2, 3, 7)]).await;
    store("b", &[by_visitor(1, 4, 7), by_visitor(1, DAY, 7), by_visitor(2, 5, 9)]).await;
    let uniques = async |subject: i64| {
        let sql = format!("SELECT CAST(sum(uniques) AS BIGINT) FROM click_days WHERE subject = {subject}");
        number(&fixture.database, &sql).await
    };
    assert_eq!((uniques(1).await, uniques(2).await, uniques(-1).await, uniques(0).await), (3, 2, 4, 4));
    let salt = async |candidate: u8| fixture.store.visitor_salt(1, &[candidate; 32]).await.unwrap();
    assert_eq!([salt(7).await, salt(8).await], [[7; 32]; 2]);
}

async fn at_most_a_hundred_values_are_kept(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for batch in 0..3 {
        let clicks: Vec<_> = (0..80).map(|n| from_page(1, format!("{batch}-{n}.example"))).collect();
        fixture.count_clicks(&format!("{batch}"), &clicks.into()).await;
    }
    let known = from_page(1, "0-5.example".to_owned());
    fixture.count_clicks("known", &[known].into()).await;
    let ask = async |what: &str, of: &str| {
        let sql = format!("SELECT CAST({what} AS BIGINT) FROM click_values WHERE subject = 1 AND {of}");
        number(&fixture.database, &sql).await
    };
    assert_eq!(ask("count(*)", "value <> 'other'").await, 100);
    assert_eq!(ask("sum(clicks)", "value = 'other'").await, 140);
    assert_eq!(ask("sum(clicks)", "value = '0-5.example'").await, 2);
    fixture.assert_clicks_add_up().await;
}

fn posted(url_id: UrlId, event_type: EventType, details: &str) -> NewEvent {
    NewEvent { url_id, user_id: None, event_type, timestamp: at(5), details: Details::parse(details).unwrap() }
}

async fn posted_clicks_count(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let ann = fixture.user("ann").await;
    let url = fixture.url(ann.id, "code").await;
    fixture
        .in_tx(async |tx| {
            for details in [r#"{"country":"DE"}"#, r#"{"bot":true,"country":"FR"}"#, r#"{"country":"a\u0000"}"#] {
                tx.create_event(&posted(url.id, EventType::click(), details)).await.unwrap();
            }
            tx.create_event(&posted(url.id, EventType::parse("view").unwrap(), "{}")).await.unwrap();
        })
        .await;
    fixture.assert_clicks_add_up().await;
    let people = "SELECT CAST(sum(people * 10 + bots) AS BIGINT) FROM click_days WHERE subject = ";
    for subject in [url.id.0, -ann.id.0, 0] {
        assert_eq!(number(&fixture.database, &format!("{people}{subject}")).await, 21, "{subject}");
    }
    let values = "SELECT CAST(count(*) AS BIGINT) FROM click_values WHERE subject = 0";
    assert_eq!(number(&fixture.database, values).await, 1);
}

fn imported(id: Option<i64>, url: i64, seconds: i64, details: &str) -> BulkEvent {
    BulkEvent {
        id: id.map(buoy::domain::EventId),
        url_id: UrlId(url),
        user_id: None,
        event_type: EventType::click(),
        timestamp: at(seconds),
        details: Details::parse(details).unwrap(),
    }
}

async fn import(fixture: &Fixture, chunks: &[Vec<BulkEvent>]) {
    fixture
        .in_tx(async |tx| {
            let mut bulk = Bulk::open(tx).await.unwrap();
            for chunk in chunks {
                bulk.events(chunk).await.unwrap();
            }
            bulk.close(true).await.unwrap();
        })
        .await;
}

async fn imported_clicks_count_once(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let ann = fixture.user("ann").await;
    let url = fixture.url(ann.id, "code").await;
    let rows =
        |from: i64| (from..from + 50).map(|n| imported(Some(n), url.id.0 + n % 2 * 70, n * 4_000, "{}")).collect();
    // The second import repeats half of the first, and one id within itself; events without an id are always new.
    import(&fixture, &[rows(1_000), rows(1_050)]).await;
    let twice = vec![imported(Some(2_000), url.id.0, 0, "{}"); 2];
    import(&fixture, &[rows(1_050), rows(1_100), twice, vec![imported(None, url.id.0, 0, r#"{"bot":true}"#); 3]]).await;
    fixture.assert_clicks_add_up().await;
    let total = "SELECT CAST(sum(clicks * 1000 + bots) AS BIGINT) FROM click_totals";
    assert_eq!(number(&fixture.database, total).await, 154_003);
    // Long before 1970 too.
    import(&fixture, &[vec![imported(None, url.id.0, -1_900_000_000, "{}")]]).await;
    fixture.assert_clicks_add_up().await;
}

async fn imported_values_are_capped_with_those_that_are_there(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let live: Vec<_> = (0..60).map(|n| from_page(1, format!("{n}.example"))).collect();
    fixture.count_clicks("live", &live.into()).await;
    let details = |n: i64| format!(r#"{{"referrer":"{n}.example"}}"#);
    // 40 that are there, 60 new ones, of which 99.example is the most frequent.
    let mut rows: Vec<_> = (20..120).map(|n| imported(None, 1, 0, &details(n))).collect();
    rows.extend((0..9).map(|_| imported(None, 1, 0, &details(119))));
    rows.extend((0..4).map(|_| imported(None, 1, 0, &details(59))));
    import(&fixture, &[rows.split_off(50), rows]).await;
    let clicks = async |of: &str| {
        let sql =
            format!("SELECT CAST(coalesce(sum(clicks), 0) AS BIGINT) FROM click_values WHERE subject = 1 AND {of}");
        number(&fixture.database, &sql).await
    };
    assert_eq!(clicks("TRUE").await, 60 + 113);
    assert_eq!(clicks("value = '119.example'").await, 10);
    assert_eq!(clicks("value = '59.example'").await, 6);
    // 60 + 40 new ones are kept, 20 of one click each are not.
    assert_eq!(clicks("value = 'other'").await, 20);
    fixture.assert_clicks_add_up().await;
}

/// Twenty batches over the same forty links, each writer in an order of its own.
async fn write_batches(store: Store, writer: i64) {
    for nth in 0..20_i64 {
        let clicks: Vec<_> = (0..60)
            .map(|n| {
                let mut click = from_page(1 + (n * (writer * 2 + 1) + nth) % 40, format!("{writer}-{nth}-{n}"));
                click.counted.owner = Some(UserId(1 + n % 3));
                click.counted.visitor = Some(n);
                click
            })
            .collect();
        store.store_clicks(&format!("{writer}-{nth}"), &clicks.into(), at(0)).await.unwrap();
    }
}

/// A deadlock would fail one of them.
async fn writers_at_the_same_time_lose_nothing(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let url = fixture.url(fixture.user("ann").await.id, "code").await;
    let batches = |writer: i64| write_batches(fixture.store.clone(), writer);
    let imports = async {
        for _ in 0..5 {
            let rows: Vec<_> = (0..200).map(|n| imported(None, 40 - n % 40, n, r#"{"referrer":"a"}"#)).collect();
            import(&fixture, &[rows.clone(), rows]).await;
        }
    };
    let posts = async {
        for _ in 0..20 {
            let event = posted(url.id, EventType::click(), "{}");
            fixture.in_tx(async |tx| tx.create_event(&event).await.unwrap()).await;
        }
    };
    tokio::join!(batches(1), batches(2), batches(3), imports, posts);
    fixture.fold().await;
    let total = number(&fixture.database, "SELECT CAST(sum(clicks) AS BIGINT) FROM click_totals").await;
    assert_eq!(total, 3 * 20 * 60 + 5 * 400 + 20);
    let values = "SELECT CAST(sum(clicks) AS BIGINT) FROM click_values WHERE subject = 0";
    assert_eq!(number(&fixture.database, values).await, 3 * 20 * 60 + 5 * 400);
    let most = "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 AS one FROM click_values WHERE value <> 'other' \
                GROUP BY subject, day, dimension HAVING count(*) > 100) v";
    assert_eq!(number(&fixture.database, most).await, 0);
}

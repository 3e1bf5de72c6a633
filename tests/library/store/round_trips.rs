//! What operations cost on PostgreSQL: round trips, counted on the wire, wakings of listeners, and plans of lists.

use std::time::Duration;

use buoy::{
    db::{Store, StoreSettings},
    domain::{
        Caller, Cursor, Details, EventType, Policy, TargetUrl, Title, Url, UrlChanges, UrlId, UserId,
        page::{PageStart, Sort, SortKey},
    },
    store::{
        Bucket, Claim, EventFilter, RecordedAnswer, UrlFilter, UserFilter,
        urls::create::{Created, Record},
    },
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, postgres::PgListener};

use crate::{
    common::database::Kind,
    store::{Fixture, at, created, new_url, new_user, wire::Wire},
};

/// A database with a user, and a store of one connection whose round trips are counted.
struct Counted {
    wire: Wire,
    store: Store,
    owner: UserId,
    fixture: Fixture,
}

impl Counted {
    async fn new() -> Self {
        let fixture = Fixture::new(Kind::Postgres).await;
        let owner = fixture.user("ann").await.id;
        let (wire, url) = Wire::open(&fixture.database.url).await;
        let limit = Duration::from_secs(10);
        let url = url.parse().unwrap();
        let settings = StoreSettings { pool_size: 1, wait: limit, ..StoreSettings::of(url) };
        let store = Store::open(&settings).await.unwrap();
        Self { wire, store, owner, fixture }
    }

    /// Round trips of what is done the second time: the first prepares its statements.
    async fn round_trips(&self, mut work: impl AsyncFnMut(u32)) -> usize {
        work(1).await;
        self.wire.take_round_trips();
        work(2).await;
        self.wire.take_round_trips()
    }

    async fn url(&self, code: Option<&str>) -> UrlId {
        created(self.store.create_url(Caller::Open, None, &new_url(self.owner, code), at(0)).await.unwrap()).id
    }
}

fn retarget(nth: u32) -> UrlChanges {
    let target = TargetUrl::parse(format!("https://example.com/{nth}")).unwrap();
    let title = Title::parse(format!("title {nth}")).unwrap();
    UrlChanges { original_url: Some(target), title: Some(Some(title)), ..UrlChanges::default() }
}

#[tokio::test]
async fn a_link_is_created_changed_and_deleted_in_few_round_trips() {
    let counted = Counted::new().await;
    let store = &counted.store;
    let generated = counted
        .round_trips(async |_| {
            counted.url(None).await;
        })
        .await;
    let chosen = counted
        .round_trips(async |nth| {
            counted.url(Some(&format!("code{nth}"))).await;
        })
        .await;
    assert_eq!((generated, chosen), (1, 1));
    let id = counted.url(None).await;
    let changed = counted.round_trips(async |nth| {
        assert!(store.update_url(Caller::Open, id, &retarget(nth), at(1)).await.unwrap().is_some());
    });
    assert_eq!(changed.await, 2);
    let deleted = counted.round_trips(async |nth| {
        let deleted = store.delete_url(Caller::Open, UrlId(nth.into()), at(2), Details::none()).await.unwrap();
        assert!(deleted.is_some());
    });
    assert_eq!(deleted.await, 1);
    let read = counted.round_trips(async |_| assert!(store.url(id).await.unwrap().is_some()));
    assert_eq!(read.await, 1);
}

#[tokio::test]
async fn the_rate_limit_of_a_creation_costs_nothing_more() {
    let counted = Counted::new().await;
    let bucket = Bucket { policy: Policy::Creations, user: counted.owner, interval: Duration::from_secs(60), burst: 3 };
    let new = new_url(counted.owner, None);
    let create = async || counted.store.create_url(Caller::Open, Some(bucket), &new, at(0)).await.unwrap();
    assert!(matches!(create().await, Created::Link(_, _, Some(2))));
    counted.wire.take_round_trips();
    assert!(matches!(create().await, Created::Link(_, _, Some(1))));
    assert_eq!(counted.wire.take_round_trips(), 1);
    assert!(matches!(create().await, Created::Link(_, _, Some(0))));
    let Created::Limited(wait) = create().await else { panic!("the bucket is empty") };
    assert_eq!(wait, Duration::from_secs(60));
    assert_eq!(counted.store.count_urls(UrlFilter::default()).await.unwrap(), 3);
}

/// Creates a link under an idempotency key that was found free.
async fn create_once(store: &Store, owner: UserId, key: &str, code: Option<&str>) -> Created {
    assert_eq!(store.find_answer(key, at(-1)).await.unwrap(), Claim::Free);
    let body = |url: &Url| Ok(format!("{{\"id\":{},\"by\":\"\\\"id\\\":0,\"}}", url.id));
    let record = Record { key, fingerprint: "request", expired: at(-1), body: &body };
    store.create_url_once(Caller::Open, None, Some(record), &new_url(owner, code), at(0)).await.unwrap()
}

#[tokio::test]
async fn an_idempotency_key_costs_one_round_trip_more() {
    let counted = Counted::new().await;
    let keyed = counted.round_trips(async |nth| {
        create_once(&counted.store, counted.owner, &format!("key{nth}"), None).await;
    });
    assert_eq!(keyed.await, 2);
}

async fn the_answer_is_recorded_with_the_link(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let owner = fixture.user("ann").await.id;
    let id = created(create_once(&fixture.store, owner, "key", Some("first")).await).id;
    let body = format!("{{\"id\":{id},\"by\":\"\\\"id\\\":0,\"}}");
    let answer = RecordedAnswer { fingerprint: "request".to_owned(), status: 201, body };
    assert_eq!(fixture.store.find_answer("key", at(-1)).await.unwrap(), Claim::Answered(answer.clone()));
    // Another replica found the key free as well: its work is undone.
    let body = |_: &Url| Ok(String::new());
    let mut record = Record { key: "key", fingerprint: "other", expired: at(-1), body: &body };
    let create = async |record, code| {
        let new = new_url(owner, Some(code));
        fixture.store.create_url_once(Caller::Open, None, Some(record), &new, at(9)).await.unwrap()
    };
    assert!(matches!(create(record, "second").await, Created::Answered));
    assert_eq!(fixture.store.count_urls(UrlFilter::default()).await.unwrap(), 1);
    assert_eq!(fixture.store.find_answer("key", at(-1)).await.unwrap(), Claim::Answered(answer));
    // An answer that has expired counts no longer.
    record.expired = at(0);
    assert!(matches!(create(record, "second").await, Created::Link(..)));
}

#[tokio::test]
async fn the_answer_is_recorded_with_the_link_on_postgres() {
    the_answer_is_recorded_with_the_link(Kind::Postgres).await;
}

#[tokio::test]
async fn the_answer_is_recorded_with_the_link_on_sqlite() {
    the_answer_is_recorded_with_the_link(Kind::Sqlite).await;
}

#[tokio::test]
async fn a_user_is_deleted_in_few_round_trips() {
    let counted = Counted::new().await;
    let deleted = counted.round_trips(async |nth| {
        let user = counted.fixture.user(&format!("user{nth}")).await;
        counted.fixture.url(user.id, &format!("of-user{nth}")).await;
        assert!(counted.store.delete_user(Caller::Open, user.id, at(1), &Details::none()).await.unwrap().is_some());
    });
    // BEGIN, the user, the links, three statements for these, the user again, the announcement, COMMIT.
    assert_eq!(deleted.await, 9);
}

/// Whether a listener is woken before one that is woken next.
async fn is_announced(listener: &mut PgListener, fixture: &Fixture) -> bool {
    fixture.execute("NOTIFY buoy_changes, 'end'").await;
    let mut found = false;
    while listener.recv().await.unwrap().payload() != "end" {
        assert!(!found, "one change is announced once");
        found = true;
    }
    found
}

#[tokio::test]
async fn listeners_are_woken_only_by_what_they_may_have_cached() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let owner = fixture.user("ann").await.id;
    let mut listener = PgListener::connect(&fixture.database.url).await.unwrap();
    listener.listen("buoy_changes").await.unwrap();
    let generated = fixture.create_url(&new_url(owner, None), at(0)).await.unwrap();
    assert!(!is_announced(&mut listener, &fixture).await, "no client knew a generated code");
    fixture.url(owner, "chosen").await;
    assert!(is_announced(&mut listener, &fixture).await, "a client may have asked for a chosen code");
    let retitled = UrlChanges { title: Some(None), ..UrlChanges::default() };
    fixture.update_url(generated.id, &retitled, at(1)).await.unwrap();
    assert!(!is_announced(&mut listener, &fixture).await, "titles are in no cache");
    fixture.update_url(generated.id, &retarget(1), at(2)).await.unwrap();
    assert!(is_announced(&mut listener, &fixture).await);
    fixture.update_url(generated.id, &retarget(1), at(3)).await.unwrap();
    assert!(!is_announced(&mut listener, &fixture).await, "nothing changed");
    fixture.delete_url(generated.id, at(4), Details::none()).await.unwrap();
    assert!(is_announced(&mut listener, &fixture).await);
    fixture.in_tx(async |tx| drop(tx.create_user(&new_user("bob"), at(5)).await.unwrap())).await;
    assert!(!is_announced(&mut listener, &fixture).await);
    fixture.delete_user(owner, at(6), &Details::none()).await.unwrap();
    assert!(is_announced(&mut listener, &fixture).await);
}

#[tokio::test]
async fn every_transaction_reads_what_is_committed() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let sql = format!("ALTER DATABASE {} SET default_transaction_isolation = 'repeatable read'", fixture.database.name);
    fixture.execute(&sql).await;
    let Store::Postgres { pool, .. } = fixture.database.store().await else { unreachable!("asked for") };
    let show = "SHOW transaction_isolation";
    let alone: String = sqlx::query_scalar(show).fetch_one(&pool.current()).await.unwrap();
    let mut tx = pool.current().begin().await.unwrap();
    let within: String = sqlx::query_scalar(show).fetch_one(&mut tx).await.unwrap();
    assert_eq!((alone.as_str(), within.as_str()), ("read committed", "read committed"));
}

/// The plan of a statement whatever its values are.
async fn plan(connection: &mut PgConnection, sql: &str) -> String {
    let values = (1..).take_while(|nth| sql.contains(&format!("${nth}"))).count();
    let nulls = vec!["NULL"; values].join(", ");
    let arguments = if values == 0 { String::new() } else { format!("({nulls})") };
    let script = format!("SET plan_cache_mode = force_generic_plan; PREPARE list AS {sql}");
    sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut *connection).await.unwrap();
    let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE list{arguments}"));
    let lines = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
    sqlx::raw_sql("DEALLOCATE list").execute(connection).await.unwrap();
    lines.iter().map(|line| line.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
}

/// Rows in numbers that make a wrong plan expensive: 200 users, 20,000 links, 60,000 events.
async fn fill(fixture: &Fixture) {
    for sql in [
        "INSERT INTO users (username, email, created_at) \
         SELECT 'user' || n, 'user' || n || '@example.com', now() FROM generate_series(2, 200) n",
        "INSERT INTO urls (user_id, short_code, original_url, is_active, created_at, updated_at) \
         SELECT 1 + n % 200, 'code' || n, 'https://example.com', n % 10 > 0, now(), now() FROM generate_series(1, 20000) n",
        "INSERT INTO click_totals (url_id, user_id, clicks, bots) SELECT id, user_id, id % 977, 0 FROM urls",
        "INSERT INTO events (url_id, user_id, event_type, timestamp, details) \
         SELECT 1 + n % 20000, CASE WHEN n % 3 = 0 THEN 1 + n % 200 END, \
         CASE WHEN n % 3 = 0 THEN 'created' ELSE 'click' END, now(), '{}' FROM generate_series(1, 60000) n",
        "ANALYZE",
    ] {
        fixture.execute(sql).await;
    }
}

#[tokio::test]
async fn lists_walk_along_an_index() {
    let counted = Counted::new().await;
    fill(&counted.fixture).await;
    let (store, mine) = (&counted.store, Some(counted.owner));
    let links = |user_id, is_active| UrlFilter { user_id, is_active, ..UrlFilter::default() };
    let orders = [SortKey::Id, SortKey::CreatedAt, SortKey::Clicks].into_iter();
    for (key, descending) in orders.flat_map(|key| [(key, false), (key, true)]) {
        let (sort, by_id) = (Sort { key, descending }, Sort { key: SortKey::Id, descending });
        let beyond = |key, value| PageStart::After(Cursor { id: 5_000, key, value });
        for start in [PageStart::Offset(0), beyond(key, if key == SortKey::Clicks { 400 } else { 1 << 50 })] {
            store.counted_urls(links(None, None), sort, start, 50).await.unwrap();
            if key != SortKey::Clicks {
                store.urls(links(None, None), sort, start, 50).await.unwrap();
                store.users(UserFilter::default(), sort, start, 50).await.unwrap();
            }
        }
        for filter in [links(mine, None), links(None, Some(false))] {
            store.urls(filter, by_id, beyond(SortKey::Id, 0), 50).await.unwrap();
        }
        let start = beyond(SortKey::Id, 0);
        for (owner, url_id, user_id, event_type) in [
            (None, None, None, None),
            (mine, None, None, None),
            (None, Some(UrlId(7)), None, None),
            (None, None, mine, None),
            (None, None, None, Some(EventType::click())),
            (None, Some(UrlId(7)), None, Some(EventType::created())),
        ] {
            let filter = EventFilter { owner, url_id, user_id, event_type, ..EventFilter::default() };
            store.events(&filter, by_id, start, 50).await.unwrap();
        }
    }
    assert_walk_along_an_index(&counted).await;
}

/// No list that was sent reads a whole table.
async fn assert_walk_along_an_index(counted: &Counted) {
    let mut lists = counted.wire.take_statements();
    lists.retain(|sql| sql.contains("ORDER BY"));
    lists.sort();
    lists.dedup();
    assert!(lists.len() > 12, "{lists:?}");
    let mut connection = PgConnection::connect(&counted.fixture.database.url).await.unwrap();
    for sql in &lists {
        let plan = plan(&mut connection, sql).await;
        assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
    }
}

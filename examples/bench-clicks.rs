//! What clicks cost as they pile up: fills a PostgreSQL database with more and more of them, and measures the running
//! service and the writer at each size. `make bench-clicks` starts both; the table is that of docs/benchmarks.md.
//!
//! Arguments: the database's address, the service's, and the numbers of events.
#![expect(clippy::print_stdout, reason = "the program's answer")]

use std::time::{Duration, Instant};

use anyhow::Context as _;
use buoy::{
    db::{Store, StoreSettings},
    domain::{Clock, Details, Dimension, UrlId, UserId},
    stats::{Counted, NewClick},
};
use futures_util::{StreamExt as _, stream};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

const LINKS: i64 = 1_000;
const USERS: i64 = 100;

const WORLD: &str = "
INSERT INTO users (username, email, created_at)
SELECT 'u' || g, 'u' || g || '@x.example', now() FROM generate_series(1, 100) g;
INSERT INTO urls (user_id, short_code, original_url, title, is_active, created_at, updated_at)
SELECT 1 + g % 100, 'bench' || g, 'https://example.com/' || g, NULL, TRUE, now(), now() FROM generate_series(1, 1000) g;";

/// More events in the order of time, every tenth of link 1, the others of few links rather than of many.
const EVENTS: &str = "
INSERT INTO events (url_id, user_id, event_type, timestamp, details)
SELECT CASE WHEN g % 10 = 0 THEN 1 ELSE 2 + floor(999 * power(random(), 2))::bigint END, NULL, 'click',
       date_trunc('day', now()) - interval '28 days' + interval '28 days' * g / MORE,
       '{\"browser\":\"Firefox\",\"country\":\"DE\",\"device\":\"pc\",\"os\":\"Linux\",'
       || '\"referrer\":\"news' || g % 100 || '.example.com\"}'
FROM generate_series(1, MORE) g;";

/// The rollups of all events: slots as they are, a hundred referrers for each day of what many clicks share.
const ROLLUPS: &str = "
TRUNCATE click_days, click_slots, click_values;
INSERT INTO click_slots SELECT url_id, floor(extract(epoch FROM timestamp) / 900)::bigint, count(*), 0
FROM events WHERE event_type = 'click' GROUP BY 1, 2;
INSERT INTO click_slots SELECT -u.user_id, s.slot, sum(s.people), 0
FROM click_slots s JOIN urls u ON u.id = s.subject GROUP BY 1, 2;
INSERT INTO click_slots SELECT 0, slot, sum(people), 0 FROM click_slots WHERE subject > 0 GROUP BY slot;
INSERT INTO click_days SELECT subject, slot / 96, sum(people), 0, sum(people) / 3 FROM click_slots GROUP BY 1, 2;
INSERT INTO click_values SELECT d.subject, d.day, k.dimension, 'value ' || k.n, 1 + d.people / 50 FROM click_days d
CROSS JOIN (SELECT d AS dimension, n FROM generate_series(1, 6) d, generate_series(1, 100) n) k
WHERE k.n <= CASE WHEN d.subject > 1 THEN 5 WHEN k.dimension = 1 THEN 100 ELSE 20 END;
UPDATE click_totals t SET clicks = d.clicks FROM (SELECT subject, sum(people) AS clicks FROM click_days GROUP BY 1) d
WHERE d.subject = t.url_id;";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (database, service) = arguments.next().zip(arguments.next()).context("expected two addresses and sizes")?;
    let settings = StoreSettings { wait: Duration::from_secs(10), ..StoreSettings::of(database.parse()?) };
    let store = Store::open(&settings).await?;
    let mut connection = PgConnection::connect(&database).await?;
    run(&mut connection, WORLD).await?;
    println!(
        "| events | redirect p99 | insert a click | stats p50, p99 | in Nepal p50, p99 | first page | deep page \
         | deep page of a link |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut there = 0;
    for size in arguments {
        let size: i64 = size.parse().context("a size is a number")?;
        run(&mut connection, &EVENTS.replace("MORE", &(size - there).to_string())).await?;
        run(&mut connection, ROLLUPS).await?;
        run(&mut connection, "VACUUM ANALYZE").await?;
        run(&mut connection, "CHECKPOINT").await?;
        there = size;
        println!("| {size} | {} |", measured(&store, &service, size).await?.join(" | "));
    }
    println!("\n{}", pruned(&store, &mut connection, there).await?);
    store.close().await;
    Ok(())
}

/// What deleting the click events of the oldest days costs, and a vacuum after it.
async fn pruned(store: &Store, connection: &mut PgConnection, size: i64) -> anyhow::Result<String> {
    let begun = Instant::now();
    let swept = store.sweep(Some(26), Clock::system().now()).await?;
    let took = begun.elapsed().as_secs_f64();
    let rate = swept.clicks as f64 / took;
    let begun = Instant::now();
    run(connection, "VACUUM events").await?;
    let vacuum = begun.elapsed().as_secs_f64();
    let clicks = swept.clicks;
    Ok(format!("pruned {clicks} of {size} events in {took:.1} s, {rate:.0} a second; VACUUM took {vacuum:.1} s"))
}

async fn run(connection: &mut PgConnection, sql: &str) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await?;
    Ok(())
}

/// The row of a size.
async fn measured(store: &Store, service: &str, size: i64) -> anyhow::Result<Vec<String>> {
    let deep = size * 9 / 10;
    let both = |times: &[Duration]| format!("{}, {}", millis(quantile(times, 50)), millis(quantile(times, 99)));
    let codes = |nth: i64| format!("/bench{}", 1 + nth * 7 % LINKS);
    requests(service, 4, 500, codes).await?;
    let redirects = requests(service, 4, 2_000, codes).await?;
    let insertion = insertion(store, size).await?;
    // One after another: what one answer takes, not how many fit into a second.
    let utc = requests(service, 1, 500, |_| "/urls/1/stats".to_owned()).await?;
    let nepal = requests(service, 1, 500, |_| "/urls/1/stats?tz=Asia/Kathmandu".to_owned()).await?;
    let mut row = vec![millis(quantile(&redirects, 99)), format!("{insertion:.1} µs"), both(&utc), both(&nepal)];
    for query in ["".to_owned(), format!("&cursor=after-{deep}"), format!("&url_id=1&cursor=after-{deep}")] {
        let pages = requests(service, 4, 300, |_| format!("/events?event_type=click&per_page=20{query}")).await?;
        row.push(format!("p99 {}", millis(quantile(&pages, 99))));
    }
    Ok(row)
}

/// How long each of many requests takes, so many at a time.
async fn requests(
    service: &str,
    at_once: usize,
    count: i64,
    path: impl Fn(i64) -> String,
) -> anyhow::Result<Vec<Duration>> {
    let client = buoy::outbound::client().build()?;
    let requests = (0..count).map(|nth| client.get(format!("{service}{}", path(nth))));
    let timed = requests.map(|request| async {
        let begun = Instant::now();
        let answer = request.send().await?;
        anyhow::ensure!(answer.status().as_u16() < 400, "{}: {}", answer.url(), answer.status());
        answer.bytes().await?;
        Ok(begun.elapsed())
    });
    let times: Vec<anyhow::Result<Duration>> = stream::iter(timed).buffer_unordered(at_once).collect().await;
    let mut times = times.into_iter().collect::<anyhow::Result<Vec<Duration>>>()?;
    times.sort_unstable();
    Ok(times)
}

/// Microseconds that a click takes to be stored in batches of 500: the median of forty.
async fn insertion(store: &Store, size: i64) -> anyhow::Result<f64> {
    let mut times = Vec::new();
    for batch in 0..40 {
        let clicks: Vec<NewClick<'_>> = (0..500).map(|nth| click(batch * 500 + nth)).collect();
        let begun = Instant::now();
        store.store_clicks(&format!("bench {size} {batch}"), &clicks.into(), Clock::system().now()).await?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(quantile(&times, 50).as_secs_f64() * 1e6 / 500.0)
}

fn click(nth: i64) -> NewClick<'static> {
    let url = 1 + nth * nth % LINKS;
    let referrer = format!("news{}.example.com", nth % 50);
    let details = Details::of(&serde_json::json!({
        "browser": "Firefox", "country": "DE", "device": "pc", "os": "Linux", "referrer": referrer,
    }));
    let values = [
        (Dimension::Referrer, referrer),
        (Dimension::Country, "DE".to_owned()),
        (Dimension::Browser, "Firefox".to_owned()),
        (Dimension::Os, "Linux".to_owned()),
        (Dimension::Device, "pc".to_owned()),
    ];
    let values = values.into_iter().collect();
    let (url_id, owner) = (UrlId(url), Some(UserId(1 + url % USERS)));
    let counted =
        Counted { url_id, owner, at: Clock::system().now(), is_bot: false, visitor: Some(nth * 7_919 % 5_000), values };
    NewClick { counted, details }
}

fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or_default()
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

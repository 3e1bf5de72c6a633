//! `/stats` and `/urls/{id}/stats`, over rollups that the tests write themselves.

use serde_json::{Value, json};

use crate::{
    app::TestApp,
    common::{
        database::{Database, Kind},
        on_both_databases,
    },
};

on_both_databases!(
    statistics_have_the_shape_of_the_contract,
    without_a_range_they_are_of_thirty_days,
    days_begin_at_midnight_in_the_zone,
    hours_and_days_follow_the_clocks,
    weeks_and_months_are_those_of_the_calendar,
    only_what_is_in_the_range_is_counted,
    values_without_an_entry_are_others,
    links_are_told_apart_from_each_other_and_from_all,
);

impl Database {
    /// Clicks in the rollups, as if they had been stored at this moment. The moment begins a slot.
    pub(crate) async fn add_counts(&self, subject: i64, at: &str, people: i64, bots: i64) {
        let seconds = chrono::DateTime::parse_from_rfc3339(at).unwrap().timestamp();
        let (slot, day) = (seconds.div_euclid(900), seconds.div_euclid(86_400));
        let add = |table: &str, extra: &str, conflict: &str| {
            format!(
                "INSERT INTO {table} ON CONFLICT ({conflict}) DO UPDATE SET people = {conflict_table}.people + \
                 excluded.people, bots = {conflict_table}.bots + excluded.bots{extra};",
                conflict_table = table.split(' ').next().unwrap()
            )
        };
        let days = format!(
            "click_days (subject, day, people, bots, uniques) VALUES ({subject}, {day}, {people}, {bots}, {})",
            people.min(1)
        );
        let slots = format!("click_slots (subject, slot, people, bots) VALUES ({subject}, {slot}, {people}, {bots})");
        let days = add(&days, ", uniques = click_days.uniques + excluded.uniques", "subject, day");
        self.execute(&format!("{days}{}", add(&slots, "", "subject, slot"))).await;
    }

    /// Clicks with a value, on the day of this moment.
    async fn add_value(&self, subject: i64, day: i64, dimension: i64, value: &str, clicks: i64) {
        let sql = format!("INSERT INTO click_values VALUES ({subject}, {day}, {dimension}, '{value}', {clicks})");
        self.execute(&sql).await;
    }
}

/// The service with a user and links 1 to `links`.
async fn with_links(kind: Kind, links: u32) -> TestApp {
    let app = TestApp::start(kind).await;
    app.database.add_users(1).await;
    app.database.add_urls(links).await;
    app
}

async fn stats(app: &TestApp, path: &str) -> Value {
    app.get(path).await.expect(200)
}

/// The start and the clicks of buckets that have any.
fn filled(stats: &Value) -> Vec<(String, i64)> {
    let buckets = stats["series"].as_array().unwrap().iter();
    let filled = buckets.filter(|bucket| bucket["total"] != 0);
    filled.map(|bucket| (bucket["start"].as_str().unwrap().to_owned(), bucket["total"].as_i64().unwrap())).collect()
}

fn at(list: &[(&str, i64)]) -> Vec<(String, i64)> {
    list.iter().map(|(start, clicks)| ((*start).to_owned(), *clicks)).collect()
}

async fn statistics_have_the_shape_of_the_contract(kind: Kind) {
    let app = with_links(kind, 1).await;
    app.database.add_counts(1, "2026-03-01T10:15:00Z", 2, 1).await;
    app.database.add_counts(1, "2026-03-02T23:30:00Z", 5, 1).await;
    app.database.add_value(1, 20_513, 1, "news.example.com", 4).await;
    app.database.add_value(1, 20_513, 6, "de", 1).await;
    let answer = app.get("/urls/1/stats?from=2026-03-01&to=2026-03-03&unit=day&tz=Europe/Berlin&top=5").await;
    let expected = json!({
        "url_id": 1, "from": "2026-02-28T23:00:00Z", "to": "2026-03-03T23:00:00Z", "unit": "day", "tz": "Europe/Berlin",
        "total": 9, "people": 7, "bots": 2, "unique": 2,
        "series": [
            {"start": "2026-02-28T23:00:00Z", "total": 3, "people": 2, "bots": 1},
            {"start": "2026-03-01T23:00:00Z", "total": 0, "people": 0, "bots": 0},
            {"start": "2026-03-02T23:00:00Z", "total": 6, "people": 5, "bots": 1},
        ],
        "top": {
            "referrer": [{"value": "news.example.com", "clicks": 4}],
            "country": [], "browser": [], "os": [], "device": [],
            "language": [{"value": "de", "clicks": 1}],
        },
    });
    assert_eq!(answer.expect(200), expected);
    let order: Vec<_> = ["url_id", "from", "to", "unit", "tz", "total", "people", "bots", "unique", "series", "top"]
        .map(|key| answer.body.find(&format!("\"{key}\":")).unwrap())
        .to_vec();
    assert!(order.is_sorted(), "{}", answer.body);
    let head = app.head("/urls/1/stats").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

async fn without_a_range_they_are_of_thirty_days(kind: Kind) {
    let app = with_links(kind, 1).await;
    let now = buoy::domain::Clock::system().now();
    let today = now.date_naive().and_hms_opt(0, 0, 0).unwrap().and_utc();
    for days in [0, 29, 30] {
        let day = (today - chrono::Duration::days(days)).to_rfc3339();
        app.database.add_counts(1, &day, 1 + days, 0).await;
    }
    let stats = stats(&app, "/urls/1/stats").await;
    assert_eq!((&stats["unit"], &stats["tz"]), (&json!("day"), &json!("UTC")));
    assert_eq!((stats["series"].as_array().unwrap().len(), &stats["total"]), (30, &json!(31)));
    assert_eq!(stats["series"][29]["total"], 1);
}

async fn days_begin_at_midnight_in_the_zone(kind: Kind) {
    let app = with_links(kind, 1).await;
    // Midnight in Kathmandu is a quarter past six in the evening before, in Kolkata half past six.
    for (at, people) in [("2026-03-01T18:00:00Z", 1), ("2026-03-01T18:15:00Z", 10), ("2026-03-01T18:30:00Z", 100)] {
        app.database.add_counts(1, at, people, 0).await;
    }
    for (zone, expected) in [
        ("Asia/Kathmandu", [("2026-02-28T18:15:00Z", 1), ("2026-03-01T18:15:00Z", 110)].as_slice()),
        ("Asia/Kolkata", &[("2026-02-28T18:30:00Z", 11), ("2026-03-01T18:30:00Z", 100)]),
        ("UTC", &[("2026-03-01T00:00:00Z", 111)]),
        ("America/St_Johns", &[("2026-03-01T03:30:00Z", 111)]),
    ] {
        let stats = stats(&app, &format!("/urls/1/stats?from=2026-03-01&to=2026-03-05&tz={zone}")).await;
        assert_eq!(filled(&stats), at(expected), "{zone}");
        assert_eq!(stats["series"].as_array().unwrap().len(), 5, "{zone}");
        let hours = stats_of_hours(&app, zone).await;
        assert_eq!(hours["total"], 111, "{zone}");
    }
    let hours = filled(&stats_of_hours(&app, "Asia/Kathmandu").await);
    assert_eq!(hours, at(&[("2026-03-01T17:15:00Z", 1), ("2026-03-01T18:15:00Z", 110)]));
}

async fn stats_of_hours(app: &TestApp, zone: &str) -> Value {
    stats(app, &format!("/urls/1/stats?from=2026-03-01&to=2026-03-05&unit=hour&tz={zone}")).await
}

async fn hours_and_days_follow_the_clocks(kind: Kind) {
    let app = with_links(kind, 1).await;
    // Berlin's clocks leap from two to three on 29 March, at one o'clock in UTC, and back on 25 October.
    for at in ["2026-03-28T22:45:00Z", "2026-03-28T23:00:00Z", "2026-03-29T21:45:00Z", "2026-03-29T22:00:00Z"] {
        app.database.add_counts(1, at, 1, 0).await;
    }
    let spring = stats(&app, "/urls/1/stats?from=2026-03-27&to=2026-03-31&tz=Europe/Berlin").await;
    let days = at(&[("2026-03-27T23:00:00Z", 1), ("2026-03-28T23:00:00Z", 2), ("2026-03-29T22:00:00Z", 1)]);
    assert_eq!(filled(&spring), days);
    let hours = stats(&app, "/urls/1/stats?from=2026-03-29&to=2026-03-29&tz=Europe/Berlin&unit=hour").await;
    assert_eq!((hours["series"].as_array().unwrap().len(), &hours["total"]), (23, &json!(2)));
    for at in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
        app.database.add_counts(1, at, 1, 0).await;
    }
    let autumn = stats(&app, "/urls/1/stats?from=2026-10-25&to=2026-10-25&tz=Europe/Berlin&unit=hour").await;
    assert_eq!(autumn["series"].as_array().unwrap().len(), 25);
    assert_eq!(filled(&autumn), at(&[("2026-10-25T00:00:00Z", 1), ("2026-10-25T01:00:00Z", 1)]));
}

async fn weeks_and_months_are_those_of_the_calendar(kind: Kind) {
    let app = with_links(kind, 1).await;
    for (at, people) in [("2026-01-31T23:45:00Z", 1), ("2026-02-01T00:00:00Z", 10), ("2026-02-02T00:00:00Z", 100)] {
        app.database.add_counts(1, at, people, 0).await;
    }
    let months = stats(&app, "/urls/1/stats?from=2026-01-01&to=2026-12-31&unit=month").await;
    assert_eq!(months["series"].as_array().unwrap().len(), 12);
    assert_eq!(filled(&months), at(&[("2026-01-01T00:00:00Z", 1), ("2026-02-01T00:00:00Z", 110)]));
    // 2 February 2026 is a Monday.
    let weeks = stats(&app, "/urls/1/stats?from=2026-01-28&to=2026-02-04&unit=week").await;
    assert_eq!(filled(&weeks), at(&[("2026-01-26T00:00:00Z", 11), ("2026-02-02T00:00:00Z", 100)]));
    let weeks = stats(&app, "/urls/1/stats?from=2026-01-28&to=2026-02-04&unit=week&tz=Asia/Kathmandu").await;
    assert_eq!(filled(&weeks), at(&[("2026-01-25T18:15:00Z", 11), ("2026-02-01T18:15:00Z", 100)]));
    let berlin = stats(&app, "/urls/1/stats?from=2026-01-01&to=2026-12-31&unit=month&tz=Europe/Berlin").await;
    assert_eq!(filled(&berlin), at(&[("2026-01-31T23:00:00Z", 111)]));
}

async fn only_what_is_in_the_range_is_counted(kind: Kind) {
    let app = with_links(kind, 1).await;
    for (at, people) in [
        ("2026-03-01T09:45:00Z", 1),
        ("2026-03-01T10:00:00Z", 10),
        ("2026-03-01T10:15:00Z", 100),
        ("2026-03-01T10:30:00Z", 1000),
    ] {
        app.database.add_counts(1, at, people, 0).await;
    }
    let stats = async |query: &str| stats(&app, &format!("/urls/1/stats?{query}")).await;
    let part = stats("from=2026-03-01T10:05:00Z&to=2026-03-01T10:30:00Z&unit=day").await;
    assert_eq!((&part["from"], &part["to"]), (&json!("2026-03-01T10:00:00Z"), &json!("2026-03-01T10:30:00Z")));
    assert_eq!((filled(&part), &part["people"]), (at(&[("2026-03-01T00:00:00Z", 110)]), &json!(110)));
    // A plus sign as it is, and one encoded; without a zone it is the time in `tz`.
    for query in [
        "from=2026-03-01T11:00:00+01:00&to=2026-03-01T10:30:00Z",
        "from=2026-03-01T11:00:00%2B01:00&to=2026-03-01T10:30:00Z",
        "from=2026-03-01T11:00:00&to=2026-03-01T11:30:00&tz=Europe/Berlin",
    ] {
        assert_eq!(stats(query).await["total"], 110, "{query}");
    }
    let nothing = stats("from=2026-04-01&to=2026-04-02").await;
    assert_eq!((&nothing["total"], nothing["series"].as_array().unwrap().len()), (&json!(0), 2));
    let body = json!({"from": "2026-03-01", "to": "2026-03-01", "unit": "hour", "top": 3});
    let from_body = app.get_with_body("/urls/1/stats?unit=day", &body).await.expect(200);
    assert_eq!((&from_body["unit"], &from_body["total"]), (&json!("day"), &json!(1111)));
}

async fn values_without_an_entry_are_others(kind: Kind) {
    let app = with_links(kind, 1).await;
    app.database.add_counts(1, "2026-03-01T00:00:00Z", 500, 0).await;
    for nth in 0..20 {
        app.database.add_value(1, 20_513, 1, &format!("host{nth:02}.example"), 20 - nth).await;
        app.database.add_value(1, 20_514, 1, &format!("host{nth:02}.example"), 1).await;
    }
    app.database.add_value(1, 20_513, 1, "other", 1_000).await;
    app.database.add_value(1, 20_512, 1, "before.example", 1_000).await;
    app.database.add_value(1, 20_513, 4, "Linux", 3).await;
    let path = "/urls/1/stats?from=2026-03-01&to=2026-03-02";
    let ten = stats(&app, path).await["top"]["referrer"].clone();
    let clicks: Vec<i64> = ten.as_array().unwrap().iter().map(|entry| entry["clicks"].as_i64().unwrap()).collect();
    let rest: i64 = (1..=10).map(|n| n + 1).sum();
    assert_eq!(clicks, [21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 1_000 + rest]);
    assert_eq!((&ten[0]["value"], &ten[10]["value"]), (&json!("host00.example"), &json!("other")));
    let two = stats(&app, &format!("{path}&top=2")).await["top"].clone();
    assert_eq!((two["referrer"].as_array().unwrap().len(), two["os"].as_array().unwrap().len()), (3, 1));
    let all = stats(&app, &format!("{path}&top=5000")).await["top"]["referrer"].clone();
    assert_eq!((all.as_array().unwrap().len(), &all[20]), (21, &json!({"value": "other", "clicks": 1_000})));
}

async fn links_are_told_apart_from_each_other_and_from_all(kind: Kind) {
    let app = with_links(kind, 2).await;
    for (subject, people) in [(1, 1), (2, 10), (-1, 11), (0, 100)] {
        app.database.add_counts(subject, "2026-03-01T00:00:00Z", people, 1).await;
    }
    let range = "from=2026-03-01&to=2026-03-01";
    for (path, url_id, people) in
        [("/urls/1/stats", json!(1), 1), ("/urls/2/stats", json!(2), 10), ("/stats", Value::Null, 100)]
    {
        let stats = stats(&app, &format!("{path}?{range}")).await;
        assert_eq!(
            (&stats["url_id"], &stats["people"], &stats["bots"]),
            (&url_id, &json!(people), &json!(1)),
            "{path}"
        );
    }
    assert_eq!(app.delete("/urls/2").await.status, 204);
    for name in ["2", "3", "0", "-1", "abc", "9007199254740993"] {
        app.get(&format!("/urls/{name}/stats")).await.problem(404, "url_not_found");
    }
    assert_eq!(stats(&app, &format!("/stats?{range}")).await["people"], 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_refused() {
    let app = with_links(Kind::Sqlite, 1).await;
    for (query, field) in [
        ("unit=year", "unit"),
        ("unit=Day", "unit"),
        ("tz=Mars/Olympus", "tz"),
        ("tz=%00", "tz"),
        ("top=0", "top"),
        ("top=ten", "top"),
        ("from=yesterday", "from"),
        ("from=2026-02-30", "from"),
        ("from=99999-01-01", "from"),
        ("to=0000-00-00", "to"),
        ("from=2026-03-02&to=2026-03-01", "to"),
        ("from=2026-03-01T00:00:00Z&to=2026-03-01T00:00:00Z", "to"),
        ("from=9000-01-01", "from"),
        ("from=2020-01-01&to=2026-01-01", "unit"),
        ("from=0002-01-01&to=9998-12-31&unit=month", "unit"),
        ("from=2026-01-01&to=2026-03-01&unit=hour", "unit"),
    ] {
        for path in ["/urls/1/stats", "/stats"] {
            assert_eq!(app.get(&format!("{path}?{query}")).await.refused_fields(), [field], "{path}?{query}");
        }
    }
    // Empty parameters count as missing.
    stats(&app, "/stats?from=&to=&unit=&tz=&top=").await;
    app.post("/stats", &json!({})).await.problem(405, "method_not_allowed");
}

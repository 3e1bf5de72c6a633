//! Whether clicks add up: events, totals, days and slots, asked of the database itself.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use crate::common::database::{Database, Kind};

/// What must not be found, and how many rows there are of it.
const DISAGREEMENTS: [(&str, &str); 6] = [
    (
        "links whose total is not the number of their events",
        "SELECT count(*) FROM (SELECT url_id, count(*) AS n FROM events WHERE event_type = 'click' GROUP BY url_id) e \
         FULL JOIN click_totals t ON t.url_id = e.url_id WHERE coalesce(e.n, 0) <> coalesce(t.clicks, 0)",
    ),
    (
        "links whose slots are not their total",
        "SELECT count(*) FROM (SELECT subject, sum(people + bots) AS n, sum(bots) AS bots FROM click_slots \
         WHERE subject > 0 GROUP BY subject) s FULL JOIN click_totals t ON t.url_id = s.subject \
         WHERE coalesce(s.n, 0) <> coalesce(t.clicks, 0) OR coalesce(s.bots, 0) <> coalesce(t.bots, 0)",
    ),
    (
        "days that are not the sum of their slots",
        "SELECT count(*) FROM (SELECT subject, (slot - (slot % 96 + 96) % 96) / 96 AS day, sum(people) AS people, \
         sum(bots) AS bots FROM click_slots GROUP BY 1, 2) s \
         FULL JOIN click_days d ON d.subject = s.subject AND d.day = s.day \
         WHERE coalesce(s.people, 0) <> coalesce(d.people, 0) OR coalesce(s.bots, 0) <> coalesce(d.bots, 0)",
    ),
    (
        "users whose days are not the sum of their links",
        "SELECT count(*) FROM (SELECT user_id, sum(clicks) AS n FROM click_totals WHERE user_id IS NOT NULL \
         GROUP BY user_id) t FULL JOIN (SELECT -subject AS user_id, sum(people + bots) AS n FROM click_days \
         WHERE subject < 0 GROUP BY subject) d ON d.user_id = t.user_id WHERE coalesce(t.n, 0) <> coalesce(d.n, 0)",
    ),
    (
        "sums of all that are not the number of events",
        "SELECT count(*) FROM (SELECT 1 AS one) o WHERE (SELECT coalesce(sum(people + bots), 0) FROM click_days \
         WHERE subject = 0) <> (SELECT count(*) FROM events WHERE event_type = 'click')",
    ),
    (
        "dimensions with too many values",
        "SELECT count(*) FROM (SELECT 1 FROM click_values WHERE value <> 'other' \
         GROUP BY subject, day, dimension HAVING count(*) > 100) v",
    ),
];

/// The one number that a query answers.
pub(crate) async fn number(database: &Database, sql: &str) -> i64 {
    let sql = AssertSqlSafe(sql.to_owned());
    match database.kind {
        Kind::Postgres => {
            let mut connection = PgConnection::connect(&database.url).await.expect("the database answers");
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("the query is sound")
        }
        Kind::Sqlite => {
            let mut connection = SqliteConnection::connect(&database.url).await.expect("the file can be opened");
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("the query is sound")
        }
    }
}

/// Folds what is pending, and fails if clicks do not add up then.
pub(crate) async fn assert_clicks_add_up(database: &Database) {
    let store = database.store().await;
    store.fold_clicks(Duration::from_secs(10)).await.expect("pending rows can be folded");
    store.close().await;
    for (what, sql) in DISAGREEMENTS {
        assert_eq!(number(database, sql).await, 0, "{what}");
    }
}

//! The API of one replica beside bare handlers of one SQL statement each.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use hyper::StatusCode;
use sqlx::{Connection as _, PgConnection};

use super::{
    client::{self, Extent, Phase, Requests},
    figures::{Operation, Operations, Pair},
    process::Server,
    requests, servers,
};
use crate::api::ApiLink;

/// Links that are read and listed, and as many others that are changed: dead rows slow down what reads them.
const LINKS: u64 = 2_000;
/// Connections of the client: three times the pool's.
const CONNECTIONS: u64 = 16;
const WARM_UP: Duration = Duration::from_secs(1);
/// The order within a round. Those that are deleted are those that were created.
const OPERATIONS: [Operation; 5] =
    [Operation::Create, Operation::Read, Operation::List, Operation::Change, Operation::Delete];

/// One of the two servers that are compared, and its links.
struct Side {
    port: u16,
    owner: i64,
    read: Vec<ApiLink>,
    changed: Vec<ApiLink>,
    /// Asks the database for links that were created after the prepared ones.
    created_since: &'static str,
}

/// Measures all operations in alternating phases.
///
/// # Errors
/// A server or the database does not answer, or an answer is not as it should be.
pub async fn run(
    bare: &Server,
    replica: &Server,
    database_url: &str,
    extent: Extent,
) -> anyhow::Result<Vec<Operations>> {
    let owner = servers::api(replica)?.create_user("bench-api").await?;
    let bare = side(bare, owner, "SELECT id FROM bare_links WHERE id > $1 ORDER BY id").await?;
    let buoy = side(replica, owner, "SELECT id FROM urls WHERE id > $1 ORDER BY id").await?;
    let mut database = PgConnection::connect(database_url).await.context("cannot connect to the database")?;
    let mut figures = OPERATIONS.map(|operation| Operations { operation, rounds: Vec::new() });
    for operation in OPERATIONS {
        for side in [&bare, &buoy] {
            rate(side, operation, 0, WARM_UP, &mut database).await?;
        }
    }
    for round in 1..=extent.rounds {
        // Here rather than by autovacuum in the middle of a phase.
        sqlx::raw_sql("VACUUM (ANALYZE)").execute(&mut database).await?;
        for Operations { operation, rounds } in &mut figures {
            let bare = rate(&bare, *operation, round, extent.phase, &mut database).await?;
            let buoy = rate(&buoy, *operation, round, extent.phase, &mut database).await?;
            let pair = Pair { bare, buoy };
            eprintln!("round {round}, {operation:?}: {pair}");
            rounds.push(pair);
        }
    }
    Ok(figures.into())
}

async fn side(server: &Server, owner: i64, created_since: &'static str) -> anyhow::Result<Side> {
    let api = servers::api(server)?;
    let read = servers::create_links(&api, owner, LINKS).await?;
    let changed = servers::create_links(&api, owner, LINKS).await?;
    Ok(Side { port: server.port, owner, read, changed, created_since })
}

/// Operations per second in one phase.
async fn rate(
    side: &Side,
    operation: Operation,
    round: u32,
    duration: Duration,
    database: &mut PgConnection,
) -> anyhow::Result<f64> {
    let (requests, expected): (Requests, StatusCode) = match operation {
        Operation::Create => (requests::create(side.owner), StatusCode::CREATED),
        Operation::Read => (requests::read(&side.read), StatusCode::OK),
        Operation::List => (requests::list(&side.read), StatusCode::OK),
        Operation::Change => (requests::change(&side.changed, round), StatusCode::OK),
        Operation::Delete => (requests::delete(created(side, database).await?), StatusCode::NO_CONTENT),
    };
    let phase = Phase { port: side.port, requests, expected, connections: CONNECTIONS, duration };
    let outcome = client::run(&phase).await?;
    ensure!(
        outcome.tally.failed == 0,
        "{} requests of {operation:?} were not answered as expected",
        outcome.tally.failed
    );
    ensure!(outcome.answered() > 0, "no request of {operation:?} was answered");
    Ok(outcome.per_second())
}

/// The links that phases have created and none has deleted.
async fn created(side: &Side, database: &mut PgConnection) -> anyhow::Result<Vec<i64>> {
    let last = side.changed.iter().map(|link| link.id).max().context("links were prepared")?;
    Ok(sqlx::query_scalar(side.created_since).bind(last).fetch_all(database).await?)
}

//! The database that all share is gone.

use anyhow::Result;
use tokio::time::{Instant, sleep};

use crate::{
    faults::{self, BlackHole},
    outage::{OUTAGE, Outage},
    stack::Stack,
};

/// It refuses connections, and its name is unknown.
pub(crate) async fn stopped(stack: &Stack) -> Result<String> {
    let mut outage = Outage::prepare(stack).await?;
    let database = stack.container("db").await?;
    faults::stop(&database).await?;
    outage.lost();
    sleep(OUTAGE).await;
    faults::start(&database).await?;
    let back = stack.wait_database().await?;
    outage.judge(back).await
}

/// It is silent: packets vanish, on open connections and on new ones.
pub(crate) async fn black_holed(stack: &Stack) -> Result<String> {
    let mut outage = Outage::prepare(stack).await?;
    let hole = BlackHole::around_database(&stack.container("db").await?).await?;
    outage.lost();
    sleep(OUTAGE).await;
    let back = Instant::now();
    hole.fill().await?;
    outage.judge(back).await
}

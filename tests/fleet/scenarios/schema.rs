//! Versions of the program and of the schema that differ.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::sleep;

use crate::{
    api::Api,
    docker::docker_status,
    faults,
    load::{Ask, Load},
    stack::{REPLICAS, Stack},
};

const LAST: &str = "(SELECT max(version) FROM _sqlx_migrations)";
/// Every column and index there is.
const SCHEMA: &str = "SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
    SELECT table_name || '.' || column_name || ' ' || data_type AS line
    FROM information_schema.columns
    WHERE table_schema = 'public'
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public') AS lines";

/// A job whose migration fails says why and leaves the schema as it was; the running fleet serves on.
pub(crate) async fn failing_migration(stack: &Stack) -> Result<String> {
    let replicas = stack.fleet().await?;
    let api = Api::at(stack.nginx());
    let link = api.link(api.user().await?).await?;
    // The job finds its newest migration missing from the list, and its tables already there.
    stack.sql(&format!("CREATE TABLE kept_row AS SELECT * FROM _sqlx_migrations WHERE version = {LAST}")).await?;
    stack.sql(&format!("DELETE FROM _sqlx_migrations WHERE version = {LAST}")).await?;
    let before = stack.sql(SCHEMA).await?;
    let url = format!("{}/{}", stack.nginx(), link.code);
    let load = Load::start(4, Duration::from_millis(20), move |_, _| Ask::get(url.clone()));
    let job = migrate(stack).await;
    let samples = load.stop().await?;
    let after = stack.sql(SCHEMA).await?;
    let created = api.link(api.user().await?).await;
    stack.sql("INSERT INTO _sqlx_migrations SELECT * FROM kept_row").await?;
    stack.sql("DROP TABLE kept_row").await?;
    let (code, said) = job?;
    ensure!(code != 0, "the job ended with 0: {said}");
    ensure!(said.contains("already exists"), "the job does not say why: {said}");
    ensure!(before == after, "the schema changed");
    created?;
    samples.all_good()?;
    stack.no_restart(&replicas).await?;
    Ok(format!("exit code {code}, with its reason; meanwhile {}", samples.figures()))
}

async fn migrate(stack: &Stack) -> Result<(i32, String)> {
    let network = stack.network("back");
    let url = "DATABASE_URL=postgres://buoy:for-this-machine-only@db:5432/buoy";
    docker_status(&["run", "--rm", "--network", &network, "--env", url, stack.image(), "migrate"]).await
}

/// After a newer version has migrated, replicas of this one stay ready and become ready again.
pub(crate) async fn newer_schema(stack: &Stack) -> Result<String> {
    let replicas = stack.fleet().await?;
    stack
        .sql(
            "INSERT INTO _sqlx_migrations SELECT version + 1, 'of a newer version', now(), true, checksum, 0
        FROM _sqlx_migrations ORDER BY version DESC LIMIT 1",
        )
        .await?;
    stack.sql("ALTER TABLE urls ADD COLUMN of_a_newer_version text NOT NULL DEFAULT ''").await?;
    let result = stays_ready(stack).await;
    stack.sql("ALTER TABLE urls DROP COLUMN of_a_newer_version").await?;
    stack.sql(&format!("DELETE FROM _sqlx_migrations WHERE version = {LAST}")).await?;
    result?;
    ensure!(stack.ready_replicas().await?.len() == replicas.len(), "not every replica is ready");
    Ok("running replicas stay ready, one that starts becomes ready, migrate ends with 0".to_owned())
}

async fn stays_ready(stack: &Stack) -> Result<()> {
    sleep(Duration::from_secs(2)).await;
    ensure!(stack.ready_replicas().await?.len() == REPLICAS, "a running replica is not ready any more");
    let replica = &stack.containers("buoy").await?[0];
    faults::stop(replica).await?;
    faults::start(replica).await?;
    stack.wait_ready(REPLICAS, Duration::from_secs(10)).await?;
    let (code, said) = migrate(stack).await?;
    ensure!(code == 0, "migrate ended with {code}: {said}");
    let api = Api::at(stack.nginx());
    let link = api.link(api.user().await?).await?;
    api.warm(&[link]).await
}

//! A POST that is sent again under its Idempotency-Key.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::sleep;

use crate::{
    api::{Api, unique},
    faults,
    stack::Stack,
};

const ROUNDS: usize = 20;

/// Concurrently on two replicas: one link, and the other request is refused or gets the same answer.
pub(crate) async fn two_replicas(stack: &Stack) -> Result<String> {
    let replicas = stack.fleet().await?;
    let [first, second] = [0, 1].map(|number: usize| Api::at(replicas[number].url()));
    let user = first.user().await?;
    let mut conflicts = 0;
    for _ in 0..ROUNDS {
        let (key, target) = (unique("key"), format!("https://example.com/{}", unique("once")));
        let sent = tokio::try_join!(first.link_once(user, &key, &target), second.link_once(user, &key, &target))?;
        let again = second.link_once(user, &key, &target).await?;
        let all = [sent.0, sent.1, again];
        let wrong = all.iter().find(|(status, _)| *status != 201 && *status != 409);
        ensure!(wrong.is_none(), "answered with {all:?}");
        let mut ids: Vec<i64> = all.iter().filter(|(status, _)| *status == 201).filter_map(|(_, id)| *id).collect();
        conflicts += all.len() - ids.len();
        ids.dedup();
        ensure!(ids.len() == 1 && again.0 == 201, "one key made {ids:?}, the repetition was answered with {}", again.0);
    }
    let made = links_of(stack, user).await?;
    ensure!(made == ROUNDS, "{ROUNDS} keys made {made} links");
    Ok(format!("{ROUNDS} keys, {} requests, {made} links, {conflicts} x 409 while the first was at work", ROUNDS * 3))
}

/// The replica is killed around the moment of its answer; the repetition on another makes no second link.
pub(crate) async fn after_a_kill(stack: &Stack) -> Result<String> {
    const KILLS: usize = 6;
    stack.fleet().await?;
    let user = Api::at(stack.nginx()).user().await?;
    let mut answered = 0;
    for round in 0..KILLS {
        let replicas = stack.fleet().await?;
        let doomed = &replicas[round % replicas.len()];
        let other = Api::at(replicas[(round + 1) % replicas.len()].url());
        let (key, target) = (unique("key"), format!("https://example.com/{}", unique("once")));
        let post = async { Api::at(doomed.url()).link_once(user, &key, &target).await };
        // Sometimes before the request is there, sometimes after it was answered.
        let kill = async {
            sleep(Duration::from_millis(3 * round as u64)).await;
            faults::signal(doomed, "KILL").await
        };
        let (first, killed) = tokio::join!(post, kill);
        killed?;
        answered += usize::from(first.is_ok());
        let (status, id) = repeated(&other, user, &key, &target).await?;
        faults::start(doomed).await?;
        ensure!(status == 201 && id.is_some(), "the repetition was answered with {status}");
        if let Ok((201, made)) = first {
            ensure!(made == id, "the first answer named {made:?}, the repetition {id:?}");
        }
    }
    let made = links_of(stack, user).await?;
    ensure!(made == KILLS, "{KILLS} keys made {made} links");
    Ok(format!("{KILLS} kills, {answered} of them after the answer, {made} links"))
}

/// Repeats a POST as a client does: while the first is at work, it waits.
async fn repeated(api: &Api, user: i64, key: &str, target: &str) -> Result<(u16, Option<i64>)> {
    for _ in 0..50 {
        let answer = api.link_once(user, key, target).await?;
        if answer.0 != 409 {
            return Ok(answer);
        }
        sleep(Duration::from_millis(100)).await;
    }
    api.link_once(user, key, target).await
}

async fn links_of(stack: &Stack, user: i64) -> Result<usize> {
    Ok(stack.sql(&format!("SELECT count(*) FROM urls WHERE user_id = {user}")).await?.parse()?)
}

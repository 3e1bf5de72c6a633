//! Makes the users and links of a run over the API, and removes them.

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rand::RngExt as _;

use crate::{
    api::Api,
    options::Options,
    recorder::Recorder,
    world::{Link, World, zipf},
};

/// Requests in flight while preparing and removing: a tenth of what a run does.
const CONCURRENCY: usize = 16;
/// Links that are not active.
const INACTIVE: u32 = 20;

/// Creates an owner and links.
///
/// # Errors
/// The deployment refuses. What was created by then is removed.
pub async fn prepare(options: &Options, api: Api) -> anyhow::Result<World> {
    let law = zipf(options.links, options.zipf)?;
    let owner = match options.user_id {
        Some(id) => id,
        None => {
            let name = format!("loadtest-{:012x}", rand::rng().random::<u64>() >> 16);
            api.create_user(&name).await.context("cannot create the owner of the links (--user-id names another)")?
        }
    };
    let mut links = match links(&api, owner, 0..options.links + INACTIVE).await {
        Ok(links) => links,
        Err(error) => {
            if options.user_id.is_none() {
                api.delete(&format!("/users/{owner}")).await.ok();
            }
            return Err(error);
        }
    };
    let inactive = links.split_off(options.links as usize);
    let owner_is_ours = options.user_id.is_none();
    let world = World { api, links, inactive, owner, owner_is_ours, law, pace: None, recorder: Recorder::new() };
    if let Err(error) = deactivate(&world).await {
        remove(&world).await.ok();
        return Err(error);
    }
    Ok(world)
}

/// Removes what [`prepare`] made, and with it whatever the users of the run left.
///
/// # Errors
/// The deployment refuses.
pub async fn remove(world: &World) -> anyhow::Result<()> {
    if world.owner_is_ours {
        return world.api.delete(&format!("/users/{}", world.owner)).await;
    }
    stream::iter(world.links.iter().chain(&world.inactive))
        .map(|link| async { world.api.delete(&format!("/urls/{}", link.id)).await })
        .buffer_unordered(CONCURRENCY)
        .try_collect::<Vec<()>>()
        .await
        .map(drop)
}

async fn links(api: &Api, owner: i64, numbers: std::ops::Range<u32>) -> anyhow::Result<Vec<Link>> {
    stream::iter(numbers)
        .map(|n| async move {
            let target = format!("https://www.example.com/articles/{n}?ref=loadtest");
            let link = api.create_link(owner, &target).await?;
            anyhow::Ok(Link::new(link.id, link.short_code, target))
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await
}

async fn deactivate(world: &World) -> anyhow::Result<()> {
    stream::iter(&world.inactive)
        .map(|link| world.api.deactivate(link.id))
        .buffer_unordered(CONCURRENCY)
        .try_collect::<Vec<()>>()
        .await
        .map(drop)
}

//! `buoy key`: makes, lists and revokes keys from a shell, which needs no key but access to the database.

use std::fmt::Display;

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::output;

use crate::{
    db::Store,
    domain::{Clock, Cursor, KeyId, KeyName, NewKey, Scopes, Secret, UserId, Username, page::PageStart},
};

const AFTER_HELP: &str = "\
A key acts for a user: with it a program sees and changes that user's links and events, as far as its scopes allow:

  links:read    read links, events and the user
  links:write   create, change and delete links, post events, make and revoke keys
  stats:read    read statistics
  admin         everything, of all users

The key is printed once, and nowhere kept. A revoked key is refused on every replica within a second, and with it \
all keys that were made with it.

Examples:
  buoy key create --user tidyriver02 --name 'deploy script' --scope links:read --scope links:write
  buoy key create --user 7 --name dashboard --scope stats:read --days 90
  buoy key list --user tidyriver02
  buoy key revoke 12
";

/// Keys that are read at a time.
const CHUNK: u32 = 1_000;
/// The longest that a key may last, in days: a hundred years.
const MAX_DAYS: u32 = 36_500;

/// What to do with keys.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and print it
    Create {
        /// Whom it acts for: an id or a user name
        #[arg(long, value_name = "USER")]
        user: String,
        /// What people call it
        #[arg(long)]
        name: KeyName,
        /// What it allows; may be given more than once
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
        scopes: Vec<String>,
        /// Days after which it is refused; without it the key does not expire
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DAYS)))]
        days: Option<u32>,
    },
    /// List a user's keys, without the keys themselves
    List {
        /// Whose: an id or a user name
        #[arg(long, value_name = "USER")]
        user: String,
    },
    /// Revoke a key for good, and those made with it
    Revoke {
        /// Its id, as `buoy key list` shows it
        id: KeyId,
    },
}

/// Does it, and prints what came of it.
///
/// # Errors
/// If there is no such user or key.
pub async fn run(args: &Args, store: &Store) -> anyhow::Result<()> {
    match &args.action {
        Action::Create { user, name, scopes, days } => {
            let scopes =
                Scopes::of(scopes.iter().map(String::as_str)).map_err(|fault| anyhow::anyhow!("--scope {fault}"))?;
            let user_id = named(store, user).await?;
            create(store, user_id, name.clone(), scopes, *days).await
        }
        Action::List { user } => list(store, named(store, user).await?).await,
        Action::Revoke { id } => revoke(store, *id).await,
    }
}

async fn create(
    store: &Store,
    user_id: UserId,
    name: KeyName,
    scopes: Scopes,
    days: Option<u32>,
) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let expires_at = days.map(|days| now + chrono::Duration::days(i64::from(days)));
    let secret = Secret::generate();
    let mut tx = store.begin().await?;
    let key = tx.create_key(&NewKey { user_id, name, scopes, expires_at }, &secret, None, now).await?;
    let key = key.context("the key was not made")?;
    tx.commit().await?;
    // The key alone goes to standard output.
    output::note(format_args!("key {} of user {user_id} with {scopes}; it is shown this once:", key.id));
    Ok(output::line(secret.expose())?)
}

async fn list(store: &Store, user: UserId) -> anyhow::Result<()> {
    let row = |id: &dyn Display, prefix: &str, state: &str, used: &str, scopes: &str, name: &dyn Display| {
        output::line(format_args!("{id:>6}  {prefix:<13}  {state:<9}  {used:<20}  {scopes:<38}  {name}"))
    };
    row(&"id", "begins with", "state", "last used", "scopes", &"name")?;
    let now = Clock::system().now();
    let mut after = Cursor::after(0);
    loop {
        let keys = store.keys(user, PageStart::After(after), CHUNK).await?;
        let Some(last) = keys.last() else { return Ok(()) };
        after = Cursor::after(last.id.0);
        for key in &keys {
            let state = match (key.revoked_at, key.expires_at) {
                (Some(_), _) => "revoked",
                (None, Some(end)) if end <= now => "expired",
                _ => "good",
            };
            let used = key.last_used_at.map_or("never".to_owned(), |used| used.format("%Y-%m-%dT%H:%MZ").to_string());
            row(&key.id, &key.prefix, state, &used, &key.scopes.to_string(), &key.name)?;
        }
    }
}

async fn revoke(store: &Store, id: KeyId) -> anyhow::Result<()> {
    let mut tx = store.begin().await?;
    if !tx.revoke_key(id, None, Clock::system().now()).await? {
        bail!("there is no key with the id {id}; `buoy key list` shows a user's");
    }
    tx.commit().await?;
    Ok(output::line(format_args!("key {id} is revoked"))?)
}

/// The user that is meant: by id if it is a number, else by name.
async fn named(store: &Store, text: &str) -> anyhow::Result<UserId> {
    let found = match text.parse::<UserId>() {
        Ok(id) => store.user(id).await?,
        Err(_) => match text.parse::<Username>() {
            Ok(name) => store.user_named(&name).await?,
            Err(_) => None,
        },
    };
    found.map(|user| user.id).with_context(|| format!("there is no user {text:?}: give an id or a user name"))
}

//! `buoy user`: creates users from a shell, which needs no key but access to the database.

use anyhow::bail;
use clap::Subcommand;

use super::output;
use crate::{
    db::{Store, StoreError},
    domain::{Clock, EmailAddress, NewUser, Username},
};

const AFTER_HELP: &str = "\
The answer is the user's id alone, or with --json the user as the API shows it.

Examples:
  buoy user create --username ann --email ann@example.com
  buoy key create --user ann --name laptop --scope links:read,links:write
";

/// What to do with users.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a user and print the id
    Create {
        /// A name that no other user has
        #[arg(long, value_name = "NAME")]
        username: Username,
        /// An address that no other user has
        #[arg(long, value_name = "ADDRESS")]
        email: EmailAddress,
        /// Print the user as a JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Creates the user, and prints the id.
///
/// # Errors
/// If another user has the name or the address, or the database fails.
pub async fn run(args: &Args, store: &Store) -> anyhow::Result<()> {
    let Action::Create { username, email, json } = &args.action;
    let new = NewUser { username: username.clone(), email: email.clone() };
    let mut tx = store.begin().await?;
    let user = match tx.create_user(&new, Clock::system().now()).await {
        Ok(user) => user,
        Err(StoreError::Taken("username")) => bail!("another user has the name {username}: choose another one"),
        Err(StoreError::Taken(_)) => bail!("another user has the address {email}: choose another one"),
        Err(error) => return Err(error.into()),
    };
    tx.commit().await?;
    Ok(if *json { output::line(serde_json::to_string(&user)?) } else { output::line(user.id) }?)
}

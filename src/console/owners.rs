//! Users who can own a link.

use serde::Deserialize;

use super::{fault::Fault, visit::Visit};

/// A user.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Owner {
    pub(super) id: i64,
    pub(super) username: String,
}

/// Users that a form offers at most; of more it asks the number.
const OFFERED: usize = 200;

/// The users that the person can make links for, in the order of their names; none if there are too many to offer.
pub(super) async fn of(visit: &Visit) -> Result<Vec<Owner>, Fault> {
    let mut owners: Vec<Owner> = visit.read(&format!("/users?per_page={OFFERED}")).await?;
    owners.sort_by(|one, other| one.username.cmp(&other.username));
    Ok(owners)
}

//! Who sends a request, as far as it matters for what they may see, and for what is written down about it.

use super::{
    KeyId, UserId,
    key::{Scope, Scopes},
};

/// Who acts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Caller {
    /// Anyone: no credentials are in force. Sees and does everything.
    #[default]
    Open,
    /// Who knows the administrator's token. Sees and does everything.
    Admin,
    /// A program with a user's key.
    Key(KeyHolder),
}

/// What a key says of who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHolder {
    /// The key.
    pub id: KeyId,
    /// Whom it acts for.
    pub user_id: UserId,
    /// What it allows.
    pub scopes: Scopes,
}

impl Caller {
    /// Whose things alone this caller sees; none if it sees everyone's.
    pub fn owner(&self) -> Option<UserId> {
        match self {
            Self::Key(holder) if !holder.scopes.allow(Scope::Admin) => Some(holder.user_id),
            Self::Open | Self::Admin | Self::Key(_) => None,
        }
    }

    /// The user whose key it is.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::Key(holder) => Some(holder.user_id),
            Self::Open | Self::Admin => None,
        }
    }

    /// Whether this caller sees what belongs to `user`.
    pub fn sees(&self, user: UserId) -> bool {
        self.owner().is_none_or(|owner| owner == user)
    }

    /// Whether this caller may do what `scope` stands for.
    pub fn may(&self, scope: Scope) -> bool {
        match self {
            Self::Open | Self::Admin => true,
            Self::Key(holder) => holder.scopes.allow(scope),
        }
    }

    /// What events say of who acted: `admin` or `key:` and the key's id, never the key; nothing if no credentials
    /// are in force.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Open => None,
            Self::Admin => Some("admin".to_owned()),
            Self::Key(holder) => Some(format!("key:{}", holder.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_sees_its_users_things_and_an_admins_key_all() {
        let key = |scopes: &[&str]| {
            let scopes = Scopes::of(scopes.iter().copied()).unwrap();
            Caller::Key(KeyHolder { id: KeyId(7), user_id: UserId(2), scopes })
        };
        let (user, admin) = (key(&["links:read"]), key(&["admin"]));
        assert!(user.sees(UserId(2)) && !user.sees(UserId(3)) && admin.sees(UserId(3)) && Caller::Open.sees(UserId(3)));
        assert!(user.may(Scope::LinksRead) && !user.may(Scope::LinksWrite) && admin.may(Scope::LinksWrite));
        assert_eq!((user.name().as_deref(), Caller::Open.name()), (Some("key:7"), None));
    }
}

//! Access: who may use the API, and under which names it is reached.

use super::{
    concern::concern,
    form::{self, Form, MASK},
};
use crate::access::{AccessSettings, AdminToken};

concern! {
    AccessSettings {
        /// Token of the administrator. If it is set, every route but redirects, health checks and the documentation
        /// needs `Authorization: Bearer` with it or with a key. Left unset, the API is open to every client that
        /// reaches it.
        admin_token = "ADMIN_TOKEN", unset like "0f4ad1b6c9e87352", token(), secret;
        /// Whether the API may be open (no ADMIN_TOKEN) although HOST is an address that other machines reach.
        open_api = "OPEN_API", "false", form::flag();
        /// Names of this service besides PUBLIC_URL's, separated by commas. An open API refuses requests for other
        /// names; IP addresses and localhost are always taken.
        allowed_hosts = "ALLOWED_HOSTS", none like "go.example.com,links.example.com", form::host_names();
    }
}

fn token() -> Form<AdminToken> {
    let expected = "at least 8 visible ASCII characters without blanks, as `openssl rand -hex 32` makes";
    Form::new(expected, AdminToken::new).hiding(|_| MASK.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{concern::Concern as _, source::Source},
        *,
    };

    fn faults(vars: &[(&str, &str)]) -> Vec<String> {
        let mut source = Source::new(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        AccessSettings::read(&mut source);
        source.into_faults().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_token_is_left_out_or_sound() {
        assert!(faults(&[]).is_empty());
        assert!(faults(&[("ADMIN_TOKEN", "0123456789abcdef0123")]).is_empty());
        for bad in ["", " ", "short", "with a blank in it", "snow☃snow☃snow"] {
            let found = faults(&[("ADMIN_TOKEN", bad)]);
            assert!(found.len() == 1 && found[0].starts_with("ADMIN_TOKEN: expected"), "{bad:?}: {found:?}");
            assert!(bad.len() < 2 || !found[0].contains(bad), "{found:?}");
        }
    }
}

//! Access: who may use the API, and under which names it is reached.

use std::{fmt, path::PathBuf};

use super::{concern::concern, form, form::Form};
use crate::domain::HostNames;

/// Characters below which a token is called short.
const SHORT: usize = 20;

/// The administrator's token. Neither `Debug` nor anything else prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

impl AdminToken {
    /// The token: for comparing alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the token is so short that it might be guessed.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.0.len() < SHORT
    }

    fn form() -> Form<impl Fn(&str) -> Option<Self>> {
        Form::new(
            "at least 8 visible ASCII characters without blanks, as `openssl rand -hex 32` makes",
            |text: &str| {
                let sound = text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_graphic());
                sound.then(|| Self(text.to_owned()))
            },
        )
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminToken").finish_non_exhaustive()
    }
}

concern! {
    /// Who may use the API, and under which names it is reached.
    pub AccessConfig {
        /// Token of the administrator. Where it is set, every route but redirects, health checks and the documentation needs
        /// `Authorization: Bearer` with it or with a key. Left unset, the API is open to whoever reaches it.
        admin_token: Option<AdminToken> = "ADMIN_TOKEN", unset, AdminToken::form(), secret;
        /// File that holds the administrator's token; instead of ADMIN_TOKEN.
        admin_token_file: Option<PathBuf> = "ADMIN_TOKEN_FILE", unset, form::file();
        /// Whether the API may be open (no ADMIN_TOKEN) although HOST is an address that others reach.
        open_api: bool = "OPEN_API", "false", form::flag();
        /// Names of this service besides PUBLIC_URL's, separated by commas. An open API refuses requests for other names; IP
        /// addresses and localhost are always taken.
        allowed_hosts: Option<HostNames> = "ALLOWED_HOSTS", unset, form::host_names();
    }
}

#[cfg(test)]
mod tests {
    use super::{super::source::Source, *};

    fn faults(vars: &[(&str, &str)]) -> Vec<String> {
        let mut source = Source::new(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        AccessConfig::read(&mut source);
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

    #[test]
    fn debug_output_holds_no_token() {
        let mut source = Source::new([("ADMIN_TOKEN".to_owned(), "hush-hush-hush".to_owned())]);
        assert!(!format!("{:?}", AccessConfig::read(&mut source)).contains("hush"));
    }
}

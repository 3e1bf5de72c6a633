//! Where links may lead, and whether their targets are asked for a title.

use super::{
    concern::concern,
    form::{self, Form},
};
use crate::domain::HostList;

concern! {
    /// Where links may lead.
    pub TargetConfig {
        /// Hosts that no link may lead to, separated by commas; whatever is below them is meant too.
        blocked: Option<HostList> = "BLOCKED_HOSTS", unset, hosts();
        /// Whether links may lead to private, loopback and reserved addresses and to names as localhost or *.internal, and titles be
        /// fetched from there.
        allow_private: bool = "ALLOW_PRIVATE_TARGETS", "false", form::flag();
        /// Whether the title of a target is fetched after its link was created without one. The service then connects to whatever
        /// public address a link names.
        fetch_titles: bool = "FETCH_TITLES", "false", form::flag();
    }
}

/// Names and addresses of hosts.
fn hosts() -> Form<impl Fn(&str) -> Option<HostList>> {
    Form::new("hosts separated by commas, without scheme, port and path, as evil.example, 203.0.113.7", |text: &str| {
        text.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::{super::source::Source, *};

    fn read(value: &str) -> Option<TargetConfig> {
        TargetConfig::read(&mut Source::new([("BLOCKED_HOSTS".to_owned(), value.to_owned())]))
    }

    #[test]
    fn hosts_are_listed_without_what_surrounds_them() {
        assert!(read("evil.example, *.worse.example,bücher.example, 9.9.9.9, [2001:db8::1]").is_some());
        for bad in ["https://evil.example", "evil.example/path", "evil.example:443", "evil example"] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn nothing_is_fetched_and_nothing_private_allowed_unless_told_so() {
        let config = TargetConfig::read(&mut Source::default()).expect("the defaults are sound");
        assert!(config.blocked.is_none() && !config.allow_private && !config.fetch_titles);
    }
}

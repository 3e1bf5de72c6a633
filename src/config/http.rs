//! The HTTP side: its address, what a request may cost, which targets links may have, and how long a shutdown takes.

use super::{concern::concern, form, source::Source};
use crate::{domain::TargetPolicy, http::server::ListenSettings, lifecycle::ShutdownSettings, state::HttpSettings};

concern! {
    ListenSettings {
        /// Address to listen on; 0.0.0.0 in a container.
        host = "HOST", "127.0.0.1", form::ip_address();
        /// TCP port to listen on; 0 takes any free one.
        port = "PORT", "8080", form::whole(0..=65_535, "a TCP port");
        /// Open connections of clients; fewer if the system allows fewer open files.
        connections = "MAX_CONNECTIONS", "10000", form::whole(1..=1_000_000, "connections");
    }
}

concern! {
    HttpSettings {
        /// Scheme, host and perhaps port that short links are shown under. Left unset they are taken from each request.
        public_url = "PUBLIC_URL", unset like "https://go.example.com", form::origin();
        /// Whether there are pages for people under /console.
        console = "CONSOLE", "true", form::flag();
        /// Seconds that a request may take before it is answered with 503.
        request_timeout = "REQUEST_TIMEOUT_SECONDS", "30", form::seconds(1..=3_600);
        /// Bytes that a request's body may have.
        body_limit = "BODY_LIMIT_BYTES", "1048576", form::whole(1_024..=1_073_741_824, "bytes");
        /// Bytes that a bulk upload may have.
        bulk_limit = "BULK_LIMIT_BYTES", "268435456", form::whole(1_024..=68_719_476_736_u64, "bytes");
        /// Seconds that a bulk upload may take, from its first byte to its answer, and the deletion of a user.
        bulk_timeout = "BULK_TIMEOUT_SECONDS", "90", form::seconds(1..=86_400);
        /// Concurrent requests that need the database; as many wait for a second, the rest is answered with 503.
        concurrent = "MAX_CONCURRENT_REQUESTS", "512", form::whole(1..=1_000_000, "requests");
        /// Whether the title of a target is fetched after its link was created without one. The service then connects
        /// to whatever public address a link names.
        fetch_titles = "FETCH_TITLES", "false", form::flag();
        ..Self::default()
    }
}

concern! {
    TargetPolicy {
        /// Hosts that no link may lead to, nor to one below them, separated by commas.
        blocked = "BLOCKED_HOSTS", none like "evil.example,203.0.113.7", form::hosts();
        /// Whether links may lead to private, loopback and reserved addresses and to names as localhost or
        /// *.internal, and titles be fetched from there.
        allow_private = "ALLOW_PRIVATE_TARGETS", "false", form::flag();
        ..Self::default()
    }
}

concern! {
    ShutdownSettings {
        /// Seconds after the signal in which readiness fails while requests are still served, so that the balancer
        /// notices.
        drain = "SHUTDOWN_DRAIN_SECONDS", "5", form::seconds(0..=3_600);
        /// Seconds after the signal by which everything has ended, finished or not; more than SHUTDOWN_DRAIN_SECONDS,
        /// less than what the platform grants before it kills the process.
        grace = "SHUTDOWN_GRACE_SECONDS", "30", form::seconds(1..=7_200);
    }
}

/// Notes a fault if no time would be left to finish requests in.
pub(super) fn check_shutdown(shutdown: &ShutdownSettings, source: &mut Source) {
    if shutdown.grace <= shutdown.drain {
        let drain = shutdown.drain.as_secs();
        let problem = format!("expected more seconds than SHUTDOWN_DRAIN_SECONDS ({drain}), which it includes");
        source.fault("SHUTDOWN_GRACE_SECONDS", problem);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::concern::Concern as _, *};

    #[test]
    fn the_whole_shutdown_takes_longer_than_its_first_part() {
        for (drain, grace, faults) in [("5", "6", 0), ("5", "5", 1), ("30", "5", 1), ("0", "1", 0)] {
            let vars = [("SHUTDOWN_DRAIN_SECONDS", drain), ("SHUTDOWN_GRACE_SECONDS", grace)];
            let mut source = Source::new(vars.map(|(name, value)| (name.to_owned(), value.to_owned())));
            let shutdown = ShutdownSettings::read(&mut source).expect("both are numbers");
            check_shutdown(&shutdown, &mut source);
            assert_eq!(source.into_faults().len(), faults, "{drain} and {grace}");
        }
    }

    #[test]
    fn hosts_are_listed_without_what_surrounds_them() {
        let read = |value: &str| TargetPolicy::read(&mut Source::new([("BLOCKED_HOSTS".to_owned(), value.to_owned())]));
        assert!(read("evil.example, *.worse.example,bücher.example, 9.9.9.9, [2001:db8::1]").is_some());
        for bad in ["https://evil.example", "evil.example/path", "evil.example:443", "evil example"] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }
}

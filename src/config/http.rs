//! The HTTP side: where buoy listens, what a request may cost, and how long leaving takes.

use std::{net::IpAddr, time::Duration};

use url::Url;

use super::{concern::concern, form, source::Source};

concern! {
    /// Where buoy listens, and what a request may cost.
    pub HttpConfig {
        /// Address to listen on; 0.0.0.0 in a container.
        host: IpAddr = "HOST", "127.0.0.1", form::ip_address();
        /// TCP port to listen on; 0 takes any free one.
        port: u16 = "PORT", "8080", form::whole(0..=65_535, "a TCP port");
        /// Scheme, host and perhaps port that short links are shown under. Left unset they are taken from each request.
        public_url: Option<Url> = "PUBLIC_URL", unset, form::origin();
        /// Seconds that a request may take before it is answered with 503.
        request_timeout: Duration = "REQUEST_TIMEOUT_SECONDS", "30", form::seconds(1..=3_600);
        /// Bytes that a request's body may have.
        body_limit: u64 = "BODY_LIMIT_BYTES", "1048576", form::whole(1_024..=1_073_741_824, "bytes");
        /// Bytes that a bulk upload may have.
        bulk_limit: u64 = "BULK_LIMIT_BYTES", "268435456", form::whole(1_024..=68_719_476_736, "bytes");
        /// Seconds that a bulk upload may take, from its first byte to its answer.
        bulk_timeout: Duration = "BULK_TIMEOUT_SECONDS", "90", form::seconds(1..=86_400);
    }
}

concern! {
    /// How buoy leaves.
    pub ShutdownConfig {
        /// Seconds after the signal in which readiness fails while requests are still served, so that the balancer notices.
        drain: Duration = "SHUTDOWN_DRAIN_SECONDS", "5", form::seconds(0..=3_600);
        /// Seconds after the signal by which everything has ended, finished or not; more than SHUTDOWN_DRAIN_SECONDS, less than
        /// what the platform grants before it kills the process.
        grace: Duration = "SHUTDOWN_GRACE_SECONDS", "30", form::seconds(1..=7_200);
    }
}

impl ShutdownConfig {
    /// Notes a fault where no time would be left to finish requests in.
    pub(super) fn check(&self, source: &mut Source) {
        if self.grace <= self.drain {
            let drain = self.drain.as_secs();
            let problem = format!("expected more seconds than SHUTDOWN_DRAIN_SECONDS ({drain}), which it includes");
            source.fault("SHUTDOWN_GRACE_SECONDS", problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_shutdown_takes_longer_than_its_first_part() {
        for (drain, grace, faults) in [("5", "6", 0), ("5", "5", 1), ("30", "5", 1), ("0", "1", 0)] {
            let vars = [("SHUTDOWN_DRAIN_SECONDS", drain), ("SHUTDOWN_GRACE_SECONDS", grace)];
            let mut source = Source::new(vars.map(|(name, value)| (name.to_owned(), value.to_owned())));
            ShutdownConfig::read(&mut source).expect("both are numbers").check(&mut source);
            assert_eq!(source.into_faults().len(), faults, "{drain} and {grace}");
        }
    }

    #[test]
    fn sizes_and_times_carry_their_units() {
        let config = HttpConfig::read(&mut Source::default()).expect("the defaults are sound");
        assert_eq!((config.body_limit, config.bulk_limit), (1024 * 1024, 256 * 1024 * 1024));
        assert_eq!(config.bulk_timeout, Duration::from_secs(90));
    }
}

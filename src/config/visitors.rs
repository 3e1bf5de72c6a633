//! What is kept of visitors, and which proxies are trusted to name the client.

use super::{concern::concern, form, source::Source};
use crate::{
    state::Trust,
    visitors::{AddressPolicy, VisitorSettings},
};

concern! {
    VisitorSettings {
        /// What a click event stores of the visitor's address, which is never stored as a whole: anonymised, 24 bits
        /// of IPv4 or 48 of IPv6; or none.
        address = "VISITOR_ADDRESS", "anonymised", form::choice::<AddressPolicy>("anonymised or none");
        /// File of countries or cities in MaxMind's format, read once at the start. Left unset countries are unknown.
        geoip = "GEOIP_DB", unset like "/data/GeoLite2-Country.mmdb", form::mmdb_file();
    }
}

concern! {
    Trust {
        /// Header in which the proxies of TRUSTED_PROXIES name the client. Left unset the client is the peer that
        /// opens the connection.
        header = "TRUSTED_PROXY_HEADER", unset like "x-forwarded-for", form::header_name();
        /// Proxies whose header is trusted: addresses and networks, separated by commas; private for every private
        /// network; any if only the proxy can connect.
        proxies = "TRUSTED_PROXIES", none like "private", form::proxies();
    }
}

/// Notes a fault if one variable is given without the other: nothing would be trusted, and every visitor be the proxy.
pub(super) fn check_trust(source: &mut Source) {
    match (source.given("TRUSTED_PROXY_HEADER"), source.given("TRUSTED_PROXIES")) {
        (Some(_), None) => source.fault(
            "TRUSTED_PROXIES",
            "expected the addresses of the proxies, as TRUSTED_PROXY_HEADER is given; any if only the proxy can \
             connect",
        ),
        (None, Some(_)) => source.fault(
            "TRUSTED_PROXY_HEADER",
            "expected the name of the header in which the proxies name the client, as TRUSTED_PROXIES is given",
        ),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{super::concern::Concern as _, *};

    fn faults(pairs: &[(&str, &str)]) -> Vec<String> {
        let mut source = Source::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        if Trust::read(&mut source).is_some() {
            check_trust(&mut source);
        }
        source.into_faults().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_header_goes_with_the_proxies_that_write_it() {
        let (header, proxies) =
            (("TRUSTED_PROXY_HEADER", "X-Forwarded-For"), ("TRUSTED_PROXIES", "10.0.0.0/8, private"));
        assert!(faults(&[]).is_empty() && faults(&[header, proxies]).is_empty());
        let (alone, other) = (faults(&[header]), faults(&[proxies]));
        assert!(alone.len() == 1 && alone[0].starts_with("TRUSTED_PROXIES: expected"), "{alone:?}");
        assert!(other.len() == 1 && other[0].starts_with("TRUSTED_PROXY_HEADER: expected"), "{other:?}");
    }

    #[test]
    fn what_cannot_be_trusted_is_named() {
        let bad = faults(&[("TRUSTED_PROXY_HEADER", "x forwarded for"), ("TRUSTED_PROXIES", "0.0.0.0/0")]);
        assert!(bad.len() == 2 && bad[1].contains("any"), "{bad:?}");
    }

    #[test]
    fn a_file_of_countries_has_its_ending() {
        for (path, good) in
            [("/data/GeoLite2-Country.mmdb", true), ("city.MMDB", true), ("/data/", false), ("a.csv", false)]
        {
            let mut source = Source::new([("GEOIP_DB".to_owned(), path.to_owned())]);
            assert_eq!(VisitorSettings::read(&mut source).is_some(), good, "{path}");
        }
    }
}

//! The database: where it is, and how long anything may wait for it.

use std::time::Duration;

use super::{concern::concern, database_url::DatabaseUrl, form, source::Source};

concern! {
    /// How buoy reaches its database.
    pub DatabaseConfig {
        /// Address of the database, `postgres:`, `postgresql:` or `sqlite:`. Left unset it is an SQLite file in the working
        /// directory.
        url: DatabaseUrl = "DATABASE_URL", "sqlite:buoy.db", DatabaseUrl::form(), secret;
        /// Whether buoy may do without DATABASE_URL. Set it to false in a container, where the embedded file would be lost at the
        /// next deployment: the start then fails unless DATABASE_URL is given.
        embedded: bool = "EMBEDDED_DATABASE", "true", form::flag();
        /// Connections to the database that one process keeps at most, not counting the one that listens for changes.
        pool_size: u32 = "DATABASE_POOL_SIZE", "5", form::whole(1..=200, "connections");
        /// Milliseconds that a request waits for a connection before it is answered with 503.
        wait: Duration = "DATABASE_WAIT_MS", "800", form::millis(1..=60_000);
        /// Milliseconds that one statement may take before the database ends it.
        statement_timeout: Duration = "DATABASE_STATEMENT_TIMEOUT_MS", "10000", form::millis(1..=3_600_000);
        /// Whether `buoy serve` brings PostgreSQL's schema up to date before it becomes ready, which is safe with many replicas.
        /// An SQLite database is always migrated.
        migrate_on_start: bool = "MIGRATE_ON_START", "false", form::flag();
    }
}

impl DatabaseConfig {
    /// Notes a fault where the embedded database would be used against the operator's word.
    pub(super) fn check(&self, source: &mut Source) {
        if !self.embedded && source.given("DATABASE_URL").is_none() {
            source.fault(
                "DATABASE_URL",
                "expected the address of a database, as EMBEDDED_DATABASE is false: the embedded database is a file, and a file in a \
                 container is lost at the next deployment",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(pairs: &[(&str, &str)]) -> Vec<String> {
        let mut source = Source::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        if let Some(config) = DatabaseConfig::read(&mut source) {
            config.check(&mut source);
        }
        source.into_faults().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_container_does_not_start_on_the_embedded_file() {
        assert!(faults(&[]).is_empty());
        let refused = faults(&[("EMBEDDED_DATABASE", "false")]);
        assert!(refused.len() == 1 && refused[0].contains("lost at the next deployment"), "{refused:?}");
        assert!(faults(&[("EMBEDDED_DATABASE", "false"), ("DATABASE_URL", "sqlite:/data/buoy.db")]).is_empty());
    }

    #[test]
    fn a_refused_address_is_not_repeated() {
        let refused = faults(&[("DATABASE_URL", "mysql://root:hush@db/buoy")]);
        assert!(refused.len() == 1 && !refused[0].contains("hush"), "{refused:?}");
    }
}

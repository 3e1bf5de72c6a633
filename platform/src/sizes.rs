//! The sizes of App Platform and of its databases: what they have, and what a month costs.
//!
//! Prices are list prices in US dollars as of November 2026, to be looked at again before money is spent: `doctl apps
//! tier instance-size list` prints today's, <https://www.digitalocean.com/pricing/managed-databases> has the
//! databases'.

/// A size of an instance.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Its name in a spec.
    pub slug: &'static str,
    /// Processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// Dollars for an instance in a month.
    pub price: u32,
    /// Whether it allows a single instance only.
    pub single: bool,
}

const fn size(slug: &'static str, cpus: u32, memory: u32, price: u32) -> Size {
    Size { slug, cpus, memory, price, single: false }
}

/// Every size that is not a legacy name.
pub const SIZES: &[Size] = &[
    Size { single: true, ..size("apps-s-1vcpu-0.5gb", 1, 512, 5) },
    Size { single: true, ..size("apps-s-1vcpu-1gb-fixed", 1, 1_024, 10) },
    size("apps-s-1vcpu-1gb", 1, 1_024, 12),
    size("apps-s-1vcpu-2gb", 1, 2_048, 25),
    size("apps-s-2vcpu-4gb", 2, 4_096, 50),
    size("apps-d-1vcpu-0.5gb", 1, 512, 29),
    size("apps-d-1vcpu-1gb", 1, 1_024, 34),
    size("apps-d-1vcpu-2gb", 1, 2_048, 39),
    size("apps-d-1vcpu-4gb", 1, 4_096, 49),
    size("apps-d-2vcpu-4gb", 2, 4_096, 78),
    size("apps-d-2vcpu-8gb", 2, 8_192, 98),
    size("apps-d-4vcpu-8gb", 4, 8_192, 156),
    size("apps-d-4vcpu-16gb", 4, 16_384, 196),
    size("apps-d-8vcpu-32gb", 8, 32_768, 392),
];

/// A size of a database.
#[derive(Debug, Clone, Copy)]
pub struct DatabaseSize {
    /// Its name in `doctl databases create --size`.
    pub slug: &'static str,
    /// Connections that it leaves to its users: 25 per GiB less 3.
    pub connections: u32,
    /// Dollars for a node in a month.
    pub price: u32,
}

/// Sizes of PostgreSQL clusters, the smaller half of them.
pub const DATABASE_SIZES: &[DatabaseSize] = &[
    DatabaseSize { slug: "db-s-1vcpu-1gb", connections: 22, price: 15 },
    DatabaseSize { slug: "db-s-1vcpu-2gb", connections: 47, price: 30 },
    DatabaseSize { slug: "db-s-2vcpu-4gb", connections: 97, price: 60 },
];

/// A development database: 512 MB of memory, so probably 9 connections, but no page says so.
pub const DEVELOPMENT: DatabaseSize = DatabaseSize { slug: "a development database", connections: 9, price: 7 };

/// The size of a name.
#[must_use]
pub fn named(slug: &str) -> Option<&'static Size> {
    SIZES.iter().find(|size| size.slug == slug)
}

/// The database size of a name.
#[must_use]
pub fn database(slug: &str) -> Option<&'static DatabaseSize> {
    DATABASE_SIZES.iter().find(|size| size.slug == slug)
}

/// All names, for a message.
pub(crate) fn known() -> String {
    SIZES.iter().map(|size| size.slug).collect::<Vec<_>>().join(", ")
}

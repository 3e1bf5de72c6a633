//! The configuration of limits, told to the rooms that keep them.

use crate::{config::Config, http::server::ServerLimits};

/// Files that the program opens beside the connections of its clients: the database's, the log, what it is made of.
const OTHER_FILES: usize = 128;

/// How many connections there may be.
pub(super) fn server_limits(config: &Config) -> ServerLimits {
    let load = &config.load;
    let files = open_files().map_or(usize::MAX, |files| files.saturating_sub(OTHER_FILES).max(1));
    let connections = load.connections.min(files);
    if connections < load.connections {
        tracing::warn!(connections, "fewer connections than MAX_CONNECTIONS: the system allows no more open files");
    }
    ServerLimits::new(connections)
}

/// Files that this process may have open at once, where the system tells it.
fn open_files() -> Option<usize> {
    // Source: proc(5), limits: name, soft limit, hard limit, unit.
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

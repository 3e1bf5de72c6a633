//! The traps of a platform, met on purpose: certificates of a private authority, a pooler in transaction mode, roles
//! without privileges, bindings that were left in place, and `buoy doctor`, which finds them. All of it with real
//! servers.

mod addresses;
mod bindings;
mod connections;
mod doctor;
mod pooler;
mod roles;
mod schema;
mod servers;
mod tls;

use crate::process::Finished;

/// Longer than a program may take that has nothing to wait for.
const AT_ONCE: std::time::Duration = std::time::Duration::from_secs(10);

/// The program ended by itself, with 1, and said all this.
fn assert_refused(ended: &Finished, said: &[&str]) {
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let output = ended.output();
    for word in said {
        assert!(output.contains(word), "{word}: {output}");
    }
}

/// The program ended well.
fn assert_done(ended: &Finished) {
    assert!(ended.status.success(), "{ended:?}");
}

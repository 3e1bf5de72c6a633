//! The connection sum: a deployment runs old and new instances side by side, and the database must bear it.

use super::{Cluster, Subject, variables};
use crate::{document::Fault, spec::Component};

/// The connection of each instance that hears of changes and watches the database.
const LISTENER: u32 = 1;

/// Sums up the connections that a deployment takes at most: 2 x instances x (pool + listener) + jobs.
pub(super) fn check(subject: &Subject<'_>, database: &Cluster, faults: &mut Vec<Fault>) -> u32 {
    let running = subject.app.services.iter().chain(&subject.app.workers);
    let (mut sum, mut terms) = (0, Vec::new());
    for component in running {
        let (instances, pool) = (component.most_instances(), pool(subject, component));
        sum += 2 * instances * (pool + LISTENER);
        terms.push(format!("2 x {instances} x ({pool} + {LISTENER})"));
    }
    for job in &subject.app.jobs {
        let pool = pool(subject, job);
        sum += pool;
        terms.push(pool.to_string());
    }
    let limit = database.size.connections;
    if sum > limit {
        let problem = format!("{} = {sum} connections, and {} allows {limit}", terms.join(" + "), database.size.slug);
        faults.push(subject.fault(&blamed(subject), problem));
    }
    sum
}

/// The pool of a component: what buoy makes of its variables; nothing if it would not start at all.
fn pool(subject: &Subject<'_>, component: &Component) -> u32 {
    variables::config(subject, component).map_or(0, |config| config.store.pool_size)
}

/// What decides the sum: the number of instances of the first component that has several, else of the first.
fn blamed(subject: &Subject<'_>) -> String {
    let several = subject.app.components().find(|(_, component)| component.most_instances() > 1);
    let (pointer, component) = match several.or_else(|| subject.app.components().next()) {
        Some(found) => found,
        None => return String::new(),
    };
    if component.autoscaling.is_some() {
        return format!("{pointer}/autoscaling/max_instance_count");
    }
    format!("{pointer}/instance_count")
}

//! The checks of a PostgreSQL server.

use chrono::TimeDelta;

use super::{
    LIMIT,
    report::{Check, Report},
};
use crate::{
    config::Config,
    db::{
        Server, StoreSettings, Tls,
        migrate::{SchemaState, needed_version},
    },
    fleet::diagnose::{Diagnosis, diagnose, diagnose_pooler},
};

/// A connection that takes longer is worth a word: a request waits for it.
const SLOW_MS: u128 = 500;
/// Clocks may differ so far; beyond the second, times in the database contradict each other.
const CLOCK_WARN: TimeDelta = TimeDelta::seconds(2);
const CLOCK_FAIL: TimeDelta = TimeDelta::seconds(60);

/// Looks at the server, and adds what it found.
pub(super) async fn examine(server: &Server, config: &Config, instances: Option<u32>, report: &mut Report) {
    let seen = match diagnose(server, LIMIT).await {
        Ok(seen) => seen,
        Err(reason) => {
            let mend = "check DATABASE_URL, that the database runs, and that its trusted sources or firewall let \
                this machine in";
            report.add(Check::fail("database", format!("{}: {reason}", server.place()), mend));
            return;
        }
    };
    report.add(reached(server, &seen));
    if let Some(remedy) = seen.standing.encoding_remedy() {
        report.add(Check::fail("encoding", remedy, "move to a database in UTF8"));
    }
    if server.is_pooled() {
        report.add(match diagnose_pooler(server, LIMIT).await {
            Ok(took) => Check::ok("pooler", format!("answers through DATABASE_URL in {} ms", took.as_millis())),
            Err(reason) => Check::fail("pooler", reason, "check DATABASE_URL and the pool that it names"),
        });
    }
    report.add(encryption(server, &seen));
    report.add(schema(&seen));
    report.add(privileges(server, &seen));
    report.add(connections(server, &config.store, instances, &seen));
    report.add(sequences(&seen));
    report.add(clock(&seen));
}

fn reached(server: &Server, seen: &Diagnosis) -> Check {
    let took = seen.connected_in.as_millis();
    let found = format!("{}: PostgreSQL {}, connected in {took} ms", server.place(), seen.version);
    if took > SLOW_MS {
        return Check::warn("database", found, "put the service into the database's region");
    }
    Check::ok("database", found)
}

fn encryption(server: &Server, seen: &Diagnosis) -> Check {
    const NAME: &str = "encryption";
    let verified = matches!(server.direct().get_ssl_mode(), Tls::VerifyFull);
    match &seen.tls {
        // A connection that could not be verified would not be there.
        Some(tls) if verified => Check::ok(NAME, format!("{tls}, the server's certificate verified")),
        _ if verified => Check::ok(NAME, "certificate verified; the pooler's own way to the database is not encrypted"),
        Some(tls) => Check::warn(
            NAME,
            format!(
                "{tls}, but the server's certificate is not verified: a host in between can read and change everything"
            ),
            "set DATABASE_TLS=verify-full, and DATABASE_CA_CERT where the authority is a private one",
        ),
        None if server.is_elsewhere() => Check::warn(
            NAME,
            "none: whoever sits in between can read and change everything",
            "set DATABASE_TLS=verify-full, unless the network between is nobody else's",
        ),
        None => Check::ok(NAME, "none, on the same machine"),
    }
}

fn schema(seen: &Diagnosis) -> Check {
    const NAME: &str = "schema";
    let needed = needed_version();
    match seen.schema {
        SchemaState::Sufficient { version } if version > needed => {
            Check::ok(NAME, format!("version {version}, newer than the {needed} that this program needs"))
        }
        SchemaState::Sufficient { version } => Check::ok(NAME, format!("version {version}")),
        SchemaState::TooOld { version } => {
            Check::fail(NAME, format!("version {version}, this program needs {needed}"), "run `buoy migrate`")
        }
        SchemaState::Missing if seen.out_of_reach > 0 => {
            Check::fail(NAME, "this role may not read its version", "grant the privileges named below")
        }
        SchemaState::Missing => Check::fail(NAME, "no migration has been applied", "run `buoy migrate`"),
    }
}

fn privileges(server: &Server, seen: &Diagnosis) -> Check {
    const NAME: &str = "privileges";
    let standing = &seen.standing;
    let (role, database) = (&standing.role, &standing.database);
    let schema = standing.schema.as_deref().or(server.schema()).unwrap_or("public");
    if seen.out_of_reach > 0 {
        let found = format!("the role {role} cannot read and write {} tables of schema {schema}", seen.out_of_reach);
        let mend = format!("as their owner run `GRANT ALL ON ALL TABLES IN SCHEMA \"{schema}\" TO \"{role}\"`");
        return Check::fail(NAME, found, mend);
    }
    if !standing.may_stage {
        let found = format!("the role {role} may not create temporary tables, which imports need");
        return Check::fail(NAME, found, format!("`GRANT TEMPORARY ON DATABASE \"{database}\" TO \"{role}\"`"));
    }
    let up_to_date = matches!(seen.schema, SchemaState::Sufficient { .. });
    match standing.remedy(server.schema()) {
        None => Check::ok(NAME, format!("the role {role} may do all it needs in schema {schema}")),
        // A missing schema that may be created is no fault: migrating creates it.
        Some(_) if server.schema().is_some() && standing.may_create_schema && standing.schema.is_none() => {
            Check::ok(NAME, format!("the role {role} may create schema {schema}"))
        }
        Some(remedy) if up_to_date => Check::warn(NAME, "this role cannot migrate", remedy),
        Some(remedy) => Check::fail(NAME, "this role cannot migrate", remedy),
    }
}

fn sequences(seen: &Diagnosis) -> Check {
    const NAME: &str = "sequences";
    let tables = |taken: bool| {
        let faults = seen.sequences.iter().filter(|fault| fault.taken == taken);
        faults.map(|fault| fault.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (taken, ended) = (tables(true), tables(false));
    if !taken.is_empty() {
        return Check::fail(NAME, format!("the next ids of {taken} are taken already"), "run `buoy migrate`");
    }
    if !ended.is_empty() {
        let mend =
            "as their owner run `SELECT setval(pg_get_serial_sequence('TABLE', 'id'), (SELECT max(id) FROM TABLE))`";
        return Check::fail(NAME, format!("the next ids of {ended} are beyond 2^53 - 1"), mend);
    }
    Check::ok(NAME, "the next ids are free")
}

fn connections(server: &Server, settings: &StoreSettings, instances: Option<u32>, seen: &Diagnosis) -> Check {
    const NAME: &str = "connections";
    let working = u32::try_from(seen.replicas).unwrap_or(u32::MAX);
    let instances = i64::from(instances.unwrap_or(working).max(1));
    // Through a pooler, only what goes around it counts here: the pooler keeps its own number towards the database.
    let (each, sum) = if server.is_pooled() {
        (1, "1 beside the pooler".to_owned())
    } else {
        (i64::from(settings.pool_size) + 1, format!("({} + 1)", settings.pool_size))
    };
    let needed = 2 * instances * each + 1;
    let found = format!(
        "a deployment needs 2 x {instances} x {sum} + 1 for migrate = {needed}; the database allows {}, {} are in \
         use now",
        seen.limit, seen.used
    );
    if needed <= seen.limit {
        return Check::ok(NAME, found);
    }
    let pool = (seen.limit - 1) / (2 * instances) - 1;
    let smaller = if pool >= 1 { format!("set DATABASE_POOL_SIZE to {pool} at most, ") } else { String::new() };
    Check::fail(NAME, found, format!("{smaller}run fewer instances, or take a larger database"))
}

fn clock(seen: &Diagnosis) -> Check {
    const NAME: &str = "clock";
    let ahead = seen.clock_ahead;
    let error = TimeDelta::from_std(seen.clock_error).unwrap_or(TimeDelta::zero());
    let apart = (ahead.abs() - error).max(TimeDelta::zero());
    let found = format!(
        "the database's is {} ms ahead, give or take {} ms",
        ahead.num_milliseconds(),
        error.num_milliseconds()
    );
    let mend = "synchronise this machine's clock (NTP)";
    if apart > CLOCK_FAIL {
        Check::fail(NAME, found, mend)
    } else if apart > CLOCK_WARN {
        Check::warn(NAME, found, mend)
    } else {
        Check::ok(NAME, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::privileges::Standing;

    fn seen() -> Diagnosis {
        Diagnosis {
            connected_in: std::time::Duration::from_millis(5),
            version: "17.2".to_owned(),
            tls: None,
            clock_ahead: TimeDelta::zero(),
            clock_error: std::time::Duration::from_millis(1),
            schema: SchemaState::Sufficient { version: needed_version() },
            standing: Standing {
                role: "buoy".to_owned(),
                database: "buoy".to_owned(),
                encoding: "UTF8".to_owned(),
                schema: Some("public".to_owned()),
                may_create: true,
                may_create_schema: true,
                may_stage: true,
            },
            out_of_reach: 0,
            limit: 22,
            used: 1,
            replicas: 3,
            sequences: Vec::new(),
        }
    }

    fn settings(pool_size: u32) -> StoreSettings {
        StoreSettings { pool_size, ..StoreSettings::of("postgres://u@db.example/buoy".parse().unwrap()) }
    }

    fn server() -> Server {
        Server::of(&settings(5)).unwrap()
    }

    fn text(check: &Check) -> String {
        serde_json::to_string(check).unwrap()
    }

    #[test]
    fn connections_are_summed_for_both_versions_of_a_deployment() {
        let enough = text(&connections(&server(), &settings(2), None, &seen()));
        assert!(enough.contains("\"ok\"") && enough.contains("2 x 3 x (2 + 1) + 1 for migrate = 19"), "{enough}");
        let too_many = text(&connections(&server(), &settings(3), None, &seen()));
        assert!(too_many.contains("\"fail\"") && too_many.contains("DATABASE_POOL_SIZE to 2 at most"), "{too_many}");
        let more = text(&connections(&server(), &settings(2), Some(12), &seen()));
        assert!(more.contains("\"fail\"") && !more.contains("DATABASE_POOL_SIZE"), "{more}");
    }

    #[test]
    fn clocks_may_differ_a_little() {
        let apart = |seconds| text(&clock(&Diagnosis { clock_ahead: TimeDelta::seconds(seconds), ..seen() }));
        for (seconds, status) in [(0, "ok"), (-1, "ok"), (5, "warn"), (-5, "warn"), (120, "fail")] {
            assert!(apart(seconds).contains(&format!("\"{status}\"")), "{seconds}: {}", apart(seconds));
        }
    }

    #[test]
    fn a_role_that_need_not_migrate_is_warned_of() {
        let standing = Standing { may_create: false, ..seen().standing };
        let check = text(&privileges(&server(), &Diagnosis { standing: standing.clone(), ..seen() }));
        assert!(check.contains("\"warn\""), "{check}");
        let check = text(&privileges(&server(), &Diagnosis { standing, schema: SchemaState::Missing, ..seen() }));
        assert!(check.contains("\"fail\"") && check.contains("GRANT ALL ON SCHEMA public"), "{check}");
        let check = text(&privileges(&server(), &Diagnosis { out_of_reach: 2, ..seen() }));
        assert!(check.contains("\"fail\"") && check.contains("GRANT ALL ON ALL TABLES"), "{check}");
    }

    #[test]
    fn what_is_not_verified_is_warned_of() {
        let check = text(&encryption(&server(), &seen()));
        assert!(check.contains("\"warn\"") && check.contains("none"), "{check}");
        let check = text(&encryption(&server(), &Diagnosis { tls: Some("TLSv1.3".to_owned()), ..seen() }));
        assert!(check.contains("\"warn\"") && check.contains("not verified"), "{check}");
    }
}

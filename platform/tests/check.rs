//! `platform check`: the specs of the repository are sound, and a spec with one thing wrong is refused at the line
//! that is wrong.

use std::{path::Path, process::Command};

use platform::{
    check::{self, Sound},
    document::{Document, Fault},
};

const APP: &str = ".do/app.yaml";
const BUTTON: &str = ".do/deploy.template.yaml";
const AUTOSCALING: &str = "docs/app-autoscaling.yaml";

fn text(file: &str) -> String {
    std::fs::read_to_string(check::repository().join(file)).expect("the spec is there")
}

fn sound(file: &str) -> Sound {
    check::file(&check::repository().join(file), &check::repository())
        .map_err(|faults| format!("{faults:#?}"))
        .expect("it is sound")
}

/// The faults of a spec in which the first `old` is `new` instead.
fn faults_with(file: &str, old: &str, new: &str) -> Vec<Fault> {
    let text = text(file);
    assert!(text.contains(old), "{file} has no {old:?}");
    let document = match Document::parse(file, &text.replacen(old, new, 1)) {
        Ok(document) => document,
        Err(fault) => return vec![fault],
    };
    check::check(document, &check::repository()).err().unwrap_or_default()
}

/// Fails unless the change leads to a fault that says `word` at the line which holds `marker`.
#[track_caller]
fn refused(file: &str, old: &str, new: &str, marker: &str, word: &str) {
    let faults = faults_with(file, old, new);
    let changed = text(file).replacen(old, new, 1);
    let line = changed.lines().position(|line| line.contains(marker)).expect("the marker is in the changed text") + 1;
    let found = faults.iter().find(|fault| fault.problem.contains(word));
    assert!(found.is_some(), "{new:?} is not refused for {word:?}: {faults:#?}");
    let Some(found) = found else { return };
    assert_eq!(found.line, line, "{found}");
    assert!(found.to_string().starts_with(&format!("{file}:{line}: ")), "{found}");
}

#[test]
fn the_specs_of_this_repository_are_sound() {
    let app = sound(APP);
    assert_eq!((app.connections, app.database.size.connections), (19, 22));
    let button = sound(BUTTON);
    assert_eq!((button.connections, button.database.size.connections), (7, 9));
    let autoscaling = sound(AUTOSCALING);
    assert_eq!((autoscaling.connections, autoscaling.database.size.connections), (37, 47));
    assert!(autoscaling.cost().0 < autoscaling.cost().1);
}

#[test]
fn a_wrong_key_is_named_at_its_line() {
    refused(APP, "    instance_count: 3", "    instance_cuont: 3", "instance_cuont", "does not exist here");
    refused(APP, "      drain_seconds: 15", "      drain_secs: 15", "drain_secs", "does not exist here");
    refused(BUTTON, "        branch: main", "        brunch: main", "brunch", "does not exist here");
    refused(APP, "      - rule: CPU_UTILIZATION", "      - rule: CPU", "rule: CPU", "CPU");
    refused(APP, "        value: 80", "        value: \"81\"", "value: \"81\"", "number");
    refused(APP, "region: fra", "region: mars", "region: mars", "mars");
}

#[test]
fn a_binding_that_leads_nowhere_is_named_at_its_line() {
    refused(APP, "${db.DATABASE_URL}", "${database.DATABASE_URL}", "${database.", "no component or database");
    refused(APP, "${db.DATABASE_URL}", "${db.URL}", "${db.URL}", "expected one of HOSTNAME");
    refused(APP, "${db.DATABASE_URL}", "${db.DATABASE_URI", "${db.DATABASE_URI", "does not close");
    refused(APP, "${APP_URL}", "${APP_URI}", "${APP_URI}", "APP_DOMAIN");
    refused(
        APP,
        "        name: web\n        preserve",
        "        name: wbe\n        preserve",
        "name: wbe",
        "no service is called wbe",
    );
    let old = "key: DATABASE_URL\n        scope: RUN_TIME";
    refused(
        APP,
        old,
        "key: DATABASE_URL\n        scope: RUN_AND_BUILD_TIME",
        "value: ${db.DATABASE_URL}",
        "run time only",
    );
}

#[test]
fn a_connection_sum_that_does_not_hold_is_told_with_its_terms() {
    let told = "2 x 4 x (2 + 1) + 1 = 25 connections, and db-s-1vcpu-1gb allows 22";
    refused(APP, "    instance_count: 3", "    instance_count: 4", "    instance_count: 4", told);
    let told = "2 x 3 x (5 + 1) + 1 = 37";
    refused(APP, "        value: \"2\"", "        value: \"5\"", "    instance_count: 3", told);
    refused(AUTOSCALING, "max_instance_count: 6", "max_instance_count: 8", "max_instance_count: 8", "= 49");
    let small = "doctl databases create buoy-db --engine pg --version 17 --region fra1 --size db-s-1vcpu-2gb";
    refused(AUTOSCALING, small, &small.replace("2gb", "1gb"), "max_instance_count: 6", "allows 22");
    refused(BUTTON, "          value: \"2\"", "          value: \"4\"", "instance_count: 1", "allows 9");
}

#[test]
fn a_size_must_be_known_and_large_enough() {
    refused(
        APP,
        "apps-s-1vcpu-1gb",
        "apps-s-3vcpu-1gb",
        "apps-s-3vcpu-1gb",
        "is no size of App Platform: apps-s-1vcpu-0.5gb",
    );
    refused(APP, "apps-s-1vcpu-0.5gb", "basic-xxs", "basic-xxs", "legacy");
    refused(AUTOSCALING, "apps-d-1vcpu-1gb", "apps-s-1vcpu-1gb", "apps-s-1vcpu-1gb", "apps-d-1vcpu-0.5gb");
    refused(APP, "--size db-s-1vcpu-1gb", "--size db-s-1vcpu-3gb", "db-s-1vcpu-3gb", "known sizes of databases");
    let faults = faults_with(APP, "instance_size_slug: apps-s-1vcpu-1gb", "instance_size_slug: apps-s-1vcpu-1gb-fixed");
    assert!(!faults.is_empty(), "a size for a single instance takes three");
}

#[test]
fn variables_are_those_that_buoy_reads() {
    refused(
        APP,
        "key: DATABASE_POOL_SIZE",
        "key: DB_POOL_SIZE",
        "key: DB_POOL_SIZE",
        "buoy reads no variable DB_POOL_SIZE",
    );
    refused(
        APP,
        "        value: \"2\"",
        "        value: two",
        "value: two",
        "DATABASE_POOL_SIZE: expected a whole number",
    );
    refused(APP, "key: COMMIT\n", "key: COMIMT\n", "key: COMIMT", "no ARG COMIMT");
    refused(APP, "key: BUOY_COMMAND", "key: LOG_LEVEL", "- name: migrate", "the job would serve, and never end");
    refused(APP, "key: PUBLIC_URL", "key: DATABASE_POOL_SIZE", "value: ${APP_URL}", "expected a whole number");
    let secret = "value: postgres://doadmin:hush@db.example.com/defaultdb";
    refused(APP, "value: ${db.DATABASE_URL}", secret, "- key: DATABASE_URL", "expected a binding, or type: SECRET");
    let without = "      - key: DATABASE_URL\n        scope: RUN_TIME\n        value: ${db.DATABASE_URL}\n";
    refused(APP, without, "", "- name: web", "DATABASE_URL: expected the address of a database");
    refused(APP, "scope: RUN_TIME\n        value: \"2\"", "value: \"2\"", "key: DATABASE_POOL_SIZE", "has no scope");
}

#[test]
fn ports_and_paths_agree() {
    refused(APP, "      port: 8080", "      port: 8081", "port: 8081", "the service listens on 8080");
    refused(APP, "    http_port: 8080", "    http_port: 3000", "http_port: 3000", "does not expose 3000");
    refused(APP, "http_path: /ready", "http_path: /health", "http_path: /health", "expected /ready");
    refused(APP, "http_path: /health", "http_path: /users", "http_path: /users", "expected /health");
    let host = "      - key: HOST\n        scope: RUN_TIME\n        value: 127.0.0.1\n      - key: DATABASE_POOL_SIZE";
    refused(APP, "      - key: DATABASE_POOL_SIZE", host, "value: 127.0.0.1", "out of everyone's reach");
    let port = "      - key: PORT\n        scope: RUN_TIME\n        value: \"3000\"\n      - key: DATABASE_POOL_SIZE";
    refused(APP, "      - key: DATABASE_POOL_SIZE", port, "value: \"3000\"", "would listen on 3000");
    let prefix = "prefix: /go\n      component:\n        name: web\n        preserve_path_prefix: false";
    let root = "prefix: /\n      component:\n        name: web\n        preserve_path_prefix: true";
    refused(APP, root, prefix, "      component:", "the prefix would be cut off");
}

#[test]
fn the_program_ends_before_the_platform_kills_it() {
    refused(
        APP,
        "grace_period_seconds: 90",
        "grace_period_seconds: 80",
        "grace_period_seconds: 80",
        "SHUTDOWN_GRACE_SECONDS",
    );
    refused(APP, "drain_seconds: 15", "drain_seconds: 5", "drain_seconds: 5", "an upload may take 90 s");
    refused(APP, "timeout_seconds: 2", "timeout_seconds: 3", "timeout_seconds: 3", "the next begins after 3 s");
    let slow = "      - key: BULK_TIMEOUT_SECONDS\n        scope: RUN_TIME\n        value: \"100\"\n\
                \x20     - key: DATABASE_POOL_SIZE";
    refused(APP, "      - key: DATABASE_POOL_SIZE", slow, "value: \"100\"", "the edge gives up");
}

#[test]
fn the_cluster_is_the_one_that_the_command_makes() {
    refused(APP, "cluster_name: buoy-db", "cluster_name: other-db", "cluster_name: other-db", "expected a comment");
    refused(APP, "--version 17", "--version 16", "--version 16", "--version is 16");
    refused(APP, "--region fra1", "--region nyc1", "--region nyc1", "--region is nyc1");
}

#[test]
fn the_command_prints_faults_and_fails() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broken = folder.path().join("app.yaml");
    std::fs::write(&broken, text(APP).replace("http_port", "http_prot")).expect("the folder takes a file");
    let run =
        |file: &Path| Command::new(env!("CARGO_BIN_EXE_platform")).arg("check").arg(file).output().expect("it runs");
    let refused = run(&broken);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    let line = text(APP).lines().position(|line| line.contains("http_port")).expect("it is there") + 1;
    assert!(said.starts_with(&format!("{}:{line}: the key \"http_prot\"", broken.display())), "{said}");
    let accepted = run(&check::repository().join(APP));
    assert!(accepted.status.success());
    assert!(String::from_utf8_lossy(&accepted.stdout).contains("19 of 22 connections"));
}

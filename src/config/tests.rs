//! The configuration as a whole: defaults, all faults together, and the table beside the structs.

use std::collections::HashSet;

use super::*;

/// A value that no variable takes.
const NONSENSE: &str = "?!";

fn vars(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn nothing_given_is_a_sound_configuration() {
    let config = Config::from_vars([]).expect("the defaults are sound");
    assert_eq!(config.store.url.to_string(), "sqlite:buoy.db");
    assert_eq!(config.listen.port, 8080);
    assert!(config.listen.host.is_loopback());
    assert_eq!(config.command, None);
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let empty = |secret: bool| {
        let chosen = variables().filter(move |variable| variable.secret == secret);
        chosen.map(|variable| (variable.name.to_owned(), String::new()))
    };
    assert!(Config::from_vars(empty(false)).is_ok());
    let message = Config::from_vars(empty(true)).expect_err("secrets are not left blank").to_string();
    assert_eq!(message.lines().count() - 1, empty(true).count(), "{message}");
    assert!(message.lines().skip(1).all(|line| line.contains("blank")), "{message}");
}

#[test]
fn a_placeholder_is_refused_wherever_it_stands() {
    let literal = |variable: &Variable| (variable.name.to_owned(), "${db.NOTHING}".to_owned());
    let message = Config::from_vars(variables().map(literal)).expect_err("nothing of it is sound").to_string();
    // The certificate's placeholder counts as unset, unless verification was asked for.
    let expected = variables().filter(|variable| variable.name != "DATABASE_CA_CERT");
    for (line, variable) in message.lines().skip(1).zip(expected) {
        assert!(line.trim().starts_with(variable.name) && line.contains("${db.NOTHING}"), "{line}");
    }
}

#[test]
fn every_variable_of_the_table_is_read_and_every_fault_is_in_the_message() {
    let nonsense = variables().map(|variable| (variable.name.to_owned(), NONSENSE.to_owned()));
    let message = Config::from_vars(nonsense).expect_err("nothing of it is sound").to_string();
    let named: Vec<&str> = message.lines().skip(1).filter_map(|line| line.trim().split(':').next()).collect();
    let expected: Vec<&str> = variables().map(|variable| variable.name).collect();
    assert_eq!(named, expected, "{message}");
    for line in message.lines().skip(1) {
        assert!(line.contains(": expected "), "{line}");
    }
}

#[test]
fn the_table_explains_each_variable_once() {
    let mut seen = HashSet::new();
    for variable in variables() {
        assert!(seen.insert(variable.name), "{} is listed twice", variable.name);
        assert!(variable.meaning.len() > 20 && !variable.meaning.contains("  "), "{}", variable.meaning);
    }
}

/// An operator reads the list as a whole: a new variable has to replace another.
#[test]
fn there_are_at_most_45_variables() {
    let page = include_str!("../../docs/configuration.md");
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, variables().count());
    assert!(rows <= 45, "{rows} variables");
}

#[test]
fn each_default_is_what_giving_it_would_be() {
    let given = variables().filter_map(|variable| Some((variable.name.to_owned(), variable.default?.to_owned())));
    let given = format!("{:?}", Config::from_vars(given).expect("the defaults are sound"));
    assert_eq!(given, format!("{:?}", Config::from_vars([]).expect("the defaults are sound")));
}

#[test]
fn the_examples_together_are_a_sound_configuration() {
    let examples = variables().map(|variable| (variable.name.to_owned(), variable.example.to_owned()));
    let problem = Config::from_vars(examples).err().map(|error| error.to_string());
    assert_eq!(problem, None);
}

#[test]
fn the_hosts_of_this_service_are_those_of_public_url_and_allowed_hosts() {
    let given = vars(&[("PUBLIC_URL", "https://go.example.com:8443/"), ("ALLOWED_HOSTS", "links.example.com")]);
    let config = Config::from_vars(given).expect("it is sound");
    assert_eq!(config.access.allowed_hosts.to_string(), "links.example.com,go.example.com");
    assert_eq!(config.http.targets.own.len(), 2);
}

#[test]
fn a_placeholder_is_no_address() {
    let message =
        Config::from_vars(vars(&[("DATABASE_URL", "${DATABASE_URL}"), ("PORT", "0")])).expect_err("it is none");
    assert!(message.to_string().contains("DATABASE_URL: expected"), "{message}");
}

#[test]
fn settings_show_faulty_values_but_no_secret() {
    let settings = settings(vars(&[("DATABASE_URL", "postgres://u:hush@db/buoy"), ("PORT", "http")]));
    let shown =
        |name: &str| settings.iter().find(|setting| setting.variable.name == name).and_then(|it| it.value.clone());
    assert_eq!(shown("DATABASE_URL").as_deref(), Some("postgres://u:***@db/buoy"));
    assert_eq!(shown("PORT").as_deref(), Some("http"));
    assert_eq!(shown("HOST").as_deref(), Some("127.0.0.1"));
    assert_eq!(shown("PUBLIC_URL"), None);
}

#[test]
fn a_faulty_value_that_may_hold_a_secret_is_masked_as_a_whole() {
    for (name, value) in [
        ("PUBLIC_URL", "https://ann:hush@go.example.com"),
        ("ADMIN_TOKEN", "hush"),
        ("DATABASE_URL", "postgresq://ann:hush@db/buoy"),
        ("DATABASE_CA_CERT", "-----BEGIN PRIVATE KEY-----\nhush"),
    ] {
        let given = vars(&[(name, value)]);
        let settings = settings(given.clone());
        let setting = settings.iter().find(|setting| setting.variable.name == name).expect("it is a variable");
        assert_eq!(setting.value.as_deref(), Some("***"), "{name}");
        let message = Config::from_vars(given).expect_err("it is faulty").to_string();
        assert!(message.contains(name) && !message.contains("hush"), "{message}");
    }
}

#[test]
fn debug_output_holds_no_secret() {
    let config = Config::from_vars(vars(&[("DATABASE_URL", "postgres://u:hush@db/buoy")])).expect("it is sound");
    assert!(!format!("{config:?}").contains("hush"));
}

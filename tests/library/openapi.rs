//! The OpenAPI document: a snapshot, so that a change of the interface is seen, and what every document must meet.

use std::collections::BTreeSet;

use serde_json::Value;

/// The methods that a path of the document may have.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn document() -> Value {
    serde_json::to_value(buoy::http::document()).unwrap()
}

/// Every operation, with a name for messages.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let named = paths.iter().flat_map(|(path, item)| METHODS.iter().map(move |method| (path, item, method)));
    named
        .filter(|(_, item, method)| item[**method].is_object())
        .map(|(path, item, method)| (format!("{method} {path}"), &item[*method]))
        .collect()
}

/// Every `$ref` below a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(ToOwned::to_owned));
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

#[test]
fn the_document_is_as_it_was_reviewed() {
    let mut document = document();
    // Changes with each release, and says nothing about the interface.
    document["info"]["version"] = "[version]".into();
    insta::assert_json_snapshot!("openapi", document);
}

#[test]
fn the_document_is_openapi_3_1() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for field in ["title", "version", "description"] {
        assert!(document["info"][field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
}

#[test]
fn every_route_of_the_contract_is_described() {
    let document = document();
    let described: BTreeSet<_> = operations(&document).into_iter().map(|(name, _)| name).collect();
    for operation in [
        "get /health",
        "get /ready",
        "get /users",
        "post /users",
        "get /users/{id}",
        "put /users/{id}",
        "patch /users/{id}",
        "delete /users/{id}",
        "post /users/bulk",
        "get /urls",
        "post /urls",
        "get /urls/{id}",
        "put /urls/{id}",
        "patch /urls/{id}",
        "delete /urls/{id}",
        "get /urls/{id}/redirect",
        "get /events",
        "post /events",
        "get /events/{id}",
        "get /stats",
        "get /urls/{id}/stats",
        "get /{short_code}",
    ] {
        assert!(described.contains(operation), "{operation} is missing of {described:?}");
    }
}

#[test]
fn every_operation_is_explained() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic_without(&name, "an id"));
        assert!(ids.insert(id.to_owned()), "{name}: the id {id} stands twice");
        let summary = operation["summary"].as_str().unwrap_or_else(|| panic_without(&name, "a summary"));
        assert!(!summary.is_empty() && operation["tags"].is_array(), "{name}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["schema"].is_object(), "{name}: {parameter}");
        }
    }
}

#[test]
fn every_operation_has_answers_with_their_bodies() {
    let document = document();
    for (name, operation) in operations(&document) {
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| ["2", "3"].contains(&&status[..1])), "{name} has no success");
        for (status, response) in responses {
            let content = response["content"].as_object();
            if status.starts_with(['4', '5']) {
                assert!(content.is_some_and(|types| types.contains_key("application/problem+json")), "{name} {status}");
            }
            assert!(response["description"].is_string(), "{name} {status}");
            let bodiless = ["204", "302"].contains(&status.as_str());
            assert_eq!(content.is_none_or(serde_json::Map::is_empty), bodiless, "{name} {status}");
        }
    }
}

#[test]
fn every_body_has_an_example_that_fits() {
    let document = document();
    for (name, operation) in operations(&document) {
        let Some(content) = operation["requestBody"]["content"].as_object() else { continue };
        for (kind, body) in content {
            let schema = resolve(&document, &body["schema"]);
            let examples = [&body["example"], &schema["example"], &schema["examples"][0]];
            let example = examples.into_iter().find(|example| !example.is_null());
            let example = example.unwrap_or_else(|| panic_without(&name, &format!("an example of {kind}")));
            if let (Some(fields), Some(known)) = (example.as_object(), schema["properties"].as_object()) {
                assert!(fields.keys().all(|field| known.contains_key(field)), "{name}: {example}");
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
        assert!(target.is_some(), "{reference} leads nowhere");
    }
}

fn panic_without(name: &str, what: &str) -> ! {
    panic!("{name} has no {what}")
}

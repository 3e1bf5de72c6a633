//! The OpenAPI document: a snapshot, so that a change of the interface is seen, and what every document must meet.

use std::collections::BTreeSet;

use buoy::http::openapi::CODES;
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

/// A schema by which values are checked, with the document's components for its references.
fn validator(document: &Value, schema: &Value) -> jsonschema::Validator {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    jsonschema::options()
        .should_validate_formats(true)
        .build(&whole)
        .unwrap_or_else(|error| panic!("{error}: {schema}"))
}

/// Fails unless an example fits its schema.
fn assert_fits(document: &Value, schema: &Value, example: &Value, name: &str) {
    let faults: Vec<_> =
        validator(document, schema).iter_errors(example).map(|fault| format!("{name}: {fault}")).collect();
    assert_eq!(faults, Vec::<String>::new(), "{example}");
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
            assert_fits(&document, &body["schema"], example, &name);
        }
    }
}

#[test]
fn every_parameter_and_schema_has_examples_that_fit() {
    let document = document();
    for (name, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if let Some(example) = parameter.get("example") {
                assert_fits(&document, &parameter["schema"], example, &format!("{name}: {}", parameter["name"]));
            }
        }
    }
    let mut checked = 0;
    walk(&document["components"]["schemas"], &mut |schema| {
        if let Some(example) = schema.get("example").filter(|_| schema.get("type").is_some_and(Value::is_string)) {
            assert_fits(&document, schema, example, "a schema");
            checked += 1;
        }
    });
    assert!(checked > 20, "{checked}");
}

/// Every object below a value.
fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    match value {
        Value::Object(fields) => {
            visit(value);
            fields.values().for_each(|field| walk(field, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

#[test]
fn every_failure_has_an_example_of_each_code() {
    let document = document();
    let mut shown = BTreeSet::new();
    for (name, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            if !status.starts_with(['4', '5']) {
                continue;
            }
            let content = &response["content"]["application/problem+json"];
            let examples = content["examples"].as_object();
            let examples = examples.unwrap_or_else(|| panic_without(&name, &format!("an example of {status}")));
            for (code, example) in examples {
                let body = &example["value"];
                assert_eq!(
                    (&body["code"], body["status"].to_string()),
                    (&code.as_str().into(), status.clone()),
                    "{name}"
                );
                assert!(response["description"].as_str().unwrap().contains(&format!("`{code}`")), "{name} {code}");
                assert_fits(&document, &content["schema"], body, &name);
                shown.insert(code.as_str());
            }
        }
    }
    // The two that no operation has: their routes are none.
    let all: BTreeSet<_> = CODES.iter().map(|(_, code, _)| *code).collect();
    assert_eq!(all.difference(&shown).copied().collect::<Vec<_>>(), ["method_not_allowed", "route_not_found"]);
}

#[test]
fn the_documentation_lists_every_code_with_its_status() {
    let rows = include_str!("../../docs/api.md").lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        Some((cells.next()?.parse::<u16>().ok()?, cells.next()?))
    });
    let codes = |cell: &'static str| cell.split('`').skip(1).step_by(2);
    let listed: BTreeSet<_> = rows.flat_map(|(status, cell)| codes(cell).map(move |code| (status, code))).collect();
    assert_eq!(listed, CODES.iter().map(|(status, code, _)| (*status, *code)).collect());
}

/// The rules of `redocly lint` (2.77.0, recommended) that this document could break, apart from those tested above.
#[test]
fn the_document_keeps_the_recommended_rules_of_redocly() {
    let document = document();
    // no-empty-servers, no-server-trailing-slash, no-server-example.com
    assert_eq!(document["servers"], serde_json::json!([{"url": "/"}]));
    // info-license, info-license-strict
    assert!(document["info"]["license"]["identifier"].is_string(), "{}", document["info"]);
    let names: BTreeSet<_> =
        document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).map(Value::as_str).collect();
    for (name, operation) in operations(&document) {
        // security-defined, security-scopes-defined
        assert!(operation["security"].is_array(), "{name}");
        let statuses: Vec<_> = operation["responses"].as_object().unwrap().keys().collect();
        // operation-2xx-response: a redirect has none. operation-4xx-response
        assert!(statuses.iter().any(|status| status.starts_with('2') || *status == "302"), "{name}");
        assert!(statuses.iter().any(|status| status.starts_with('4')), "{name}");
        // tag-description, operation-operationId-url-safe
        assert!(names.contains(&operation["tags"][0].as_str()), "{name}");
        let id = operation["operationId"].as_str().unwrap();
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
        // path-parameters-defined, operation-parameters-unique
        let path = name.split(' ').nth(1).unwrap();
        let in_path: BTreeSet<_> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let parameters: Vec<_> = operation["parameters"].as_array().into_iter().flatten().collect();
        let named = parameters.iter().map(|it| (it["in"].as_str().unwrap(), it["name"].as_str().unwrap()));
        let unique: BTreeSet<_> = named.clone().collect();
        assert_eq!(unique.len(), parameters.len(), "{name}");
        assert_eq!(named.filter(|(place, _)| *place == "path").map(|(_, name)| name).collect::<BTreeSet<_>>(), in_path);
    }
    // no-unused-components
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(found.contains(&format!("#/components/schemas/{name}")), "{name} is not used");
    }
    // no-required-schema-properties-undefined, no-enum-type-mismatch
    walk(&document["components"]["schemas"], &mut |schema| {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for field in required.filter_map(Value::as_str) {
            assert!(schema["properties"][field].is_object(), "{field}: {schema}");
        }
        let words = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        assert!(words.into_iter().all(Value::is_string), "{schema}");
    });
}

#[test]
fn no_default_is_claimed_that_the_service_does_not_apply() {
    let document = document();
    let mut defaults = BTreeSet::new();
    for (_, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if let Some(default) = parameter["schema"].get("default") {
                defaults.insert((parameter["name"].as_str().unwrap().to_owned(), default.to_string()));
            }
        }
    }
    // tests/api/stats.rs holds the service to these.
    let expected = [("top", "10"), ("tz", "\"UTC\""), ("unit", "\"day\"")];
    assert_eq!(defaults, expected.map(|(name, default)| (name.to_owned(), default.to_owned())).into());
}

#[test]
fn descriptions_are_for_readers_of_the_api() {
    let document = document();
    let mut read = 0;
    walk(&document, &mut |object| {
        for text in ["description", "summary"].iter().filter_map(|field| object.get(*field)?.as_str()) {
            for word in ["[`", "`]", "::", "whoever", "nobody", "somebody", "at hand", "at once"] {
                assert!(!text.contains(word), "{word}: {text}");
            }
            read += 1;
        }
    });
    assert!(read > 100, "{read}");
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

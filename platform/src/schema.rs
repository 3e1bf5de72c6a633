//! The strict schema of app specs, `.do/do-app-spec.schema.json`, which also names its source.

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::{Value, json};

use crate::document::{Document, Fault, join};

const SCHEMA: &str = include_str!("../../.do/do-app-spec.schema.json");

/// What the schema says against a document: one fault for each thing that is wrong.
///
/// # Errors
/// If the schema itself cannot be used.
pub fn faults(document: &Document) -> anyhow::Result<Vec<Fault>> {
    let validator = validator(document.root.get("spec").is_some())?;
    let mut faults: Vec<Fault> =
        validator.iter_errors(&document.root).flat_map(|error| told(document, &error)).collect();
    faults.sort();
    faults.dedup();
    Ok(faults)
}

/// The schema of app specs, or of the file of the Deploy button, whose root key is `spec`.
fn validator(of_the_button: bool) -> anyhow::Result<Validator> {
    let mut schema: Value = serde_json::from_str(SCHEMA)?;
    if of_the_button {
        schema["$ref"] = json!("#/$defs/DeployTemplate");
    }
    Ok(jsonschema::draft202012::new(&schema).map_err(|error| error.to_owned())?)
}

/// One error in words, at the line of the key that is wrong.
fn told(document: &Document, error: &ValidationError<'_>) -> Vec<Fault> {
    let at = error.instance_path().to_string();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let told = |key: &String| document.fault(&join(&at, key), format!("the key {key:?} does not exist here"));
            unexpected.iter().map(told).collect()
        }
        ValidationErrorKind::Required { property } => {
            vec![document.fault(&at, format!("the key {property} is missing"))]
        }
        ValidationErrorKind::FalseSchema => vec![document.fault(&at, "this key is not allowed here")],
        ValidationErrorKind::OneOfNotValid { .. }
        | ValidationErrorKind::AnyOf { .. }
        | ValidationErrorKind::Not { .. } => {
            vec![document.fault(&at, choice(&at, error))]
        }
        _ => vec![document.fault(&at, format!("{}: {error}", last(&at)))],
    }
}

/// What was to be chosen if no choice fits. The schema's own message would repeat the whole object.
fn choice(at: &str, error: &ValidationError<'_>) -> String {
    let value = error.instance();
    match last(at) {
        "instance_size_slug" => format!("{value} is no size of App Platform: {}", crate::sizes::known()),
        _ if error.schema_path().to_string().contains("AppIngressSpecRule") => {
            "expected one target: component or redirect".to_owned()
        }
        _ if value.get("autoscaling").is_some() && value.get("instance_count").is_some() => {
            "autoscaling and instance_count exclude each other".to_owned()
        }
        _ if value.is_object() => "expected one source: git, github, gitlab, bitbucket or image".to_owned(),
        _ => format!("{value} is none of the values that the schema allows"),
    }
}

fn last(pointer: &str) -> &str {
    pointer.rsplit('/').next().unwrap_or_default()
}

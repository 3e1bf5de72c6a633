//! A page of metrics in the format that the client asks for.

use std::collections::HashSet;

use axum::http::{HeaderMap, HeaderValue, header};

use crate::http::accept::accepts;

const OPENMETRICS: HeaderValue = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// A page of OpenMetrics as the client asks for it, and its content type: in the text format unless the client names
/// OpenMetrics.
pub(super) fn negotiated(headers: &HeaderMap, page: String) -> (HeaderValue, String) {
    if accepts(headers, header::ACCEPT, "application/openmetrics-text") {
        (OPENMETRICS, page)
    } else {
        (TEXT, as_text(&page))
    }
}

/// The text format names a counter like its samples, with `_total`, and has no mark at its end.
fn as_text(page: &str) -> String {
    let counter =
        |line: &str| line.strip_prefix("# TYPE ").and_then(|line| line.strip_suffix(" counter")).map(str::to_owned);
    let counters: HashSet<String> = page.lines().filter_map(counter).collect();
    let mut text = String::with_capacity(page.len());
    for line in page.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(keyword), Some(name), Some(rest)) if counters.contains(name) => {
                text.push_str(&format!("# {keyword} {name}_total {rest}\n"));
            }
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

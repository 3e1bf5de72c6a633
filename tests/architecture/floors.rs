//! The floor map, as the doc comment of `src/lib.rs` draws it.

use std::collections::HashMap;

pub(crate) struct Floors {
    /// Height by module, the lowest being 0.
    heights: HashMap<String, usize>,
}

impl Floors {
    /// Reads the map from the text of `src/lib.rs`.
    pub(crate) fn read(text: &str) -> Self {
        let doc: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("//!")).collect();
        // The map may take several lines; each but the last ends with an arrow.
        let map: Vec<&str> = doc.iter().copied().filter(|line| line.contains('→')).collect();
        let map = map.join("");
        let floors = map.split('→').enumerate();
        let heights = floors.flat_map(|(height, floor)| names(floor).map(move |name| (name, height))).collect();
        Self { heights }
    }

    /// Why one top-level module may not open another; nothing if it may.
    pub(crate) fn refuses(&self, own: &str, opened: &str) -> Option<&'static str> {
        if own == opened {
            return None;
        }
        match (self.heights.get(own), self.heights.get(opened)) {
            (Some(own), Some(opened)) => (own <= opened).then_some("it is not on a lower floor"),
            _ => Some("it is not on the map in src/lib.rs"),
        }
    }
}

/// The names between backticks.
fn names(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

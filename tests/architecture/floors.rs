//! The floor map, as the doc comment of `src/lib.rs` draws it.

use std::collections::{HashMap, HashSet};

/// Opens the side rooms: the top floors.
const OPENERS: [&str; 2] = ["cli", "main"];

pub(crate) struct Floors {
    /// Height by module, the lowest being 0.
    heights: HashMap<String, usize>,
    /// Opened by the top alone.
    side_rooms: HashSet<String>,
}

impl Floors {
    /// Reads the map from the text of `src/lib.rs`.
    pub(crate) fn read(text: &str) -> Self {
        let doc: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("//!")).collect();
        let line = |mark: &str| doc.iter().copied().find(|line| line.contains(mark)).expect("the map is in src/lib.rs");
        // The map may take several lines; each but the last ends with an arrow.
        let map: Vec<&str> = doc.iter().copied().filter(|line| line.contains('→')).collect();
        let map = map.join("");
        let floors = map.split('→').enumerate();
        let heights = floors.flat_map(|(height, floor)| names(floor).map(move |name| (name, height))).collect();
        let (side_rooms, _) = line("side rooms").split_once("side rooms").expect("the line has the mark");
        Self { heights, side_rooms: names(side_rooms).collect() }
    }

    /// Why one top-level module may not open another; nothing where it may.
    pub(crate) fn refuses(&self, own: &str, opened: &str) -> Option<&'static str> {
        if own == opened {
            return None;
        }
        match (self.side_rooms.contains(own), self.side_rooms.contains(opened)) {
            (true, true) => (opened != "config").then_some("of the side rooms only config is opened by others"),
            (false, true) => (!OPENERS.contains(&own)).then_some("side rooms are opened by cli alone"),
            (true, false) => (opened != "domain").then_some("a side room stands on domain alone"),
            (false, false) => match (self.heights.get(own), self.heights.get(opened)) {
                (Some(own), Some(opened)) => (own <= opened).then_some("it is not on a lower floor"),
                _ => Some("it is not on the map in src/lib.rs"),
            },
        }
    }
}

/// The names between backticks.
fn names(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

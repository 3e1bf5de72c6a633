//! A list of the most frequent values, each with a bar.

use serde::Deserialize;

use crate::console::format::number;

/// A value and its clicks.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::console) struct Bar {
    pub(in crate::console) value: String,
    pub(in crate::console) clicks: i64,
}

/// The bars of one dimension.
#[derive(Debug)]
pub(in crate::console) struct Bars {
    pub(in crate::console) name: &'static str,
    bars: Vec<Bar>,
}

impl Bars {
    pub(super) fn of(name: &'static str, bars: Vec<Bar>) -> Self {
        Self { name, bars }
    }

    pub(in crate::console) fn is_empty(&self) -> bool {
        self.bars.is_empty()
    }

    /// Each value with its clicks, and the width of its bar in hundredths of the longest.
    pub(in crate::console) fn rows(&self) -> Vec<(&str, String, i64)> {
        let most = self.bars.iter().map(|bar| bar.clicks).max().unwrap_or_default().max(1);
        self.bars.iter().map(|bar| (bar.value.as_str(), number(bar.clicks), bar.clicks * 100 / most)).collect()
    }
}

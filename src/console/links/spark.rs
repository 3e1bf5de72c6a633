//! A month of clicks as a small line.

use std::fmt::Write as _;

use askama::Template;

/// Days that a line shows.
pub(super) const DAYS: usize = 30;
const WIDTH: usize = 116;
const HEIGHT: i64 = 24;

/// The line of one link.
#[derive(Debug, Clone, Default, Template)]
#[template(
    source = r#"<svg class="spark" viewBox="0 0 116 26" role="img" aria-label="{{ label }}"><title>{{ label }}</title>
<path class="area" d="{{ area }}"/><path class="line" d="{{ line }}"/></svg>"#,
    ext = "html"
)]
pub(super) struct Spark {
    label: String,
    line: String,
    area: String,
}

impl askama::filters::HtmlSafe for Spark {}

impl Spark {
    /// The line of clicks, a number for each day.
    pub(super) fn of(days: &[i64; DAYS]) -> Self {
        let most = days.iter().copied().max().unwrap_or_default().max(1);
        let mut line = String::new();
        for (nth, clicks) in days.iter().enumerate() {
            let (x, y) = (nth * WIDTH / (DAYS - 1), 1 + HEIGHT - clicks * HEIGHT / most);
            // Writing to a String cannot fail.
            let _ = write!(line, "{}{x} {y}", if nth == 0 { 'M' } else { 'L' });
        }
        let area = format!("{line}L{WIDTH} 26L0 26Z");
        let sum: i64 = days.iter().sum();
        let label = format!("{} in 30 days", super::super::format::counted(sum, "click", "clicks"));
        Self { label, line, area }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_day_reaches_the_top() {
        let mut days = [0; DAYS];
        days[29] = 8;
        let spark = Spark::of(&days);
        assert!(spark.line.starts_with("M0 25L4 25") && spark.line.ends_with("L116 1"), "{}", spark.line);
        assert_eq!(spark.label, "8 clicks in 30 days");
    }
}

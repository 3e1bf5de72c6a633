//! Line charts as SVG, for a page that needs no script. Goose's report fetches its charts' script from a CDN, and knows
//! only requests of Goose's own client.

use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 220.0;
/// Room for the numbers on the left and below.
const MARGIN: f64 = 55.0;
const COLOURS: [&str; 6] = ["#1769aa", "#c4520b", "#2e7d32", "#7b1fa2", "#b71c1c", "#455a64"];

/// One line of a chart: a value for each second.
#[derive(Debug, Clone)]
pub struct Line {
    name: String,
    values: Vec<f64>,
}

impl Line {
    /// A line with its name.
    pub fn new(name: &str, values: Vec<f64>) -> Self {
        Self { name: name.to_owned(), values }
    }
}

/// A chart of lines over the seconds of a run.
pub fn chart(title: &str, lines: &[Line]) -> String {
    let highest = lines.iter().flat_map(|line| &line.values).fold(1.0_f64, |high, value| high.max(*value));
    let seconds = lines.iter().map(|line| line.values.len()).max().unwrap_or(0).max(2) - 1;
    let title = escape(title);
    let mut svg = format!(
        "<h2>{title}</h2><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\" font-size=\"12\">"
    );
    for part in [0.0, 0.5, 1.0] {
        let y = y_of(part);
        // Writing to a String never fails.
        let _ = write!(
            svg,
            "<path d=\"M{MARGIN} {y}H{WIDTH}\" stroke=\"#ccc\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{:.0}</text>",
            MARGIN - 6.0,
            y + 4.0,
            highest * part
        );
    }
    let _ = write!(svg, "<text x=\"{WIDTH}\" y=\"{}\" text-anchor=\"end\">{seconds} s</text>", HEIGHT - 4.0);
    for (nth, line) in lines.iter().enumerate() {
        svg += &polyline(line, nth, seconds, highest);
    }
    svg + "</svg>"
}

/// The nth line of a chart, and its name below.
fn polyline(line: &Line, nth: usize, seconds: usize, highest: f64) -> String {
    let point = |(second, value): (usize, &f64)| {
        let x = MARGIN + (WIDTH - MARGIN) * second as f64 / seconds as f64;
        format!("{x:.1},{:.1}", y_of(value / highest))
    };
    let points: Vec<String> = line.values.iter().enumerate().map(point).collect();
    let colour = COLOURS[nth % COLOURS.len()];
    format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\
         <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{}</text>",
        points.join(" "),
        MARGIN + 20.0 + 140.0 * nth as f64,
        HEIGHT - 4.0,
        escape(&line.name)
    )
}

/// Text as HTML shows it.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn y_of(part: f64) -> f64 {
    10.0 + (HEIGHT - 40.0) * (1.0 - part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_drawn_to_scale_and_named() {
        let svg = chart("a & b", &[Line::new("x<y", vec![0.0, 10.0]), Line::new("z", vec![5.0])]);
        assert!(svg.contains("points=\"55.0,190.0 900.0,10.0\""), "{svg}");
        assert!(svg.contains("a &amp; b") && svg.contains("x&lt;y") && svg.contains("points=\"55.0,100.0\""), "{svg}");
    }
}

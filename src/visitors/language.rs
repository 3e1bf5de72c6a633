//! The language that a visitor prefers, from `Accept-Language`.

/// Entries of the header that are looked at: honest ones have a handful.
const ENTRIES: usize = 16;

/// A language of two or three lower-case letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Language {
    letters: [u8; 3],
    length: u8,
}

impl Language {
    /// The language of the entry with the highest weight, the first one of several, without region or script. None
    /// if that entry names none, as `*` does.
    pub(super) fn preferred(header: &str) -> Option<Self> {
        let mut best: Option<(f32, &str)> = None;
        for entry in header.split(',').take(ENTRIES) {
            let (range, parameters) = entry.split_once(';').unwrap_or((entry, ""));
            let weight = weight(parameters);
            if weight > best.map_or(0.0, |(weight, _)| weight) {
                best = Some((weight, range.trim()));
            }
        }
        Self::parse(best?.1)
    }

    fn parse(range: &str) -> Option<Self> {
        let primary = range.split('-').next()?.as_bytes();
        let sound = (2..=3).contains(&primary.len()) && primary.iter().all(u8::is_ascii_alphabetic);
        if !sound {
            return None;
        }
        let mut letters = [b' '; 3];
        letters[..primary.len()].copy_from_slice(primary);
        letters.make_ascii_lowercase();
        Some(Self { letters, length: u8::try_from(primary.len()).ok()? })
    }

    pub(super) fn as_str(&self) -> &str {
        self.letters
            .get(..usize::from(self.length))
            .and_then(|letters| str::from_utf8(letters).ok())
            .unwrap_or_default()
    }
}

/// The weight among an entry's parameters, 1 if there is none; 0, never chosen, if it is no weight.
fn weight(parameters: &str) -> f32 {
    let given = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
    let weight = given.map_or(Some(1.0), |text| text.trim().parse().ok());
    weight.filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_language_is_the_first_of_highest_weight() {
        for (header, expected) in [
            ("de-DE,de;q=0.9,en;q=0.8", Some("de")),
            ("en;q=0.5, fr-CH ; q=0.9, de;q=0.9", Some("fr")),
            ("EN-us", Some("en")),
            ("zh-Hant-TW", Some("zh")),
            ("gsw", Some("gsw")),
            ("en;q=0, de;q=0.001", Some("de")),
            ("en;q=NaN, de;q=0.1", Some("de")),
            ("en;q=7, de;q=0.1", Some("de")),
            ("*", None),
            ("", None),
            ("e", None),
            ("german", None),
            ("d3", None),
            ("de_DE", None),
            (",,;;q=,", None),
        ] {
            assert_eq!(Language::preferred(header).as_ref().map(Language::as_str), expected, "{header}");
        }
    }
}

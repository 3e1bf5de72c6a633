//! Misspelt names: which known name was probably meant.

/// The known name that `given` misspells, in any case of letters.
///
/// Short names have too many neighbours to be told from others: PATH is no PORT.
pub fn misspelt<'k>(given: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let given = given.to_ascii_lowercase();
    let near = known.map(|name| (strsim::osa_distance(&given, &name.to_ascii_lowercase()), name));
    near.filter(|(distance, name)| *distance <= tolerance(name)).min().map(|(_, name)| name)
}

/// The known name that `given` misspells, or of which it is a word: `code` is meant to be `short_code`.
pub fn likely<'k>(given: &str, known: impl Iterator<Item = &'k str> + Clone) -> Option<&'k str> {
    let is_word = |name: &&str| name.split('_').any(|word| word.eq_ignore_ascii_case(given));
    misspelt(given, known.clone()).or_else(|| known.clone().find(is_word))
}

/// Letters that may be wrong.
fn tolerance(known: &str) -> usize {
    match known.len() {
        0..=4 => 0,
        5..=8 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] = ["user_id", "original_url", "title", "short_code", "is_active", "to"];

    #[test]
    fn a_misspelt_or_shortened_name_is_told_from_others() {
        for (given, meant) in [
            ("userid", Some("user_id")),
            ("USER_ID", Some("user_id")),
            ("usre_id", Some("user_id")),
            ("code", Some("short_code")),
            ("url", Some("original_url")),
            ("shortCode", Some("short_code")),
            ("active", Some("is_active")),
            ("colour", None),
            ("tp", None),
            ("", None),
        ] {
            assert_eq!(likely(given, KNOWN.into_iter()), meant, "{given}");
        }
        assert_eq!(misspelt("code", KNOWN.into_iter()), None);
    }
}

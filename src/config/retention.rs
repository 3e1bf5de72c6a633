//! How long click events are kept.

use super::{concern::concern, form};

concern! {
    /// How long click events are kept.
    pub RetentionConfig {
        /// Days after which click events are deleted; statistics and all other events stay. Left unset they are kept
        /// for ever.
        event_days: Option<u32> = "EVENT_RETENTION_DAYS", unset like "90", form::whole(1..=36_500, "days");
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{concern::Concern as _, source::Source},
        *,
    };

    #[test]
    fn events_are_kept_unless_told_otherwise() {
        let days = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            RetentionConfig::read(&mut Source::new(pairs)).map(|config| config.event_days)
        };
        assert_eq!(days(&[]), Some(None));
        assert_eq!(days(&[("EVENT_RETENTION_DAYS", "90")]), Some(Some(90)));
        assert_eq!(days(&[("EVENT_RETENTION_DAYS", "0")]), None);
    }
}

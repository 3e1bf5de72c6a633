//! The macro that says how the variables of one concern become its settings type.
//!
//! All about a variable stands in one place: its doc comment is the meaning that `buoy config` prints, and the line
//! below it names the field, the variable, the default and the form of the value. The macro makes of that the table
//! of variables and the function that reads them. A default of `unset` goes with an `Option` field, `none` with a
//! list that may be empty; `secret` marks what is never printed and never blank.

use super::{Variable, source::Source};

/// A settings type that is read from variables.
pub(super) trait Concern: Sized {
    /// Its variables, in the order of its fields.
    const VARIABLES: &'static [Variable];

    /// Reads every field, so that every fault is noted; `None` if there was one.
    fn read(source: &mut Source) -> Option<Self>;
}

/// Implements [`Concern`] for a settings type, which a lower room declares:
///
/// ```text
/// concern! {
///     CacheSettings {
///         /// What the variable means, with its unit.
///         capacity = "CACHE_CAPACITY", "100000", form::whole(1..=100_000_000, "links");
///     }
/// }
/// ```
///
/// An example follows a default that shows too little: `unset like "90"`. Fields that no variable sets are taken from
/// `..base`.
macro_rules! concern {
    (
        $settings:ident {
            $(
                $(#[doc = $meaning:literal])+
                $field:ident = $name:literal, $default:tt $(like $example:literal)?, $form:expr $(, $secret:ident)?;
            )+
            $(..$base:expr)?
        }
    ) => {
        impl $crate::config::concern::Concern for $settings {
            const VARIABLES: &'static [$crate::config::Variable] = &[$(
                $crate::config::Variable {
                    name: $name,
                    default: concern!(@default $default),
                    example: concern!(@example $default $(, $example)?),
                    meaning: concat!($($meaning),+).trim_ascii(),
                    secret: concern!(@secret $($secret)?),
                    expected: || $form.expected().to_owned(),
                    shown: |text| $form.shown(text),
                },
            )+];

            fn read(source: &mut $crate::config::source::Source) -> Option<Self> {
                $(let $field = concern!(@read source, $name, $default, $form, concern!(@secret $($secret)?));)+
                Some(Self { $($field: $field?,)+ $(..$base)? })
            }
        }
    };
    (@default unset) => { None };
    (@default none) => { None };
    (@default $default:literal) => { Some($default) };
    (@example $default:tt, $example:literal) => { $example };
    (@example $default:literal) => { $default };
    (@secret) => { false };
    (@secret secret) => { true };
    (@read $source:ident, $name:literal, unset, $form:expr, $secret:expr) => {
        $source.optional($name, $secret, &$form)
    };
    (@read $source:ident, $name:literal, none, $form:expr, $secret:expr) => {
        $source.optional($name, $secret, &$form).map(Option::unwrap_or_default)
    };
    (@read $source:ident, $name:literal, $default:literal, $form:expr, $secret:expr) => {
        $source.with_default($name, $default, $secret, &$form)
    };
}

pub(super) use concern;

//! The macro that declares one concern of the configuration.
//!
//! Everything about a field stands in one place: its doc comment is the meaning that `buoy config` prints, and the line below it
//! names the variable, the default and the form of the value. From that the macro makes the struct, the table of its variables
//! and the function that reads it. A default of `unset` goes with an `Option` field; `secret` marks what is never printed.

/// Declares a struct whose fields are read from variables:
///
/// ```text
/// concern! {
///     /// What the struct is for.
///     pub HttpConfig {
///         /// What the field means, with its unit.
///         port: u16 = "PORT", "8080", form::whole(0..=65_535, "a TCP port");
///     }
/// }
/// ```
macro_rules! concern {
    (
        $(#[doc = $summary:literal])+
        $vis:vis $config:ident {
            $(
                $(#[doc = $meaning:literal])+
                $field:ident: $kind:ty = $name:literal, $default:tt, $form:expr $(, $secret:ident)?;
            )+
        }
    ) => {
        $(#[doc = $summary])+
        #[derive(Clone, Debug)]
        $vis struct $config {
            $(
                $(#[doc = $meaning])+
                #[doc = concat!("\n\nVariable `", $name, "`, default `", concern!(@text $default), "`.")]
                $vis $field: $kind,
            )+
        }

        impl $config {
            /// The variables of this concern, in the order of its fields.
            pub(super) const VARIABLES: &'static [$crate::config::Variable] = &[$(
                $crate::config::Variable {
                    name: $name,
                    default: concern!(@default $default),
                    meaning: concat!($($meaning),+).trim_ascii(),
                    secret: concern!(@secret $($secret)?),
                },
            )+];

            /// Reads every field, so that every fault is noted; `None` where there was one.
            pub(super) fn read(source: &mut $crate::config::source::Source) -> Option<Self> {
                $(let $field = concern!(@read source, $name, $default, $form, concern!(@secret $($secret)?));)+
                Some(Self { $($field: $field?,)+ })
            }
        }
    };
    (@text unset) => { "unset" };
    (@text $default:literal) => { $default };
    (@default unset) => { None };
    (@default $default:literal) => { Some($default) };
    (@secret) => { false };
    (@secret secret) => { true };
    (@read $source:ident, $name:literal, unset, $form:expr, $secret:expr) => {
        $source.optional($name, $secret, &$form)
    };
    (@read $source:ident, $name:literal, $default:literal, $form:expr, $secret:expr) => {
        $source.with_default($name, $default, $secret, &$form)
    };
}

pub(super) use concern;

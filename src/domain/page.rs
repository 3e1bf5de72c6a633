//! Pages of lists: by number, or by a cursor that makes a deep page cost what the first one costs.

use std::{fmt, str::FromStr};

use super::text::Invalid;

/// Rows of a page if the client names no number.
pub const DEFAULT_PER_PAGE: u32 = 20;
/// Rows of a page at most; more is clamped.
pub const MAX_PER_PAGE: u32 = 1_000;
/// The last page that can be asked for by number.
pub const MAX_PAGE: u64 = 1_000_000_000;

/// Rows that are counted at most, and that a page found by its number may pass over; a longer list counts as one row
/// more.
pub const MAX_COUNT: u32 = 100_000;

/// What is wrong with a page beyond that.
pub const TOO_DEEP: Invalid = Invalid("reaches no further than 100000 rows; follow the links to the next page instead");
/// What is wrong with a cursor that is none, or another list's.
pub const NO_CURSOR: Invalid = Invalid("is no cursor that this list has given out");

/// What the rows of a list are in the order of; rows with equal values are in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortKey {
    /// Their ids, the order in which they were stored.
    #[default]
    Id,
    /// When they were created.
    CreatedAt,
    /// How often they were followed.
    Clicks,
}

/// The order of a list. Written `created_at`, or `-created_at` for the largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sort {
    /// By what.
    pub key: SortKey,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl SortKey {
    const ALL: [Self; 3] = [Self::Id, Self::CreatedAt, Self::Clicks];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::CreatedAt => "created_at",
            Self::Clicks => "clicks",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }
}

impl Sort {
    /// Reads an order by one of `keys`.
    ///
    /// # Errors
    /// Names them all, worded to follow the parameter.
    pub fn among(keys: &[SortKey], text: &str) -> Result<Self, String> {
        let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let key = SortKey::named(name).filter(|key| keys.contains(key));
        key.map(|key| Self { key, descending }).ok_or_else(|| {
            let names: Vec<_> = keys.iter().map(|key| key.name()).collect();
            format!("must be {}, with - before it for the largest first", names.join(" or "))
        })
    }
}

/// Where a page begins: after the row with this id, and in other orders after this value. Written `after-123` or
/// `after-clicks-57-123`; clients treat it as opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The id of the row before the page.
    pub id: i64,
    /// What the list is in the order of.
    pub key: SortKey,
    /// That row's value: clicks, or microseconds since 1970; 0 in the order of ids.
    pub value: i64,
}

/// Which page a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageRequest {
    /// Every row, streamed.
    All,
    /// One page of `per_page` rows, which begins at `start`.
    One {
        /// Its start.
        start: PageStart,
        /// Rows at most.
        per_page: u32,
    },
}

/// The start of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageStart {
    /// After so many rows: the database walks over them.
    Offset(u64),
    /// After the row that a cursor names: the database seeks to it.
    After(Cursor),
}

/// One page of rows and the start of the next one.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows, in the order of the list.
    pub rows: Vec<T>,
    /// The cursor of the next page, if there is one.
    pub next: Option<Cursor>,
}

impl PageRequest {
    /// Reads the three query parameters as they arrived.
    ///
    /// # Errors
    /// Names the parameter that makes no sense. A `per_page` beyond [`MAX_PER_PAGE`] is clamped instead.
    pub fn parse(
        page: Option<&str>,
        per_page: Option<&str>,
        cursor: Option<&str>,
    ) -> Result<Self, (&'static str, Invalid)> {
        if page.is_none() && per_page.is_none() && cursor.is_none() {
            return Ok(Self::All);
        }
        let per_page = match per_page {
            None => DEFAULT_PER_PAGE,
            Some(text) => positive(text)
                .map(|n| u32::try_from(n).unwrap_or(MAX_PER_PAGE).min(MAX_PER_PAGE))
                .map_err(|e| ("per_page", e))?,
        };
        let start = match (cursor, page) {
            (Some(cursor), _) => PageStart::After(cursor.parse().map_err(|e| ("cursor", e))?),
            (None, page) => {
                let page = positive(page.unwrap_or("1")).map_err(|e| ("page", e))?.min(MAX_PAGE);
                PageStart::Offset((page - 1) * u64::from(per_page))
            }
        };
        Ok(Self::One { start, per_page })
    }
}

impl<T> Page<T> {
    /// Makes a page of rows that were read one beyond `per_page`: the extra row only tells that there is a next page.
    pub fn of(mut rows: Vec<T>, per_page: u32, cursor: impl Fn(&T) -> Cursor) -> Self {
        let limit = per_page as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(cursor) } else { None };
        Self { rows, next }
    }
}

/// Reads a number from 1 on.
pub(super) fn positive(text: &str) -> Result<u64, Invalid> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse::<u64>().ok().filter(|n| *n > 0);
    if digits {
        number.ok_or(Invalid("must be an integer from 1 on"))
    } else {
        Err(Invalid("must be an integer from 1 on"))
    }
}

impl Cursor {
    /// After the row with this id.
    pub fn after(id: i64) -> Self {
        Self { id, key: SortKey::Id, value: 0 }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key {
            SortKey::Id => write!(f, "after-{}", self.id),
            key => write!(f, "after-{}-{}-{}", key.name(), self.value, self.id),
        }
    }
}

impl FromStr for Cursor {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let number =
            |text: &str| -> Option<i64> { text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit())) };
        let parts: Vec<&str> = text.split('-').take(5).collect();
        let cursor = match parts[..] {
            ["after", id] => number(id).map(Self::after),
            ["after", key, value, id] => {
                let key = SortKey::named(key).filter(|key| *key != SortKey::Id);
                key.zip(number(value).zip(number(id))).map(|(key, (value, id))| Self { id, key, value })
            }
            _ => None,
        };
        cursor.ok_or(NO_CURSOR)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_parameter_means_every_row() {
        assert_eq!(PageRequest::parse(None, None, None), Ok(PageRequest::All));
    }

    #[test]
    fn nonsense_names_its_parameter() {
        for text in ["0", "-1", "abc", "", "1.5", "99999999999999999999999", "+1"] {
            assert_eq!(PageRequest::parse(Some(text), None, None).unwrap_err().0, "page", "{text}");
            assert_eq!(PageRequest::parse(None, Some(text), None).unwrap_err().0, "per_page", "{text}");
        }
    }

    #[test]
    fn large_pages_are_clamped() {
        let page = PageRequest::parse(Some("18446744073709551615"), Some("18446744073709551615"), None).unwrap();
        let start = PageStart::Offset((MAX_PAGE - 1) * u64::from(MAX_PER_PAGE));
        assert_eq!(page, PageRequest::One { start, per_page: MAX_PER_PAGE });
    }

    #[test]
    fn orders_are_read_exactly() {
        let keys = [SortKey::Id, SortKey::CreatedAt];
        let newest = Sort { key: SortKey::CreatedAt, descending: true };
        assert_eq!((Sort::among(&keys, "-created_at"), Sort::among(&keys, "id")), (Ok(newest), Ok(Sort::default())));
        for text in ["", "-", "--id", "clicks", "Id", "id,created_at"] {
            let fault = "must be id or created_at, with - before it for the largest first";
            assert_eq!(Sort::among(&keys, text), Err(fault.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn cursors_survive_the_round_trip(id in 0_i64..=i64::MAX, value in 0_i64..=i64::MAX, nth in 1_usize..3) {
            prop_assert_eq!(Cursor::after(id).to_string().parse::<Cursor>(), Ok(Cursor::after(id)));
            let cursor = Cursor { id, key: SortKey::ALL[nth], value };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
        }

        #[test]
        fn any_text_is_a_cursor_or_refused(text in "\\PC{0,40}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert!(cursor.id >= 0 && cursor.value >= 0);
            }
        }
    }
}

//! What clicks add, column by column, as statements over many rows take it.

use super::deltas::{Tally, ValueKey};
use crate::{
    db::batch_rows::Column,
    domain::{Subject, UrlId, UserId},
};

/// Subject, day or slot, people, bots.
pub(crate) fn tally_columns(rows: &[((Subject, i64), Tally)]) -> Vec<Column<'static>> {
    vec![
        Column::Numbers(rows.iter().map(|((subject, _), _)| subject.0).collect()),
        Column::Numbers(rows.iter().map(|((_, place), _)| *place).collect()),
        Column::Numbers(rows.iter().map(|(_, tally)| tally.people).collect()),
        Column::Numbers(rows.iter().map(|(_, tally)| tally.bots).collect()),
    ]
}

/// Link, owner, clicks, bots among them.
pub(crate) fn total_columns(rows: &[((UrlId, Option<UserId>), Tally)]) -> Vec<Column<'static>> {
    vec![
        Column::Numbers(rows.iter().map(|((url, _), _)| url.0).collect()),
        Column::Optional(rows.iter().map(|((_, owner), _)| owner.map(|owner| owner.0)).collect()),
        Column::Numbers(rows.iter().map(|(_, tally)| tally.people + tally.bots).collect()),
        Column::Numbers(rows.iter().map(|(_, tally)| tally.bots).collect()),
    ]
}

/// Subject, day, dimension, value, clicks.
pub(crate) fn value_columns<'a>(rows: &[(ValueKey<'a>, i64)]) -> Vec<Column<'a>> {
    keys_and(rows, rows.iter().map(|(_, clicks)| *clicks).collect())
}

/// Subject, day, dimension, value, place among the rows.
pub(super) fn place_columns<'a>(rows: &[(ValueKey<'a>, i64)]) -> Vec<Column<'a>> {
    keys_and(rows, (0..rows.len()).filter_map(|place| i64::try_from(place).ok()).collect())
}

fn keys_and<'a>(rows: &[(ValueKey<'a>, i64)], last: Vec<i64>) -> Vec<Column<'a>> {
    vec![
        Column::Numbers(rows.iter().map(|(key, _)| key.subject.0).collect()),
        Column::Numbers(rows.iter().map(|(key, _)| key.day).collect()),
        Column::Numbers(rows.iter().map(|(key, _)| i64::from(key.dimension as i16)).collect()),
        Column::Texts(rows.iter().map(|(key, _)| key.value).collect()),
        Column::Numbers(last),
    ]
}

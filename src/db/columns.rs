//! The columns of each table that is read as a whole row, named once, in the order of the row's type.

macro_rules! user_columns {
    () => {
        "id, username, email, created_at"
    };
}

macro_rules! url_columns {
    () => {
        "id, user_id, short_code, original_url, title, is_active, created_at, updated_at, disabled_reason"
    };
}

macro_rules! event_columns {
    () => {
        "id, url_id, user_id, event_type, timestamp, details"
    };
}

pub(crate) use {event_columns, url_columns, user_columns};

CREATE TEMP TABLE import_users (
    nth BIGINT NOT NULL,
    id BIGINT,
    username TEXT COLLATE "C",
    email TEXT COLLATE "C",
    created_at TIMESTAMPTZ
);
CREATE TEMP TABLE import_claims (
    row_id BIGINT PRIMARY KEY,
    username TEXT COLLATE "C" NOT NULL,
    user_id BIGINT NOT NULL
);
CREATE TEMP TABLE import_codes (
    nth BIGINT NOT NULL,
    short_code TEXT COLLATE "C" NOT NULL,
    retired_at TIMESTAMPTZ NOT NULL
);
CREATE TEMP TABLE import_urls (
    nth BIGINT NOT NULL,
    id BIGINT,
    user_id BIGINT NOT NULL,
    short_code TEXT COLLATE "C" NOT NULL,
    original_url TEXT NOT NULL,
    title TEXT,
    is_active BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    disabled_reason TEXT,
    is_chosen BOOLEAN NOT NULL,
    is_reserved BOOLEAN NOT NULL
);
CREATE TEMP TABLE import_events (
    nth BIGINT NOT NULL,
    id BIGINT,
    url_id BIGINT NOT NULL,
    user_id BIGINT,
    event_type TEXT COLLATE "C" NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL,
    details TEXT NOT NULL
);
CREATE TEMP TABLE import_slots (
    subject BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    people BIGINT NOT NULL,
    bots BIGINT NOT NULL
);
CREATE TEMP TABLE import_totals (
    url_id BIGINT NOT NULL,
    user_id BIGINT,
    clicks BIGINT NOT NULL,
    bots BIGINT NOT NULL
);
CREATE TEMP TABLE import_values (
    subject BIGINT NOT NULL,
    day BIGINT NOT NULL,
    dimension BIGINT NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    clicks BIGINT NOT NULL
)

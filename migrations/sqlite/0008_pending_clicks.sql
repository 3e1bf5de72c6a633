-- What large batches of clicks add to the rollups: unused here, where a batch adds it at once. It keeps the schemas alike.
CREATE TABLE click_pending (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stored_at TEXT NOT NULL,
    size INTEGER NOT NULL,
    sums TEXT NOT NULL
);

-- Clicks by their ids alone, which come in order, instead of by their type and id: new ones always go to the index's end.
DROP INDEX events_by_type;
CREATE INDEX clicks_by_id ON events (id) WHERE event_type = 'click';
CREATE INDEX events_by_type ON events (event_type, id) WHERE event_type <> 'click';

-- Which days have rollups: of all subjects, for the comparison with events. Costs the writer only where a day is new.
CREATE INDEX click_days_by_day ON click_days (day, subject);

-- Each filter of the list of events alone, and two together, walk over one range of one index. None of these holds a click
-- that an anonymous visitor leaves, so they cost the writer nothing. docs/capacity.md has the measurements.
CREATE INDEX events_by_url_and_type ON events (url_id, event_type, id) WHERE event_type <> 'click';
CREATE INDEX events_by_user_and_type ON events (user_id, event_type, id) WHERE user_id IS NOT NULL;
CREATE INDEX events_by_user_and_url ON events (user_id, url_id, id) WHERE user_id IS NOT NULL;

-- The clicks of a day, for pruning and for the comparison with rollups. The type comes first, though it is always the same:
-- SQLite would take the index by type alone otherwise.
CREATE INDEX clicks_by_time ON events (event_type, timestamp) WHERE event_type = 'click';

-- A link has its row of totals from the beginning, whoever makes it: the same as on PostgreSQL.
CREATE TRIGGER urls_begin_click_totals AFTER INSERT ON urls
BEGIN
    INSERT INTO click_totals (url_id, user_id, clicks, bots) VALUES (new.id, new.user_id, 0, 0)
    ON CONFLICT (url_id) DO NOTHING;
END;
INSERT INTO click_totals (url_id, user_id, clicks, bots) SELECT id, user_id, 0, 0 FROM urls WHERE TRUE
ON CONFLICT (url_id) DO NOTHING;

-- Clicks with ids up to `roll_up_until` were stored before there were rollups; those up to `rolled_up_until` are in.
INSERT INTO click_state (name, value) SELECT 'roll_up_until', coalesce(max(id), 0) FROM events;
INSERT INTO click_state (name, value) VALUES ('rolled_up_until', 0);

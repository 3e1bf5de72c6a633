-- The clicks of a day, for pruning and for the comparison with rollups, by their days instead of their moments: within a batch, which
-- is stored link by link, moments come in no order, while days and ids do, so that new entries always go to the index's end. The zone
-- is given as an interval, which needs no look-up by name. docs/capacity.md has the measurements.
CREATE INDEX clicks_by_day ON events (((timestamp AT TIME ZONE INTERVAL '0')::date), id) WHERE event_type = 'click';
DROP INDEX clicks_by_time;

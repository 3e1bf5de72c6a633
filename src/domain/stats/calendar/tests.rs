//! Calendars of zones that are off the hour, change their clocks, or left out a day.

use proptest::prelude::*;

use super::*;

const NOW: &str = "2026-06-15T10:07:00Z";

fn calendar(from: &str, to: &str, unit: Unit, zone: &str) -> Calendar {
    try_calendar(from, to, unit, zone).unwrap()
}

fn try_calendar(from: &str, to: &str, unit: Unit, zone: &str) -> Result<Calendar, (&'static str, Invalid)> {
    let edge = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
    Calendar::of((edge(from), edge(to)), unit, zone.parse().unwrap(), NOW.parse().unwrap())
}

fn starts(calendar: &Calendar) -> Vec<String> {
    calendar.starts().map(|start| start.format("%m-%dT%H:%M").to_string()).collect()
}

#[test]
fn without_a_range_it_is_thirty_days_with_today() {
    let utc = calendar("", "", Unit::Day, "UTC");
    assert_eq!((utc.from().to_rfc3339(), utc.starts().len()), ("2026-05-17T00:00:00+00:00".to_owned(), 30));
    assert_eq!(utc.to().to_rfc3339(), "2026-06-16T00:00:00+00:00");
    assert!(utc.is_of_whole_days());
    // In Kiritimati it is tomorrow already.
    let ahead = calendar("", "", Unit::Day, "Pacific/Kiritimati");
    assert_eq!(ahead.to().to_rfc3339(), "2026-06-16T10:00:00+00:00");
    assert_eq!((ahead.starts().len(), ahead.is_of_whole_days()), (30, false));
    assert_eq!(calendar("", "2026-03-01", Unit::Day, "UTC").from().to_rfc3339(), "2026-01-31T00:00:00+00:00");
    assert_eq!(calendar("2026-06-01", "", Unit::Day, "UTC").starts().len(), 15);
}

#[test]
fn zones_off_the_hour_have_days_and_hours_of_their_own() {
    let nepal = calendar("2026-03-01", "2026-03-02", Unit::Day, "Asia/Kathmandu");
    assert_eq!(starts(&nepal), ["02-28T18:15", "03-01T18:15"]);
    assert_eq!(nepal.runs().len(), 1);
    let india = calendar("2026-03-01T00:00:00Z", "2026-03-01T02:00:00Z", Unit::Hour, "Asia/Kolkata");
    assert_eq!(starts(&india), ["02-28T23:30", "03-01T00:30", "03-01T01:30"]);
    let runs = india.runs();
    assert_eq!((runs.len(), runs[0].from - runs[0].base, runs[0].to - runs[0].from), (1, 2, 8));
}

#[test]
fn days_are_as_long_as_the_clocks_say() {
    let spring = calendar("2026-03-28", "2026-03-30", Unit::Day, "Europe/Berlin");
    assert_eq!(starts(&spring), ["03-27T23:00", "03-28T23:00", "03-29T22:00"]);
    assert_eq!(spring.runs().iter().map(|run| run.width).collect::<Vec<_>>(), [96, 92, 96]);
    let autumn = calendar("2026-10-25", "2026-10-25", Unit::Hour, "Europe/Berlin");
    assert_eq!(autumn.starts().len(), 25);
    // Half an hour, and clocks that change at midnight.
    let lord_howe = calendar("2026-04-05", "2026-04-05", Unit::Hour, "Australia/Lord_Howe");
    assert_eq!(lord_howe.runs().iter().map(|run| run.width).collect::<Vec<_>>(), [4, 6, 4]);
    let cairo = calendar("2026-04-23", "2026-04-24", Unit::Day, "Africa/Cairo");
    assert_eq!(cairo.runs().iter().map(|run| run.width).collect::<Vec<_>>(), [96, 92]);
    // Samoa had no 30 December in 2011.
    let samoa = calendar("2011-12-29", "2011-12-31", Unit::Day, "Pacific/Apia");
    assert_eq!(starts(&samoa), ["12-29T10:00", "12-30T10:00"]);
}

#[test]
fn weeks_begin_on_monday_and_months_on_the_first() {
    let weeks = calendar("2026-03-25", "2026-04-08", Unit::Week, "Europe/Berlin");
    assert_eq!(starts(&weeks), ["03-22T23:00", "03-29T22:00", "04-05T22:00"]);
    assert_eq!(weeks.from().to_rfc3339(), "2026-03-24T23:00:00+00:00");
    let months = calendar("2026-01-15", "2026-03-01", Unit::Month, "UTC");
    assert_eq!(starts(&months), ["01-01T00:00", "02-01T00:00", "03-01T00:00"]);
    assert_eq!(months.bucket(slot_of("2026-02-28T23:59:59Z".parse().unwrap())), 1);
    assert_eq!(months.days(), (20_468, 20_514));
}

#[test]
fn a_range_is_rounded_out_to_slots() {
    let calendar = calendar("2026-03-01T10:07:30Z", "2026-03-01T10:15:00.000001Z", Unit::Hour, "UTC");
    assert_eq!(calendar.from().to_rfc3339(), "2026-03-01T10:00:00+00:00");
    assert_eq!(calendar.to().to_rfc3339(), "2026-03-01T10:30:00+00:00");
}

#[test]
fn days_by_the_sun_end_within_a_slot() {
    // Until 1893 Berlin's clocks were ahead by 53 minutes and 28 seconds.
    let calendar = calendar("1890-05-01", "1890-05-03", Unit::Day, "Europe/Berlin");
    let counted: i64 = calendar.runs().iter().map(|run| run.to - run.from).sum();
    assert_eq!(counted * SLOT_SECONDS, (calendar.to() - calendar.from()).num_seconds());
    assert_eq!(counted, 3 * SLOTS_PER_DAY + 1);
}

#[test]
fn nonsense_names_its_parameter() {
    let fault = |from, to, unit| try_calendar(from, to, unit, "UTC").unwrap_err().0;
    assert_eq!(fault("2026-03-02", "2026-03-01", Unit::Day), "to");
    assert_eq!(fault("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", Unit::Day), "to");
    assert_eq!(fault("2027-01-01", "", Unit::Day), "from");
    assert_eq!(fault("2020-01-01", "2026-01-01", Unit::Day), "unit");
    assert_eq!(fault("0002-01-01", "9998-12-31", Unit::Month), "unit");
    assert_eq!(calendar("2023-01-01", "2025-09-26", Unit::Day, "UTC").starts().len(), 1_000);
    assert_eq!(fault("2023-01-01", "2025-09-27", Unit::Day), "unit");
}

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Apia",
    "Africa/Cairo",
    "Atlantic/Azores",
];

proptest! {
    /// Every slot of a range is in one run, in a cell of it, and in the bucket that began last.
    #[test]
    fn runs_cover_the_range_once(
        zone in 0..ZONES.len(),
        unit in 0..4_usize,
        from in 1_300_000_i64..2_000_000,
        slots in 1..3_000_i64,
    ) {
        let unit = [Unit::Hour, Unit::Day, Unit::Week, Unit::Month][unit];
        let calendar = Calendar::between(from, from + slots, unit, ZONES[zone].parse().unwrap()).unwrap();
        let runs = calendar.runs();
        prop_assert_eq!((runs[0].from, runs[runs.len() - 1].to), (from, from + slots));
        prop_assert!(runs.windows(2).all(|pair| pair[0].to == pair[1].from));
        prop_assert!(calendar.starts.is_sorted_by(|one, next| one < next) && calendar.starts[0] <= from);
        for run in runs {
            for slot in run.from..run.to {
                let cell = run.base + (slot - run.base) / run.width * run.width;
                prop_assert!(calendar.cells.contains(&cell));
                prop_assert_eq!(calendar.bucket(cell), calendar.bucket(slot));
            }
        }
    }
}

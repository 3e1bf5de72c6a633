//! A fleet on a virtual clock: whatever clients and replicas do, no more is admitted than was promised.

use std::collections::HashMap;

use super::*;

const BUDGET: Budget = Budget { per_minute: 60, burst: 30 };
const SMALL: Budget = Budget { per_minute: 10, burst: 10 };
const CLIENT: Subject = Subject::Key(1);
/// How often a second a client asks, and the clock moves.
const STEPS: u32 = 20;

/// The pots in the database, by the same rules as the statement of `store::limits`.
#[derive(Default)]
struct Central {
    /// When each pot is full, in seconds.
    full_at: HashMap<(Policy, Subject), f64>,
    away: bool,
}

impl Central {
    fn exchange(&mut self, asks: &[Ask], now: f64) -> Vec<Grant> {
        let grants = asks.iter().map(|ask| {
            let full_at = self.full_at.entry((ask.policy, ask.subject)).or_insert(now);
            let before = ask.capacity - ask.rate * (*full_at - now).max(0.0);
            let after = before.min(0.0).max(before - ask.charge).min(ask.capacity);
            let tokens = ask.wanted.min(after).max(0.0);
            *full_at = full_at.max(now) + (before - after + tokens) / ask.rate;
            Grant { policy: ask.policy, subject: ask.subject, tokens, charge: ask.charge }
        });
        grants.collect()
    }
}

struct Fleet {
    budget: Budget,
    begun: Instant,
    step: u32,
    central: Central,
    /// Each with the step of the second at which it exchanges.
    replicas: Vec<(Limits, u32)>,
    came: u32,
    /// The steps at which a request was admitted.
    admitted: Vec<u32>,
}

impl Fleet {
    fn of(replicas: usize) -> Self {
        Self::with(BUDGET, replicas)
    }

    fn with(budget: Budget, replicas: usize) -> Self {
        let mut fleet = Self {
            budget,
            begun: Instant::now(),
            step: 0,
            central: Central::default(),
            replicas: Vec::new(),
            came: 0,
            admitted: Vec::new(),
        };
        (0..replicas).for_each(|_| fleet.join());
        // Nobody is new any more.
        fleet.run(65, |_, _| None);
        fleet
    }

    fn join(&mut self) {
        let settings = LimitSettings { mode: LimitMode::On, budgets: [self.budget; 4], shared: true };
        self.came += 1;
        self.replicas.push((Limits::new(settings), self.came * 7 % STEPS));
    }

    fn now(&self) -> Instant {
        self.begun + Duration::from_secs(1) * self.step / STEPS
    }

    /// Lets `seconds` pass; at each step `ask` says which replica the client asks.
    fn run(&mut self, seconds: u32, mut ask: impl FnMut(u32, usize) -> Option<usize>) {
        for _ in 0..seconds * STEPS {
            self.step += 1;
            let now = self.now();
            if let Some(replica) = ask(self.step, self.replicas.len())
                && self.replicas[replica].0.take(Policy::Creations, CLIENT, now).is_ok()
            {
                self.admitted.push(self.step);
            }
            let live = u32::try_from(self.replicas.len()).unwrap();
            for (limits, phase) in &self.replicas {
                if self.step % STEPS == *phase && !self.central.away {
                    let asks = limits.asks(now);
                    let grants = self.central.exchange(&asks, f64::from(self.step) / f64::from(STEPS));
                    limits.settle(live, &grants, now);
                }
                if self.step % STEPS == *phase {
                    limits.sweep(now);
                }
            }
        }
    }

    /// The most that was admitted in any 60 s.
    fn most(&self) -> usize {
        let within = |(first, from): (usize, &u32)| {
            self.admitted[first..].iter().take_while(|at| **at < from + 60 * STEPS).count()
        };
        self.admitted.iter().enumerate().map(within).max().unwrap_or(0)
    }

    fn assert_bounded(&self, what: &str) {
        let limit = 1.1 * f64::from(self.budget.per_minute) + f64::from(self.budget.burst);
        assert!(self.most() as f64 <= limit, "{what}: {} in a minute, {limit} at most", self.most());
    }

    /// How many were admitted in the last so many seconds.
    fn lately(&self, seconds: u32) -> usize {
        self.admitted.iter().filter(|at| **at > self.step - seconds * STEPS).count()
    }
}

#[test]
fn one_process_is_a_plain_token_bucket() {
    let limits = Limits::new(LimitSettings { mode: LimitMode::On, budgets: [BUDGET; 4], shared: false });
    let begun = Instant::now();
    let admitted = |seconds: u64| {
        let now = begun + Duration::from_secs(seconds);
        (0..200).filter(|_| limits.take(Policy::Creations, CLIENT, now).is_ok()).count()
    };
    assert_eq!((admitted(0), admitted(1), admitted(11), admitted(600)), (30, 1, 10, 30));
    assert!(limits.asks(begun).is_empty());
    let refused = limits.check(Policy::Creations, CLIENT, begun + Duration::from_secs(600)).unwrap_err();
    assert_eq!((refused.left, refused.next), (0, Duration::from_secs(1)));
    assert!(limits.check(Policy::Bulk, CLIENT, begun).is_ok() && limits.limited(Policy::Creations) > 0);
}

#[test]
fn a_client_that_stays_with_one_replica_gets_the_whole_budget_and_no_more() {
    for replicas in [1, 2, 3, 6] {
        let mut fleet = Fleet::of(replicas);
        fleet.run(300, |_, _| Some(0));
        fleet.assert_bounded("sticky");
        assert!(fleet.lately(60) >= 54, "{replicas} replicas: {} of 60", fleet.lately(60));
    }
}

#[test]
fn a_client_that_goes_from_replica_to_replica_gets_no_more() {
    for replicas in [2, 3, 6] {
        let mut fleet = Fleet::of(replicas);
        fleet.run(180, |step, live| Some(step as usize % live));
        fleet.assert_bounded("in turn");
        assert!(fleet.lately(60) >= 48, "{replicas} replicas in turn: {} of 60", fleet.lately(60));
        // Rests until every pot is full, then takes one after the other, again and again.
        for stay in [1, 3, 20, 60] {
            fleet.run(90, |_, _| None);
            fleet.run(180, |step, live| Some((step / (stay * STEPS)) as usize % live));
            fleet.assert_bounded("one after the other");
        }
    }
}

#[test]
fn a_budget_that_is_large_beside_its_burst_is_used_in_full() {
    let mut fleet = Fleet::with(Budget { per_minute: 600, burst: 30 }, 3);
    fleet.run(180, |_, _| Some(0));
    fleet.assert_bounded("sticky");
    assert!(fleet.lately(60) >= 540, "{} of 600", fleet.lately(60));
    fleet.run(90, |_, _| None);
    fleet.run(180, |step, live| Some(step as usize % live));
    fleet.assert_bounded("in turn");
}

#[test]
fn small_budgets_hold_as_well() {
    for replicas in [1, 2, 3, 6] {
        let mut fleet = Fleet::with(SMALL, replicas);
        fleet.run(300, |_, _| Some(0));
        fleet.assert_bounded("sticky");
        assert!(fleet.lately(60) >= 9, "{replicas} replicas: {} of 10", fleet.lately(60));
        fleet.run(90, |_, _| None);
        fleet.run(180, |step, live| Some(step as usize % live));
        fleet.assert_bounded("in turn");
        assert!(fleet.lately(60) >= 8, "{replicas} replicas in turn: {} of 10", fleet.lately(60));
    }
}

#[test]
fn bursts_after_pauses_are_bounded_as_well() {
    let mut fleet = Fleet::of(3);
    for pause in [1, 2, 5, 10, 30, 45] {
        for round in 0..8 {
            fleet.run(3, |step, live| Some((step + round) as usize % live));
            fleet.run(pause, |_, _| None);
        }
        fleet.assert_bounded("bursts");
    }
}

#[test]
fn replicas_that_come_and_go_add_no_more_than_the_tenth() {
    let mut fleet = Fleet::of(3);
    let in_turn = |step: u32, live: usize| Some(step as usize % live);
    fleet.run(30, in_turn);
    // A deployment: as many again come, then the old ones go.
    (0..3).for_each(|_| fleet.join());
    fleet.run(20, in_turn);
    fleet.assert_bounded("joined");
    fleet.replicas.drain(..3);
    fleet.run(120, in_turn);
    fleet.assert_bounded("left");
    // One is replaced every minute.
    for _ in 0..4 {
        fleet.replicas.remove(0);
        fleet.run(5, in_turn);
        fleet.join();
        fleet.run(55, in_turn);
    }
    fleet.assert_bounded("replaced");
    assert!(fleet.lately(60) >= 48, "{} of 60", fleet.lately(60));
}

#[test]
fn with_the_database_away_each_keeps_its_share() {
    let mut fleet = Fleet::of(3);
    fleet.run(60, |_, _| Some(0));
    fleet.central.away = true;
    fleet.run(60, |_, _| Some(0));
    fleet.assert_bounded("sticky, away");
    let share = fleet.lately(55);
    assert!((15..=30).contains(&share), "{share}: a third of 55, and what lay there");
    fleet.run(120, |step, live| Some(step as usize % live));
    fleet.assert_bounded("in turn, away");
    assert!(fleet.lately(60) >= 54, "all shares together: {}", fleet.lately(60));
    fleet.central.away = false;
    fleet.run(120, |step, live| Some(step as usize % live));
    fleet.assert_bounded("back");
    assert!(fleet.lately(60) >= 48, "back: {}", fleet.lately(60));
    // It comes and goes.
    for seconds in [2, 4, 7, 15, 2, 4, 7, 15, 30] {
        fleet.central.away = !fleet.central.away;
        fleet.run(seconds, |step, live| Some(step as usize % live));
    }
    fleet.assert_bounded("flapping");
}

#[test]
fn a_fleet_that_never_met_its_database_is_careful() {
    let mut fleet = Fleet { central: Central { away: true, ..Central::default() }, ..Fleet::of(0) };
    (0..6).for_each(|_| fleet.join());
    fleet.run(180, |step, live| Some(step as usize % live));
    fleet.assert_bounded("never met");
    assert!(fleet.lately(60) > 0);
}

#[test]
fn no_flood_of_subjects_resets_a_pot_or_takes_more_memory() {
    let limits = Limits::new(LimitSettings { mode: LimitMode::On, budgets: [BUDGET; 4], shared: false });
    let now = Instant::now();
    while limits.take(Policy::UnknownCodes, CLIENT, now).is_ok() {}
    let mut admitted = 0;
    for id in 0..50_000 {
        admitted += usize::from(limits.take(Policy::UnknownCodes, Subject::Key(id + 2), now).is_ok());
    }
    assert_eq!(limits.table(Policy::UnknownCodes).len(), table::MOST_SUBJECTS + 1);
    assert_eq!(admitted, table::MOST_SUBJECTS - 1 + 30, "all that came too late share one pot");
    assert!(limits.take(Policy::UnknownCodes, CLIENT, now).is_err());
    // Pots that are full again make room.
    let later = now + Duration::from_secs(31);
    assert!(limits.take(Policy::UnknownCodes, Subject::Key(-1), later).is_ok());
    assert_eq!(limits.table(Policy::UnknownCodes).len(), 1);
}

#[test]
fn an_exchange_is_bounded_and_who_waited_longest_is_first() {
    let mut fleet = Fleet::of(1);
    let (now, limits) = (fleet.now(), &fleet.replicas[0].0);
    for id in 0..600 {
        while limits.take(Policy::Creations, Subject::Key(id), now).is_ok() {}
    }
    let mut seen = std::collections::HashSet::new();
    for second in 1..=3 {
        let now = now + Duration::from_secs(second);
        let asks = limits.asks(now);
        assert_eq!(asks.len(), ASKED_AT_ONCE);
        seen.extend(asks.iter().map(|ask| ask.subject));
        let grants = fleet.central.exchange(&asks, 1_000.0 + second as f64);
        limits.settle(1, &grants, now);
    }
    assert_eq!(seen.len(), 600);
}

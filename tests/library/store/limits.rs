//! Pots of tokens that replicas share: what is granted, what is not, and what is left in the table.

use std::time::Duration;

use buoy::{db::Store, store::LimitAsk};
use futures_util::future::join_all;

use crate::{
    common::{database::Kind, on_both_databases},
    store::Fixture,
};

on_both_databases!(the_embedded_database_shares_nothing_and_postgres_a_salt);

/// So slow that nothing comes back while a test runs.
const SLOW: f64 = 0.001;

fn ask(subject: &str, wanted: f64, charge: f64) -> LimitAsk {
    LimitAsk { policy: 0, subject: subject.to_owned(), wanted, charge, capacity: 10.0, rate: SLOW }
}

/// What one pot grants, to a tenth of a token.
async fn granted(store: &Store, subject: &str, wanted: f64, charge: f64) -> f64 {
    let grants = store.exchange_limits(&[ask(subject, wanted, charge)]).await.unwrap();
    assert_eq!(grants.len(), 1, "{grants:?}");
    (grants[0].tokens * 10.0).round() / 10.0
}

async fn the_embedded_database_shares_nothing_and_postgres_a_salt(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let fleet = fixture.store.limits_fleet("aa").await.unwrap();
    if kind == Kind::Sqlite {
        assert_eq!(fleet, None);
        assert_eq!(fixture.store.exchange_limits(&[ask("a", 1.0, 0.0)]).await.unwrap(), []);
        assert_eq!(fixture.store.prune_limits().await.unwrap(), 0);
    } else {
        assert_eq!(fleet, Some((0, "aa".to_owned())));
        assert_eq!(fixture.store.limits_fleet("bb").await.unwrap(), Some((0, "aa".to_owned())), "the first one stays");
    }
}

#[tokio::test]
async fn a_pot_grants_what_it_holds() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let store = &fixture.store;
    assert_eq!(granted(store, "a", 4.0, 0.0).await, 4.0);
    assert_eq!(granted(store, "a", 20.0, 0.0).await, 6.0);
    assert_eq!(granted(store, "a", 1.0, 0.0).await, 0.0);
    assert_eq!(granted(store, "b", 1.0, 0.0).await, 1.0, "another subject's is another pot");
    // What is given back can be had again; no more than fits in.
    assert_eq!(granted(store, "a", 0.0, -3.0).await, 0.0);
    assert_eq!(granted(store, "a", 9.0, 0.0).await, 3.0);
    assert_eq!(granted(store, "a", 0.0, -50.0).await, 0.0);
    assert_eq!(granted(store, "a", 50.0, 0.0).await, 10.0);
    // What was made elsewhere is charged, as far as there is something.
    assert_eq!(granted(store, "c", 9.0, 4.0).await, 6.0);
    assert_eq!(granted(store, "c", 0.0, 40.0).await, 0.0);
    assert_eq!(granted(store, "c", 9.0, -2.0).await, 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_ask_at_once_no_more_is_granted() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let store = &fixture.store;
    let names: Vec<String> = (0..20).map(|index| format!("s{index:02}")).collect();
    // The first of all makes the rows: two at once might each find a full pot, and both are counted.
    let all = |wanted: f64, reversed: bool| {
        let mut asks: Vec<LimitAsk> = names.iter().map(|name| ask(name, wanted, 0.0)).collect();
        if reversed {
            asks.reverse();
        }
        async move { store.exchange_limits(&asks).await.unwrap().iter().map(|grant| grant.tokens).sum::<f64>() }
    };
    let first = all(1.0, false).await;
    let rest = join_all((0..16).map(|index| all(3.0, index % 2 == 1))).await;
    let total = first + rest.iter().sum::<f64>();
    assert!((199.0..201.0).contains(&total), "{total} of 200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_first_at_once_leaves_its_mark() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let store = &fixture.store;
    join_all((0..8).map(|_| granted(store, "a", 5.0, 0.0))).await;
    assert_eq!(granted(store, "a", 1.0, 0.0).await, 0.0, "at least ten of ten are gone");
}

#[tokio::test]
async fn pots_that_are_full_again_have_no_row() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let store = &fixture.store;
    let quick = LimitAsk { rate: 1_000.0, ..ask("quick", 10.0, 0.0) };
    store.exchange_limits(&[quick, ask("slow", 10.0, 0.0)]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((store.prune_limits().await.unwrap(), store.prune_limits().await.unwrap()), (1, 0));
    assert_eq!(granted(store, "slow", 1.0, 0.0).await, 0.0);
}

//! Token buckets of users: what is taken, what is left, and what is refused, however many ask.

use std::time::Duration;

use buoy::{
    db::Store,
    domain::{Policy, UserId, clock::Timestamp},
    store::{Bucket, Taken},
};
use futures_util::future::join_all;

use crate::{
    common::{database::Kind, on_both_databases},
    store::{Fixture, at},
};

on_both_databases!(
    a_bucket_holds_its_burst_and_refills,
    a_token_of_an_undone_transaction_is_back,
    each_user_has_a_bucket_for_each_policy,
    a_bucket_of_the_future_begins_anew,
    buckets_that_are_full_have_no_row,
    however_many_ask_no_more_is_taken,
);

/// Three tokens; one comes every two seconds.
const BUCKET: Bucket =
    Bucket { policy: Policy::Creations, user: UserId(1), interval: Duration::from_secs(2), burst: 3 };

async fn take(store: &Store, bucket: Bucket, now: Timestamp) -> Taken {
    let mut tx = store.begin().await.unwrap();
    let taken = tx.take_token(bucket, now).await.unwrap();
    tx.commit().await.unwrap();
    taken
}

async fn a_bucket_holds_its_burst_and_refills(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let mut taken = Vec::new();
    // Half a token comes in the first second, one and a half by the third; after ten the bucket is full again.
    for seconds in [0, 0, 0, 0, 1, 2, 2, 3, 4, 14, 14, 14, 14] {
        taken.push(take(&fixture.store, BUCKET, at(seconds)).await);
    }
    let after = |seconds| Taken::After(Duration::from_secs(seconds));
    let expected = [
        Taken::Left(2),
        Taken::Left(1),
        Taken::Left(0),
        after(2),
        after(1),
        Taken::Left(0),
        after(2),
        after(1),
        Taken::Left(0),
        Taken::Left(2),
        Taken::Left(1),
        Taken::Left(0),
        after(2),
    ];
    assert_eq!(taken, expected);
}

async fn a_token_of_an_undone_transaction_is_back(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for _ in 0..5 {
        let mut tx = fixture.store.begin().await.unwrap();
        assert_eq!(tx.take_token(BUCKET, at(0)).await.unwrap(), Taken::Left(2));
        tx.rollback().await.unwrap();
    }
}

async fn each_user_has_a_bucket_for_each_policy(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let others = [BUCKET, Bucket { user: UserId(2), ..BUCKET }, Bucket { policy: Policy::Bulk, ..BUCKET }];
    for bucket in others {
        assert_eq!(take(&fixture.store, bucket, at(0)).await, Taken::Left(2), "{bucket:?}");
    }
}

async fn a_bucket_of_the_future_begins_anew(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for _ in 0..3 {
        take(&fixture.store, BUCKET, at(3_600)).await;
    }
    // Clocks that are a little apart are common: the bucket is empty there too.
    assert_eq!(take(&fixture.store, BUCKET, at(3_599)).await, Taken::After(Duration::from_secs(3)));
    assert_eq!(take(&fixture.store, BUCKET, at(0)).await, Taken::Left(2), "the clock was set back by an hour");
    assert_eq!(take(&fixture.store, BUCKET, at(0)).await, Taken::Left(1));
}

async fn buckets_that_are_full_have_no_row(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let slow = Bucket { user: UserId(2), interval: Duration::from_secs(60), ..BUCKET };
    take(&fixture.store, BUCKET, at(0)).await;
    take(&fixture.store, slow, at(0)).await;
    assert_eq!(fixture.store.prune_buckets(at(1)).await.unwrap(), 0);
    assert_eq!(fixture.store.prune_buckets(at(10)).await.unwrap(), 1);
    assert_eq!(take(&fixture.store, slow, at(10)).await, Taken::Left(1));
}

async fn however_many_ask_no_more_is_taken(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let bucket = Bucket { burst: 20, ..BUCKET };
    let taken = join_all((0..50).map(|_| take(&fixture.store, bucket, at(0)))).await;
    let mut left: Vec<u32> = taken
        .iter()
        .filter_map(|taken| match taken {
            Taken::Left(left) => Some(*left),
            Taken::After(_) => None,
        })
        .collect();
    left.sort_unstable();
    assert_eq!(left, (0..20).collect::<Vec<u32>>());
}

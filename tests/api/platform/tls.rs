//! Certificates: one of a private authority is verified to the end, and nothing less is ever taken in its place.

use std::{fs, time::Instant};

use crate::{
    app::client,
    common::database::{Database, Kind},
    platform::{
        AT_ONCE, assert_done, assert_refused,
        servers::{Authority, TLS_SERVER},
    },
    process::{Finished, Server, run},
};

const FULL: (&str, &str) = ("DATABASE_TLS", "verify-full");

fn migrate(variables: &[(&str, &str)]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let ended = run(folder.path(), &["migrate"], variables);
    assert!(began.elapsed() < AT_ONCE, "nothing is waited for that waiting does not mend: {ended:?}");
    ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_authority_is_verified_to_the_end() {
    let url = TLS_SERVER.database("localhost").await;
    let variables = [("DATABASE_URL", url.as_str()), FULL, ("DATABASE_CA_CERT", &TLS_SERVER.authority.pem)];
    assert_done(&migrate(&variables));
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &variables);
    let base = server.address().await;
    let began = Instant::now();
    let ready = loop {
        let answer = client().get(format!("{base}/ready")).send().await.unwrap();
        if answer.status() == 200 || began.elapsed() > AT_ONCE {
            break answer.status();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(ready, 200, "{:?}", server.lines());
    let seen = run(folder.path(), &["doctor"], &variables);
    assert_done(&seen);
    assert!(seen.out.contains("TLSv1.3, the server's certificate verified"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_authority_is_refused() {
    let url = TLS_SERVER.database("localhost").await;
    // Of the same name: only the key tells them apart.
    let other = Authority::new("a private authority");
    for command in ["migrate", "serve"] {
        let folder = tempfile::tempdir().unwrap();
        let variables = [("DATABASE_URL", url.as_str()), FULL, ("DATABASE_CA_CERT", &other.pem), ("PORT", "0")];
        let ended = run(folder.path(), &[command], &variables);
        assert_refused(&ended, &["certificate is not trusted", "DATABASE_CA_CERT"]);
    }
    // Without a certificate the public authorities count, and none of them signed this one.
    assert_refused(&migrate(&[("DATABASE_URL", &url), FULL]), &["certificate is not trusted"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_host_is_refused() {
    let url = TLS_SERVER.database("127.0.0.1").await;
    let ca = ("DATABASE_CA_CERT", TLS_SERVER.authority.pem.as_str());
    let ended = migrate(&[("DATABASE_URL", &url), FULL, ca]);
    assert_refused(&ended, &["certificate is not trusted", "not valid for name", "localhost"]);
    // A certificate that is given is looked at, whatever the address asks for.
    for mode in ["disable", "prefer", "require", "verify-ca"] {
        let weaker = format!("{url}?sslmode={mode}");
        assert_refused(&migrate(&[("DATABASE_URL", &weaker), ca]), &["certificate is not trusted"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_in_a_file_is_looked_at_too() {
    let url = TLS_SERVER.database("localhost").await;
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (folder.path().join("right.pem"), folder.path().join("wrong.pem"));
    fs::write(&right, &TLS_SERVER.authority.pem).unwrap();
    fs::write(&wrong, Authority::new("another").pem).unwrap();
    for mode in ["require", "verify-ca", "verify-full"] {
        let by = |file: &std::path::Path| format!("{url}?sslmode={mode}&sslrootcert={}", file.display());
        assert_refused(&migrate(&[("DATABASE_URL", &by(&wrong))]), &["certificate is not trusted"]);
        assert_done(&migrate(&[("DATABASE_URL", &by(&right))]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_missing_stops_the_program() {
    let url = TLS_SERVER.database("localhost").await;
    for missing in ["", " ", "${db.CA_CERT}", "no certificate"] {
        for command in ["migrate", "serve", "doctor"] {
            let folder = tempfile::tempdir().unwrap();
            let variables = [("DATABASE_URL", url.as_str()), FULL, ("DATABASE_CA_CERT", missing), ("PORT", "0")];
            assert_refused(&run(folder.path(), &[command], &variables), &["DATABASE_CA_CERT: expected", "PEM text"]);
        }
    }
    let ended = migrate(&[("DATABASE_URL", &url), FULL, ("DATABASE_CA_CERT", "${db.CA_CERT}")]);
    assert_refused(&ended, &["the literal ${db.CA_CERT}"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binding_left_in_place_counts_as_unset_where_nothing_was_to_be_verified() {
    let url = TLS_SERVER.database("localhost").await;
    let variables = [("DATABASE_URL", url.as_str()), ("DATABASE_CA_CERT", "${db.CA_CERT}")];
    assert_done(&migrate(&variables));
    let folder = tempfile::tempdir().unwrap();
    let seen = run(folder.path(), &["doctor"], &variables);
    assert_done(&seen);
    for words in ["the literal ${db.CA_CERT}, which counts as unset", "certificate is not verified"] {
        assert!(seen.out.contains(words), "{words}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_encryption_is_refused_where_it_was_asked_for() {
    // The server of TEST_DATABASE_URL, if it is the tests' own, has no certificate.
    let database = Database::empty(Kind::Postgres).await;
    let mut bare = url::Url::parse(&database.url).unwrap();
    bare.set_query(None);
    if encrypts(&database.url).await {
        return assert_done(&migrate(&[("DATABASE_URL", bare.as_str()), ("DATABASE_TLS", "require")]));
    }
    for asked in ["require", "verify-full"] {
        let ended = migrate(&[("DATABASE_URL", bare.as_str()), ("DATABASE_TLS", asked)]);
        assert_refused(&ended, &["offers no encryption", "DATABASE_TLS"]);
    }
    assert_done(&migrate(&[("DATABASE_URL", bare.as_str()), ("DATABASE_TLS", "prefer")]));
}

/// Whether the server of the tests offers encryption.
async fn encrypts(url: &str) -> bool {
    use sqlx::Connection as _;
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    let on: String = sqlx::query_scalar("SHOW ssl").fetch_one(&mut connection).await.unwrap();
    on == "on"
}

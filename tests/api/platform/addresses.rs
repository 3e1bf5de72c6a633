//! Addresses that lead to a database in unusual ways, and databases that cannot be used.

use std::sync::Arc;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use crate::{
    app::TestApp,
    common::database::{Database, Kind, on_server},
    forwarder::Forwarder,
    platform::{assert_done, assert_refused},
    process::{Server, run},
};

/// The address of a database by IPv6.
async fn by_ipv6(url: &str) -> String {
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let mut through = url::Url::parse(url).unwrap();
    let server = format!("{}:{}", through.host_str().unwrap(), through.port().unwrap());
    through.set_host(Some("[::1]")).unwrap();
    through.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let server = server.clone();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(server).await.unwrap();
                copy_bidirectional(&mut near, &mut far).await.ok();
            });
        }
    });
    through.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_may_be_an_address_of_ipv6() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let url = by_ipv6(&database.url).await;
    let app = TestApp::start_on(&database, &[("DATABASE_URL", &url)]).await;
    app.user("ann").await;
    assert_done(&run(database.folder(), &["migrate"], &[("DATABASE_URL", &url)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_in_another_encoding_is_refused_with_the_remedy() {
    let database = Database::empty(Kind::Postgres).await;
    let name = &database.name;
    on_server(&format!("DROP DATABASE {name}")).await;
    on_server(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")).await;
    for command in ["migrate", "doctor"] {
        let ended = run(database.folder(), &[command], &[("DATABASE_URL", &database.url)]);
        assert_refused(&ended, &[name, "encoding SQL_ASCII", "ENCODING 'UTF8' TEMPLATE template0"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_not_ready_is_named() {
    let database = Database::fresh(Kind::Postgres).await;
    let closed = Forwarder::closed(&database.url);
    let missing = database.url.replace(&database.name, "no_such_database");
    for (url, reason) in [(closed.url.as_str(), "no server listens"), (missing.as_str(), "no database of that name")] {
        let mut server = Server::start(database.folder(), &[("DATABASE_URL", url)]);
        server.address().await;
        let parts = url::Url::parse(url).unwrap();
        let place = format!("{} on 127.0.0.1 port {}", parts.path().trim_start_matches('/'), parts.port().unwrap());
        let is_named = || {
            let line = |line: &serde_json::Value| {
                line["database"] == place.as_str() && line["reason"].to_string().contains(reason)
            };
            server.logs().iter().any(line)
        };
        let begun = std::time::Instant::now();
        while !is_named() && begun.elapsed() < crate::process::PATIENCE {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(is_named(), "{place}, {reason}: {:?}", server.lines());
    }
}

//! What a platform puts into the environment, and what it leaves in it.

use crate::{
    app::client,
    platform::{assert_done, assert_refused},
    process::{Server, run},
};

#[test]
fn a_binding_left_in_place_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for variable in buoy::config::variables() {
        if matches!(variable.name, "DATABASE_CA_CERT" | "BUOY_COMMAND") {
            continue; // The first counts as unset here, see the tests of certificates; the second has words of its own.
        }
        let ended = run(folder.path(), &["serve"], &[(variable.name, "${db.NOTHING}")]);
        assert_refused(&ended, &[variable.name, "the literal ${db.NOTHING}", "names no component"]);
    }
    let ended = run(folder.path(), &[], &[("BUOY_COMMAND", "${command}")]);
    assert_refused(&ended, &["BUOY_COMMAND", "${command}"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was begun");
}

#[test]
fn a_part_of_a_secret_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let url = "postgres://ann:${hunter2}@db/buoy";
    let ended = run(folder.path(), &["migrate"], &[("DATABASE_URL", url)]);
    assert_refused(&ended, &["DATABASE_URL", "a literal ${…}"]);
    assert!(!ended.output().contains("hunter2"), "{ended:?}");
}

#[test]
fn a_blank_secret_stops_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = buoy::config::variables().filter(|it| it.secret);
    for variable in secrets {
        for blank in ["", "  "] {
            for command in ["serve", "migrate", "config"] {
                let ended = run(folder.path(), &[command], &[(variable.name, blank)]);
                assert_refused(&ended, &[variable.name, "blank"]);
            }
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no embedded database took the secret's place");
}

#[test]
fn a_blank_variable_does_not_hide_the_one_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("vars"), "DATABASE_URL=sqlite:other.db\n").unwrap();
    assert_done(&run(folder.path(), &["--env-file", "vars", "migrate"], &[("DATABASE_URL", "")]));
    assert!(folder.path().join("other.db").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_listens_where_the_platform_says() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let mut server =
        Server::start(folder.path(), &[("HOST", "0.0.0.0"), ("OPEN_API", "true"), ("PORT", &port.to_string())]);
    assert_eq!(server.address().await, format!("http://0.0.0.0:{port}"));
    // By another address of this machine than the one it would listen on by itself.
    let answer = client().get(format!("http://127.0.0.2:{port}/health")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let image = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Dockerfile")).unwrap();
    assert!(image.contains("HOST=0.0.0.0"), "the image listens where the platform reaches it");
}

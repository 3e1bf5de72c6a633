//! Servers that lead astray, dawdle, or never end; names that resolve to whatever the test says.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse},
    routing::get,
};
use bytes::Bytes;
use tokio::net::TcpListener;

use super::*;

/// The address of a test's server; the only private address that these tests connect to.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Names as the test gives them, each with one list of addresses per question; the last one answers all later
/// questions.
#[derive(Debug, Default)]
struct Fixed(Mutex<HashMap<String, Vec<Vec<IpAddr>>>>);

impl Fixed {
    fn with(self, name: &str, answers: &[&[IpAddr]]) -> Self {
        let answers = answers.iter().rev().map(|addresses| addresses.to_vec()).collect();
        self.0.lock().unwrap().insert(name.to_owned(), answers);
        self
    }
}

impl Names for Fixed {
    async fn addresses(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut names = self.0.lock().unwrap();
        let answers = names.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        let addresses = if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() };
        Ok(addresses.into_iter().map(|address| SocketAddr::from((address, port))).collect())
    }

    fn admits(&self, policy: &TargetPolicy, address: IpAddr) -> bool {
        address == HERE || policy.admits(address)
    }
}

fn guard_with(names: Fixed) -> Guard<Fixed> {
    let policy = TargetPolicy { blocked: "evil.example".parse().unwrap(), ..TargetPolicy::default() };
    Guard::new(policy, names.with("site.example", &[&[HERE]]))
}

fn guard() -> Guard<Fixed> {
    guard_with(Fixed::default())
}

async fn serve(routes: Router) -> u16 {
    let listener = TcpListener::bind((HERE, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, routes).await });
    port
}

fn target(port: u16, path: &str) -> TargetUrl {
    TargetUrl::parse(format!("http://site.example:{port}{path}")).unwrap()
}

fn redirect(to: String) -> impl IntoResponse {
    (StatusCode::FOUND, [(header::LOCATION, to)])
}

#[tokio::test]
async fn a_page_is_asked_for_by_its_name_and_told_who_asks() {
    let says = |headers: HeaderMap| async move {
        let [host, agent] = ["host", "user-agent"].map(|name| headers[name].to_str().unwrap().to_owned());
        ([(header::CONTENT_TYPE, "text/html; charset=ISO-8859-1")], format!("{host} {agent}"))
    };
    let port = serve(Router::new().route("/", get(says))).await;
    let page = guard().page(&target(port, "/?secret#part")).await.unwrap();
    assert_eq!(page.charset.as_deref(), Some("iso-8859-1"));
    let said = String::from_utf8(page.bytes).unwrap();
    assert!(said.starts_with(&format!("site.example:{port} buoy/")), "{said}");
}

#[tokio::test]
async fn redirects_into_what_is_private_or_blocked_end_there() {
    let reached = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&reached);
    let secret = move || async move {
        counter.fetch_add(1, Ordering::SeqCst);
        Html("<title>secret</title>")
    };
    let inside = serve(Router::new().fallback(secret)).await;
    let leads = move |Path(to): Path<String>| async move {
        redirect(match to.as_str() {
            "relative" => "/page".to_owned(),
            "loopback" => format!("http://127.0.0.1:{inside}/"),
            "number" => format!("http://2130706433:{inside}/"),
            "mapped" => format!("http://[::ffff:127.0.0.1]:{inside}/"),
            "localhost" => format!("http://localhost:{inside}/"),
            "metadata" => "http://169.254.169.254/latest/meta-data/".to_owned(),
            "name" => format!("http://inside.example:{inside}/"),
            "mixed" => format!("http://mixed.example:{inside}/"),
            "blocked" => "http://www.evil.example/".to_owned(),
            "file" => "file:///etc/passwd".to_owned(),
            _ => format!("http://user:secret@site.example:{inside}/"),
        })
    };
    let port = serve(Router::new().route("/to/{to}", get(leads)).route("/page", get(|| async { Html("<p>") }))).await;
    let private = IpAddr::from([10, 0, 0, 7]);
    let names = Fixed::default().with("inside.example", &[&[private]]).with("mixed.example", &[&[HERE, private]]);
    let guard = guard_with(names);
    guard.page(&target(port, "/to/relative")).await.unwrap();
    for to in ["loopback", "number", "mapped", "localhost", "metadata", "blocked", "file", "credentials"] {
        let refused = guard.page(&target(port, &format!("/to/{to}"))).await;
        assert!(matches!(refused, Err(NoPage::Refused(_))), "{to}: {refused:?}");
    }
    for to in ["name", "mixed"] {
        let refused = guard.page(&target(port, &format!("/to/{to}"))).await;
        assert!(matches!(refused, Err(NoPage::RefusedAddress)), "{to}: {refused:?}");
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_connection_goes_where_was_checked() {
    let port = serve(Router::new().route("/", get(|| async { Html("<title>checked</title>") }))).await;
    // The second answer would lead elsewhere; the first request does not ask for it.
    let names = Fixed::default().with("rebinds.example", &[&[HERE], &[IpAddr::from([10, 0, 0, 7])]]);
    let guard = guard_with(names);
    let rebinds = TargetUrl::parse(format!("http://rebinds.example:{port}/")).unwrap();
    assert_eq!(guard.page(&rebinds).await.unwrap().bytes, b"<title>checked</title>");
    assert!(matches!(guard.page(&rebinds).await, Err(NoPage::RefusedAddress)));
}

#[tokio::test]
async fn redirects_have_an_end() {
    let count = |Path(left): Path<u32>| async move {
        if left == 0 { Html("<p>").into_response() } else { redirect(format!("/{}", left - 1)).into_response() }
    };
    let port = serve(Router::new().route("/{left}", get(count))).await;
    guard().page(&target(port, "/5")).await.unwrap();
    assert!(matches!(guard().page(&target(port, "/6")).await, Err(NoPage::Redirects)));
}

#[tokio::test]
async fn what_is_no_page_is_not_read() {
    let routes = Router::new()
        .route("/json", get(|| async { ([(header::CONTENT_TYPE, "application/json")], "{}") }))
        .route("/packed", get(|| async { ([(header::CONTENT_ENCODING, "gzip")], Html("x")) }))
        .route("/untyped", get(|| async { Body::from("<title>x</title>").into_response() }))
        .route("/missing", get(|| async { (StatusCode::NOT_FOUND, Html("<title>not found</title>")) }));
    let port = serve(routes).await;
    for path in ["/json", "/packed", "/untyped"] {
        let refused = guard().page(&target(port, path)).await;
        assert!(matches!(refused, Err(NoPage::NoHtml)), "{path}: {refused:?}");
    }
    assert!(matches!(guard().page(&target(port, "/missing")).await, Err(NoPage::Status(404))));
    let nowhere = TargetUrl::parse("http://unknown.example/").unwrap();
    assert!(matches!(guard().page(&nowhere).await, Err(NoPage::Unresolved(_))));
}

#[tokio::test]
async fn an_endless_page_is_read_to_the_limit() {
    let endless = || async {
        let chunks = futures_util::stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 10_000])));
        ([(header::CONTENT_TYPE, "text/html")], Body::from_stream(chunks))
    };
    let port = serve(Router::new().route("/", get(endless))).await;
    assert_eq!(guard().page(&target(port, "/")).await.unwrap().bytes.len(), SIZE_LIMIT);
}

#[tokio::test]
async fn a_page_that_dawdles_is_given_up() {
    let forever = || async { std::future::pending::<&'static str>().await };
    let drip = || async {
        let chunks = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            Some((Ok::<_, io::Error>(Bytes::from_static(b"x")), ()))
        });
        ([(header::CONTENT_TYPE, "text/html")], Body::from_stream(chunks))
    };
    let port = serve(Router::new().route("/forever", get(forever)).route("/drip", get(drip))).await;
    let (guard, paths) = (guard(), ["/forever", "/drip"].map(|path| target(port, path)));
    let (forever, drip) = tokio::join!(guard.page(&paths[0]), guard.page(&paths[1]));
    assert!(matches!((&forever, &drip), (Err(NoPage::TooLate), Err(NoPage::TooLate))), "{forever:?} {drip:?}");
}

#[tokio::test]
async fn failures_do_not_repeat_the_address() {
    let listener = TcpListener::bind((HERE, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let failed = guard().page(&target(port, "/path?token=secret")).await.unwrap_err();
    assert!(matches!(failed, NoPage::Failed(_)) && !failed.to_string().contains("secret"), "{failed}");
}

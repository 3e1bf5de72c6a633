//! A service with users, links and clicks to look at.

use reqwest::{Method, multipart};
use serde_json::json;

use crate::{
    app::{TestApp, send},
    common::database::Kind,
};

pub(crate) const ADMIN: &str = "the-administrators-token-0123456789";
/// What strangers write.
pub(crate) const HOSTILE: &str = "\"'><script>document.title='owned'</script><img src=x onerror=alert(1)>";

/// A service that needs credentials, on an empty database.
pub(crate) async fn empty() -> TestApp {
    TestApp::start_with(Kind::Sqlite, &[("ADMIN_TOKEN", ADMIN), ("LIMITS", "off")]).await
}

/// The same with four users, forty links, hostile ones among them, and clicks of the last weeks.
pub(crate) async fn full() -> TestApp {
    let app = empty().await;
    let names = ["ann", "bob", "carla", "dmitri"];
    let users: String = names.map(|name| format!("{name},{name}@example.com\r\n")).concat();
    upload(&app, "users", &format!("username,email\r\n{users}")).await;
    let topics =
        ["ferry timetable", "harbour menu", "summer sign-up", "keynote slides", "lighthouse tour", "tide chart"];
    let link = |nth: usize| {
        let topic = topics[nth % topics.len()];
        let (user, code) = (nth % 4 + 1, format!("{}-{nth}", topic.replace(' ', "-")));
        format!(
            "{user},https://www.example.com/{}/{nth},{code},{topic} {nth},{}\r\n",
            topic.replace(' ', "/"),
            nth % 9 != 4
        )
    };
    let links: String = (0..40).map(link).collect();
    upload(&app, "urls", &format!("user_id,original_url,short_code,title,is_active\r\n{links}")).await;
    let title = HOSTILE.to_owned() + &"Unbreakable".repeat(38);
    for (code, title) in [("hostile", title.as_str()), ("arabic", "مرحبا بالعالم")] {
        let target = format!("https://example.com/{}", "long".repeat(300));
        let body = json!({"user_id": 1, "original_url": target, "title": title, "short_code": code});
        let request = app.request(Method::POST, "/urls").bearer_auth(ADMIN).json(&body);
        send(request).await.expect(201);
    }
    clicks(&app).await;
    app
}

/// Clicks that grow towards today, most of them of the first links.
async fn clicks(app: &TestApp) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
    let mut rows = "url_id,event_type,timestamp,details\r\n".to_owned();
    for nth in 0..3_000_u64 {
        let url = nth * nth % 41 % (1 + nth % 40) + 1;
        let age = nth * 7_919 % 2_600_000 * (nth % 13 + 1) / 13;
        let at = chrono::DateTime::from_timestamp((now.as_secs() - age).try_into().unwrap(), 0).unwrap();
        let (browser, country) =
            (["Chrome", "Firefox", "Safari"][nth as usize % 3], ["DE", "FR", "IN", "BR"][nth as usize % 4]);
        let referrer = ["news.example.com", "search.example", "forum.example"][nth as usize % 7 % 3];
        let details = if nth % 6 == 0 {
            r#"{"browser":"HTTP Library","device":"misc","bot":true}"#.to_owned()
        } else {
            format!(
                r#"{{"browser":"{browser}","country":"{country}","referrer":"{referrer}","os":"Linux","language":"en"}}"#
            )
        };
        rows += &format!("{url},click,{},\"{}\"\r\n", at.to_rfc3339(), details.replace('"', "\"\""));
    }
    upload(app, "events", &rows).await;
}

async fn upload(app: &TestApp, kind: &str, text: &str) {
    let file = multipart::Part::text(text.to_owned()).file_name("file.csv");
    let form = multipart::Form::new().part("file", file);
    let answer = send(app.request(Method::POST, &format!("/{kind}/bulk")).bearer_auth(ADMIN).multipart(form)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

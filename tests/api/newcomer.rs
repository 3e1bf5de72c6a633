//! What a client meets first: who it is, where what it made is, how it finds things again.

use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::{
    app::{Answer, TestApp, send},
    common::{database::Kind, on_both_databases},
};

on_both_databases!(
    what_was_created_has_an_address,
    a_key_tells_who_it_is_and_need_not_name_its_user,
    an_upload_answers_the_codes_it_made,
    lists_are_found_by_code_name_and_time,
    the_newest_come_first_on_every_page,
);

const TOKEN: &str = "hush-hush-hush-hush-hush";

async fn what_was_created_has_an_address(kind: Kind) {
    let app = TestApp::start(kind).await;
    let ann = json!({"username": "ann", "email": "ann@x.example"});
    for (path, body) in [
        ("/users", ann),
        ("/urls", json!({"user_id": 1, "original_url": "https://x.example"})),
        ("/events", json!({"event_type": "seen", "url_id": 1})),
    ] {
        for _ in 0..2 {
            let made = app.post_with_key(path, path, &body).await;
            let address = format!("{path}/{}", made.expect(201)["id"]);
            assert_eq!(made.header("location"), Some(address.as_str()));
            assert_eq!(app.get(&address).await.expect(200), made.json());
        }
    }
}

async fn as_holder(app: &TestApp, token: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let request = app.request(method, path).bearer_auth(token);
    send(if let Some(body) = body { request.json(body) } else { request }).await
}

async fn a_key_tells_who_it_is_and_need_not_name_its_user(kind: Kind) {
    let app = TestApp::start_with(kind, &[("ADMIN_TOKEN", TOKEN), ("ALLOWED_HOSTS", "localhost")]).await;
    app.database.add_users(2).await;
    let expires_at = "2038-01-01T00:00:00Z";
    let body = json!({"name": "x", "scopes": ["links:write", "links:read"], "expires_at": expires_at});
    let made = as_holder(&app, TOKEN, Method::POST, "/users/2/keys", Some(&body)).await;
    let (key, id) = (made.expect(201)["key"].as_str().unwrap().to_owned(), made.json()["id"].clone());
    assert_eq!(made.header("location"), Some(format!("/users/2/keys/{id}").as_str()));
    let me = as_holder(&app, &key, Method::GET, "/me", None).await.expect(200);
    let scopes = ["links:read", "links:write"];
    let expected = json!({"kind": "key", "key_id": id, "user_id": 2, "scopes": scopes, "expires_at": expires_at,
        "admin": false});
    assert_eq!(me, expected);
    let admin = as_holder(&app, TOKEN, Method::GET, "/me", None).await.expect(200);
    assert_eq!((&admin["kind"], &admin["user_id"], &admin["admin"]), (&json!("admin"), &Value::Null, &json!(true)));
    app.get("/me").await.problem(401, "credentials_required");
    let target = json!({"original_url": "https://x.example"});
    assert_eq!(as_holder(&app, &key, Method::POST, "/urls", Some(&target)).await.expect(201)["user_id"], 2);
    let null = json!({"original_url": "https://x.example", "user_id": null});
    assert_eq!(as_holder(&app, &key, Method::POST, "/urls", Some(&null)).await.refused_fields(), ["user_id"]);
    assert_eq!(as_holder(&app, TOKEN, Method::POST, "/urls", Some(&target)).await.refused_fields(), ["user_id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_api_says_so() {
    let app = TestApp::start(Kind::Sqlite).await;
    let me = app.get("/me").await.expect(200);
    let expected = json!({"kind": "open", "key_id": null, "user_id": null, "scopes": ["admin"], "expires_at": null,
        "admin": true});
    assert_eq!(me, expected);
}

async fn an_upload_answers_the_codes_it_made(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.database.add_users(1).await;
    let upload = async |rows: String| {
        let form = Form::new().part("file", Part::text(rows).file_name("urls.csv"));
        send(app.request(Method::POST, "/urls/bulk").multipart(form)).await
    };
    let rows =
        "user_id,original_url,short_code\n1,https://x.example/1,\n1,https://x.example/2,own\n1,https://x.example/3,\n";
    let made = upload(rows.to_owned()).await;
    assert_eq!((&made.expect(201)["count"], made.header("location")), (&json!(3), None));
    let codes = made.json()["codes"].as_array().unwrap().clone();
    assert_eq!(codes.iter().map(|code| code["line"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 4]);
    for code in codes {
        let target = app.get(&format!("/{}", code["short_code"].as_str().unwrap())).await;
        let path = if code["line"] == 2 { "1" } else { "3" };
        assert_eq!(target.header("location"), Some(format!("https://x.example/{path}").as_str()));
    }
    let many = "1,https://x.example\n".repeat(1_200);
    let made = upload(format!("user_id,original_url\n{many}")).await;
    assert_eq!(made.expect(201)["codes"].as_array().unwrap().len(), 1_000);
    let none = upload("user_id,original_url,short_code\n1,https://x.example,other\n".to_owned()).await;
    assert_eq!(none.expect(201).get("codes"), None);
}

/// Users, links and events 1 to 30, of which the odd ones are older than all even ones.
async fn of_two_ages(kind: Kind) -> TestApp {
    let app = TestApp::start(kind).await;
    app.database.add_users(30).await;
    app.database.add_urls(30).await;
    app.database.add_events(30).await;
    for (table, column) in [("users", "created_at"), ("urls", "created_at"), ("events", "timestamp")] {
        let sql = format!(
            "UPDATE {table} SET {column} = '2026-03-02T00:00:00+00:00' WHERE id % 2 = 0;
             UPDATE {table} SET {column} = '2026-03-01T12:00:00.500+00:00' WHERE id % 2 = 1"
        );
        app.database.execute(&sql).await;
    }
    app
}

fn ids(answer: &Answer) -> Vec<i64> {
    answer.expect(200).as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

async fn lists_are_found_by_code_name_and_time(kind: Kind) {
    let app = of_two_ages(kind).await;
    let user = app.get("/users/7").await.expect(200);
    let link = app.get("/urls/9").await.expect(200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for (path, expected) in [
        (format!("/users?email={}", text(&user["email"])), vec![7]),
        (format!("/users?username={}", text(&user["username"])), vec![7]),
        ("/users?email=none@x.example".to_owned(), vec![]),
        (format!("/urls?short_code={}", text(&link["short_code"])), vec![9]),
        (format!("/urls?short_code={}&user_id=2", text(&link["short_code"])), vec![]),
    ] {
        let answer = app.get(&format!("{path}&count=true")).await;
        assert_eq!(ids(&answer), expected, "{path}");
        assert_eq!(answer.header("x-total-count"), Some(expected.len().to_string().as_str()), "{path}");
    }
    let (odd, even): (Vec<i64>, Vec<i64>) = (1..=30).partition(|id| id % 2 == 1);
    for (list, name) in [("/users", "created"), ("/urls", "created"), ("/events", "timestamp")] {
        for (query, expected) in [
            (format!("{name}_after=2026-03-02"), even.clone()),
            (format!("{name}_before=2026-03-02"), odd.clone()),
            (format!("{name}_after=2026-03-01T12:00:00.5Z&{name}_before=2026-03-02T00:00:00Z"), odd.clone()),
            (format!("{name}_after=2026-03-01T13:00:00.6+01:00"), even.clone()),
            (format!("{name}_before=2026-03-01T12:00:00.500Z"), vec![]),
        ] {
            assert_eq!(ids(&app.get(&format!("{list}?{query}")).await), expected, "{list}?{query}");
        }
        for time in ["yesterday", "2026-13-01", "10000-01-01", "1969-12-31", "12"] {
            let refused = app.get(&format!("{list}?{name}_after={time}")).await.refused_fields();
            assert_eq!(refused, [format!("{name}_after")], "{time}");
        }
    }
}

/// The ids of a list, read by pages of seven along the `next` links.
async fn ids_page_by_page(app: &TestApp, path: &str) -> Vec<i64> {
    let (mut page, mut seen) = (Some(format!("{path}&per_page=7")), Vec::new());
    while let Some(next) = page {
        let answer = app.get(&next).await;
        seen.extend(ids(&answer));
        let link = answer.header("link").unwrap_or_default().to_owned();
        page = link.split(", ").find_map(|part| part.strip_suffix(">; rel=\"next\"")).map(|part| part[1..].to_owned());
    }
    seen
}

async fn the_newest_come_first_on_every_page(kind: Kind) {
    let app = of_two_ages(kind).await;
    let by_time: Vec<i64> = (1..=30).filter(|id| id % 2 == 1).chain((1..=30).filter(|id| id % 2 == 0)).collect();
    for (list, sort, ascending) in [
        ("/users", "created_at", by_time.clone()),
        ("/urls", "created_at", by_time.clone()),
        ("/urls?include=clicks", "created_at", by_time),
        ("/users", "id", (1..=30).collect()),
        ("/urls", "id", (1..=30).collect()),
        ("/events", "id", (1..=30).collect()),
    ] {
        for descending in [false, true] {
            let mut expected = ascending.clone();
            if descending {
                expected.reverse();
            }
            let (sign, sort) = (
                if list.contains('?') { '&' } else { '?' },
                if descending { format!("-{sort}") } else { sort.to_owned() },
            );
            let path = format!("{list}{sign}sort={sort}");
            assert_eq!(ids(&app.get(&path).await), expected, "{path}");
            assert_eq!(ids_page_by_page(&app, &path).await, expected, "{path}, page by page");
        }
    }
    for (path, said) in [
        ("/users?sort=clicks", "sort must be id or created_at, with - before it for the largest first"),
        ("/events?sort=-created_at", "sort must be id, with - before it for the largest first"),
    ] {
        assert_eq!(app.get(path).await.problem(422, "invalid_fields")["detail"], said, "{path}");
    }
}

//! What the phases ask for: the same requests go to buoy and to the bare handlers.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, header};

use super::client::{ApiRequest, Requests};
use crate::api::ApiLink;

/// Links in a list.
const PER_PAGE: u64 = 50;

/// Follows links.
pub fn follow(links: &[ApiLink]) -> Requests {
    spread(links, |link| format!("/{}", link.short_code))
}

/// Reads links by id.
pub fn read(links: &[ApiLink]) -> Requests {
    spread(links, |link| format!("/urls/{}", link.id))
}

/// Lists fifty links, page after page.
pub fn list(links: &[ApiLink]) -> Requests {
    let pages = links.len() as u64 / PER_PAGE;
    Arc::new(move |nth| Some(get(&format!("/urls?page={}&per_page={PER_PAGE}", nth % pages + 1))))
}

/// Creates links with generated codes.
pub fn create(owner: i64) -> Requests {
    Arc::new(move |nth| {
        let body = format!(r#"{{"user_id":{owner},"original_url":"https://www.example.com/created/{nth}"}}"#);
        Some(request(Method::POST, "/urls", body.into()))
    })
}

/// Gives links another target; `round` makes it another one than that of earlier rounds.
pub fn change(links: &[ApiLink], round: u32) -> Requests {
    let paths: Vec<String> = links.iter().map(|link| format!("/urls/{}", link.id)).collect();
    Arc::new(move |nth| {
        let body = format!(r#"{{"original_url":"https://www.example.com/changed/{round}/{nth}"}}"#);
        Some(request(Method::PUT, &paths[index(nth, paths.len())], body.into()))
    })
}

/// Deletes each of these links once.
pub fn delete(ids: Vec<i64>) -> Requests {
    Arc::new(move |nth| {
        let id = ids.get(usize::try_from(nth).unwrap_or(usize::MAX))?;
        Some(request(Method::DELETE, &format!("/urls/{id}"), Bytes::new()))
    })
}

fn spread(links: &[ApiLink], path: impl Fn(&ApiLink) -> String) -> Requests {
    let paths: Vec<String> = links.iter().map(path).collect();
    Arc::new(move |nth| Some(get(&paths[index(nth, paths.len())])))
}

/// Spreads requests over all of `len`; successive requests meet distant ones.
fn index(nth: u64, len: usize) -> usize {
    (nth.wrapping_mul(7_919) % len as u64) as usize
}

fn get(path: &str) -> ApiRequest {
    request(Method::GET, path, Bytes::new())
}

#[expect(clippy::expect_used, reason = "codes and numbers make sound paths")]
fn request(method: Method, path: &str, body: Bytes) -> ApiRequest {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "127.0.0.1")
        .header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .expect("the path is sound")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn requests_reach_every_link() {
        let links: Vec<ApiLink> = (0..2_000).map(|id| ApiLink { id, short_code: format!("c{id}") }).collect();
        let follow = follow(&links);
        let paths: BTreeSet<String> = (0..2_000).map(|nth| follow(nth).unwrap().uri().to_string()).collect();
        assert_eq!(paths.len(), 2_000);
    }

    #[test]
    fn deletions_end_with_the_links() {
        let delete = delete(vec![7, 9]);
        assert_eq!(delete(1).unwrap().uri(), "/urls/9");
        assert!(delete(2).is_none());
    }
}

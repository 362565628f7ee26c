//! The page's files over HTTP; what it does in a browser is tested by `make test-page`.
#![cfg(feature = "page")]

mod support;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use support::{api, send};

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

/// What a page's text names at this server: `src`, `href` and what scripts import.
fn named(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (before, after) in [("src=\"/", "/"), ("href=\"/", "/"), ("from './", "/page/")] {
        for (at, _) in text.match_indices(before) {
            let rest = &text[at + before.len()..];
            let end = rest.find(['"', '\'']).unwrap();
            paths.push(format!("{after}{}", &rest[..end]));
        }
    }
    paths
}

#[tokio::test]
async fn the_page_and_all_it_names_need_no_key_and_name_nothing_elsewhere() {
    let api = api();
    let mut paths = vec!["/".to_owned()];
    let mut index = 0;
    while index < paths.len() {
        let path = paths[index].clone();
        index += 1;
        let answer = send(&api, get(&path)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let expected = match path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("js") => "text/javascript; charset=utf-8",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!(answer.header("content-type"), expected, "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        let elsewhere = answer.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("://"), "{path} names another place");
        for found in named(&answer.body) {
            if !paths.contains(&found) {
                paths.push(found);
            }
        }
    }
    // HTML, style, picture and six scripts: a reader of this test sees that the walk above reached them.
    assert_eq!(paths.len(), 9, "{paths:?}");
}

#[tokio::test]
async fn what_a_browser_holds_is_not_sent_again() {
    let api = api();
    let first = send(&api, get("/page/page.js")).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10);
    assert_eq!(first.header("cache-control"), "no-cache");
    for held in [tag.clone(), format!("\"other\", W/{tag}")] {
        let mut again = get("/page/page.js");
        again
            .headers_mut()
            .insert("if-none-match", held.parse().unwrap());
        let answer = send(&api, again).await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
        assert_eq!((answer.body.as_str(), answer.header("etag")), ("", &*tag));
    }
    let mut other = get("/page/page.js");
    other
        .headers_mut()
        .insert("if-none-match", "\"other\"".parse().unwrap());
    assert_eq!(send(&api, other).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_page_has_no_other_methods_and_no_other_files() {
    let api = api();
    let post = Request::post("/").body(Body::empty()).unwrap();
    assert_eq!(send(&api, post).await.problem_code(), "method_not_allowed");
    assert_eq!(send(&api, get("/page/")).await.problem_code(), "not_found");
    assert_eq!(
        send(&api, get("/page/../Cargo.toml")).await.problem_code(),
        "not_found"
    );
}

//! The page, inside the binary: nothing is loaded from anywhere else.

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};
use std::sync::Arc;

struct Asset {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

const ASSETS: [Asset; 12] = [
    Asset { path: "/", content_type: "text/html; charset=utf-8", text: include_str!("../page/index.html") },
    Asset { path: "/style.css", content_type: "text/css; charset=utf-8", text: include_str!("../page/style.css") },
    Asset { path: "/app.js", content_type: JAVASCRIPT, text: include_str!("../page/app.js") },
    Asset { path: "/list.js", content_type: JAVASCRIPT, text: include_str!("../page/list.js") },
    Asset { path: "/detail.js", content_type: JAVASCRIPT, text: include_str!("../page/detail.js") },
    Asset { path: "/seen.js", content_type: JAVASCRIPT, text: include_str!("../page/seen.js") },
    Asset { path: "/clip.js", content_type: JAVASCRIPT, text: include_str!("../page/clip.js") },
    Asset { path: "/sound.js", content_type: JAVASCRIPT, text: include_str!("../page/sound.js") },
    Asset { path: "/site.js", content_type: JAVASCRIPT, text: include_str!("../page/site.js") },
    Asset { path: "/dom.js", content_type: JAVASCRIPT, text: include_str!("../page/dom.js") },
    Asset { path: "/words.js", content_type: JAVASCRIPT, text: include_str!("../page/words.js") },
    Asset { path: "/icon.svg", content_type: "image/svg+xml", text: include_str!("../page/icon.svg") },
];

/// Routes for the page's files. Each is asked for again every time and answered 304 while its content is the same.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        let etag: Arc<str> = format!("\"{}\"", hex::encode(&Sha256::digest(asset.text.as_bytes())[..16])).into();
        router.route(
            asset.path,
            get(move |headers: HeaderMap| {
                let etag = Arc::clone(&etag);
                async move { answer(asset, &etag, &headers) }
            }),
        )
    })
}

fn answer(asset: &Asset, etag: &str, headers: &HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|tags| tags.as_bytes() == etag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, asset.content_type)], asset.text).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

//! Who may ask: only this machine by its own name, and for anything but reading the page itself only our own page.
//!
//! A loopback listener alone is not enough. Any web page in the same browser can send requests here (CSRF), and a name that
//! an attacker re-points to 127.0.0.1 makes its page same-origin with us (DNS rebinding): the Host header gives that away.

use crate::reply::Refusal;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Nothing from elsewhere, nothing inline, no frames, no forms.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let mut response = match admit(request.method(), request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            tracing::warn!(code = refusal.code, "request refused");
            refusal.into_response()
        }
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What changes is never kept by the browser; what may be kept says so itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn admit(method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    if !is_loopback_host(host) {
        return Err(Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host-refused",
            format!("拒绝访问:Host 为“{host}”,只接受 127.0.0.1、localhost、[::1]"),
            format!("host refused: found {host:?}, wanted 127.0.0.1, localhost or [::1]"),
        ));
    }
    let reads = method == Method::GET || method == Method::HEAD;
    if reads && path == "/" {
        return Ok(());
    }
    let foreign = |found: &str| {
        Refusal::new(
            StatusCode::FORBIDDEN,
            "origin-refused",
            format!("拒绝来自其他页面的请求:{found}"),
            format!("request of another origin refused: found {found:?}, wanted http://{host}"),
        )
    };
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or("?");
        if origin.strip_prefix("http://") != Some(host) {
            return Err(foreign(origin));
        }
    }
    // Sent by browsers also where Origin is not (pictures, scripts); absent from programs.
    if let Some(site) = headers.get("sec-fetch-site") {
        let site = site.to_str().unwrap_or("?");
        if !matches!(site, "same-origin" | "none") {
            return Err(foreign(site));
        }
    }
    Ok(())
}

/// Whether `host` (with or without port) names this machine and nothing that DNS decides.
fn is_loopback_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) => (name, port.strip_prefix(':').or(port.is_empty().then_some("0"))),
            None => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, Some("0")),
        },
    };
    let bracketed = host.starts_with('[');
    let named = if bracketed { name == "::1" } else { name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost") };
    named && port.is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_by_its_own_name() {
        for good in ["127.0.0.1", "127.0.0.1:8460", "localhost:8460", "LOCALHOST", "[::1]:8460", "[::1]"] {
            assert!(is_loopback_host(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil:80",
            "10.0.0.1:8460",
            "[::2]:1",
            "::1",
            "127.0.0.1:x",
            "[127.0.0.1]",
            "[::1]x",
        ] {
            assert!(!is_loopback_host(bad), "{bad}");
        }
    }
}

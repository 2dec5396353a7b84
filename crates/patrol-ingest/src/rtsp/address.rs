//! The URL of a camera, and how much of it may be shown.

use crate::error::IngestError;
use url::Url;

/// Stands for what is not shown.
const HIDDEN: &str = "…";

/// Reads an RTSP URL. Users and passwords have no place in it: they would end up wherever the URL is shown.
pub(crate) fn parse(text: &str) -> Result<Url, IngestError> {
    let refuse = |shown: &str, why: &str| Err(IngestError::BadUrl { url: shown.to_owned(), why: why.to_owned() });
    let Ok(url) = Url::parse(text) else { return refuse(HIDDEN, "is no URL") };
    let shown = shown(&url);
    if url.scheme() != "rtsp" {
        return refuse(&shown, "has another scheme than `rtsp`");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse(&shown, "holds a user or password; give them as `credentials`");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return refuse(&shown, "names no host");
    }
    Ok(url)
}

/// Longer parts of a path are not names that people give: gateways put tokens there.
const SEGMENT_MAX: usize = 20;

/// Scheme, host, port and path. Queries hold tokens, and some vendors put the password into the path (`/user=admin_password=…`): those
/// parts are left out.
pub(crate) fn shown(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let mut text = format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or(HIDDEN));
    for segment in url.path().split('/').skip(1) {
        text.push('/');
        let is_telling =
            segment.contains(['=', '&', '@', ';']) || segment.to_ascii_lowercase().contains("%3d") || segment.len() > SEGMENT_MAX;
        text.push_str(if is_telling { HIDDEN } else { segment });
    }
    if url.query().is_some() {
        text.push_str("?…");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: &str) {
        assert_eq!(shown(&parse(url).expect("a URL")), expected);
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        check("rtsp://10.0.0.7/Streaming/Channels/101", "rtsp://10.0.0.7/Streaming/Channels/101");
        check("rtsp://camera.example:8554/live?token=abc&x=1", "rtsp://camera.example:8554/live?…");
        check("rtsp://10.0.0.7/user=admin_password=geheim_channel=1_stream=0.sdp", "rtsp://10.0.0.7/…");
        check("rtsp://10.0.0.7/user=admin&password=geheim/11", "rtsp://10.0.0.7/…/11");
        check("rtsp://10.0.0.7/user%3dadmin/1", "rtsp://10.0.0.7/…/1");
        check("rtsp://[fe80::1]:554/a#b", "rtsp://[fe80::1]:554/a");
        check("rtsp://10.0.0.7/live/9f8a7c6d5e4b3a2918f7e6d5", "rtsp://10.0.0.7/live/…");
        check("rtsp://10.0.0.7", "rtsp://10.0.0.7");
    }

    #[test]
    fn what_cannot_be_played_is_refused_without_telling_a_secret() {
        for text in ["", "10.0.0.7/live", "http://10.0.0.7/live", "rtsp://admin:geheim@10.0.0.7/live", "rtsp:///live", "geheim"] {
            let error = parse(text).expect_err("no URL of a camera").to_string();
            assert!(!error.contains("geheim") && !error.contains("admin"), "{error}");
        }
    }
}

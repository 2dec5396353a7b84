//! A clip as browsers want it: in ranges (RFC 9110, section 14), and under a name that says what it is.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use patrol_core::WallTime;
use patrol_core::lead::Lead;
use patrol_core::sighting::EvidenceRef;
use std::fmt::Write as _;

/// `XL-20260105-000317_20260105-021241_cam-1.mp4`: the lead, when it was taken (UTC+8), the camera.
pub(crate) fn file_name(lead: &Lead, about: &EvidenceRef) -> String {
    format!("{}_{}_{}.mp4", lead.id, local_stamp(about.captured.at), about.camera)
}

fn local_stamp(at: WallTime) -> String {
    let time = Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or_default();
    jiff::tz::offset(8).to_datetime(time).strftime("%Y%m%d-%H%M%S").to_string()
}

/// The whole of `bytes`, or the range that was asked for.
pub(crate) fn answer(bytes: Vec<u8>, sha256: &str, name: &str, download: bool, asked: &HeaderMap) -> Response {
    let etag = format!("\"{sha256}\"");
    let text = |name: header::HeaderName| asked.get(name).and_then(|value| value.to_str().ok());
    // A range of another version of the file would be wrong; then the whole is sent.
    let same = text(header::IF_RANGE).is_none_or(|known| known == etag);
    let length = bytes.len();
    let range = text(header::RANGE).filter(|_| same).map_or(Range::Whole, |range| Range::parse(range, length));
    let mut response = match range {
        Range::Whole => Body::from(bytes).into_response(),
        Range::Part { from, to } => {
            let part = axum::body::Bytes::from(bytes).slice(from..=to);
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, format!("bytes {from}-{to}/{length}"))], Body::from(part))
                .into_response()
        }
        Range::Beyond => {
            return (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, format!("bytes */{length}"))]).into_response();
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    for (name, value) in [(header::ETAG, etag), (header::CONTENT_DISPOSITION, disposition(name, download))] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    /// First and last byte.
    Part {
        from: usize,
        to: usize,
    },
    Beyond,
}

impl Range {
    /// One range of bytes. Several at once, or what is no range, mean the whole, as the standard allows.
    fn parse(text: &str, length: usize) -> Self {
        let Some((from, to)) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else { return Self::Whole };
        let number = |text: &str| text.trim().parse::<usize>().ok();
        let (from, to) = match (from.trim().is_empty(), to.trim().is_empty(), number(from), number(to)) {
            (false, true, Some(from), _) => (from, usize::MAX),
            (false, false, Some(from), Some(to)) if from <= to => (from, to),
            // The last so many bytes.
            (true, false, _, Some(0)) => return Self::Beyond,
            (true, false, _, Some(last)) => (length.saturating_sub(last), usize::MAX),
            _ => return Self::Whole,
        };
        if from >= length { Self::Beyond } else { Self::Part { from, to: to.min(length - 1) } }
    }
}

/// Reads any text as the header `Range`.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for length in [1, 1000, usize::MAX] {
        if let Range::Part { from, to } = Range::parse(text, length) {
            assert!(from <= to && to < length);
        }
    }
}

/// RFC 6266: a plain name for old programs, the true one in UTF-8 for the rest.
fn disposition(name: &str, download: bool) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut full = String::new();
    for byte in name.bytes() {
        if is_plain(char::from(byte)) {
            full.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(full, "%{byte:02X}").ok();
        }
    }
    let how = if download { "attachment" } else { "inline" };
    format!("{how}; filename=\"{plain}\"; filename*=UTF-8''{full}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_browsers_and_others_send_them() {
        for (text, expected) in [
            ("bytes=0-", Range::Part { from: 0, to: 999 }),
            ("bytes=0-0", Range::Part { from: 0, to: 0 }),
            ("bytes=990-5000", Range::Part { from: 990, to: 999 }),
            ("bytes=-10", Range::Part { from: 990, to: 999 }),
            ("bytes=-5000", Range::Part { from: 0, to: 999 }),
            ("bytes=1000-", Range::Beyond),
            ("bytes=-0", Range::Beyond),
            ("bytes=5-4", Range::Whole),
            ("bytes=0-1,5-6", Range::Whole),
            ("bytes=-", Range::Whole),
            ("bytes=x-9", Range::Whole),
            ("lines=0-1", Range::Whole),
            ("bytes=99999999999999999999999-", Range::Whole),
        ] {
            assert_eq!(Range::parse(text, 1000), expected, "{text}");
        }
        assert_eq!(Range::parse("bytes=0-", 0), Range::Beyond);
    }

    #[test]
    fn a_file_name_cannot_break_out_of_its_header() {
        assert_eq!(disposition("a\"\r\n桥.mp4", true), "attachment; filename=\"a____.mp4\"; filename*=UTF-8''a%22%0D%0A%E6%A1%A5.mp4");
    }

    #[test]
    fn the_time_in_a_file_name_is_local() {
        assert_eq!(local_stamp(WallTime::from_unix_secs(1_767_550_361)), "20260105-021241");
    }
}

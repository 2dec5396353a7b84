//! What goes over the wire: signatures, times, and one plain HTTP request.

use hmac::{Hmac, Mac as _};
use patrol_core::WallTime;
use sha2::{Digest as _, Sha256};
use std::io;
use tokio::net::TcpStream;

/// Longest answer read, bytes.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// Lower-case hexadecimal HMAC-SHA256 over `method\npath\ntimestamp\nnonce\nsha256hex(body)`.
pub(super) fn signature(secret: &str, method: &str, path: &str, timestamp: &str, nonce: &str, body: &[u8]) -> String {
    hex::encode(mac(secret, method, path, timestamp, nonce, body).finalize().into_bytes())
}

/// Whether `signature` fits.
pub(super) fn fits(secret: &str, [method, path, timestamp, nonce]: [&str; 4], body: &[u8], signature: &str) -> bool {
    hex::decode(signature).is_ok_and(|bytes| mac(secret, method, path, timestamp, nonce, body).verify_slice(&bytes).is_ok())
}

fn mac(secret: &str, method: &str, path: &str, timestamp: &str, nonce: &str, body: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(format!("{method}\n{path}\n{timestamp}\n{nonce}\n{}", hex::encode(Sha256::digest(body))).as_bytes());
    mac
}

/// `2026-01-05T02:12:41+08:00`.
pub(super) fn rfc3339(at: WallTime) -> String {
    let local_s = at.unix_secs() + 8 * 3600;
    let (day, second) = (local_s.div_euclid(86_400), local_s.rem_euclid(86_400));
    let (year, month, day) = date(day);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}+08:00", second / 3600, second / 60 % 60, second % 60)
}

/// `20260105`, local.
pub(super) fn local_day(at: WallTime) -> String {
    rfc3339(at).chars().take(10).filter(char::is_ascii_digit).collect()
}

/// Proleptic Gregorian date of a day counted from 1970-01-01 (Howard Hinnant, `civil_from_days`).
fn date(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted_month + 2) / 5 + 1)
}

/// Where callbacks go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// `host:port`.
    authority: String,
    pub(super) path: String,
}

impl Target {
    /// `http://host[:port][/path]`; without a path, or with `/` alone, `default_path`.
    pub(super) fn parse(url: &str, default_path: &str) -> Option<Self> {
        let rest = url.strip_prefix("http://")?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let path = if path.trim_end_matches('/').is_empty() { default_path } else { path };
        if authority.is_empty() || authority.contains('@') || !url.is_ascii() || url.contains(|c: char| c.is_control() || " ?#".contains(c))
        {
            return None;
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        Some(Self { authority, path: path.to_owned() })
    }
}

/// An answer: its head as text, its body as bytes.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    #[cfg_attr(not(test), expect(dead_code, reason = "callbacks need the status and the body alone"))]
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

/// One request on a connection of its own. `headers` are lines that end with `\r\n`.
pub(super) async fn request(method: &str, target: &Target, headers: &str, body: &[u8]) -> io::Result<Answer> {
    let stream = TcpStream::connect(&target.authority).await?;
    let (path, host, length) = (&target.path, &target.authority, body.len());
    let mut bytes =
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        stream.writable().await?;
        match stream.try_write(rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(read) if answer.len() + read > ANSWER_MAX_BYTES => return Err(io::Error::other("the answer is too long")),
            Ok(read) => answer.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(broken)?;
    let (head, body) = answer.split_at(end);
    let head = String::from_utf8_lossy(head).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    Ok(Answer { status, head, body: body.get(4..).unwrap_or_default().to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_published_vector() {
        let body = br#"{"event_id":"XL-20260105-000317","revision":1,"op":"create"}"#;
        let signed = "f92e29dd0e3e6d33c6d301bc793bcc12eaddafe25819a15eee1a3daab2ddb7e7";
        assert_eq!(signature("secret-demo", "POST", "/api/v1/events", "1767550361", "5f2c9a", body), signed);
        assert!(fits("secret-demo", ["POST", "/api/v1/events", "1767550361", "5f2c9a"], body, signed));
        assert!(!fits("secret-demo", ["POST", "/api/v1/events", "1767550361", "5f2c9a"], body, "zz"));
    }

    #[test]
    fn times_are_local() {
        assert_eq!(rfc3339(WallTime::from_unix_secs(1_767_550_361)), "2026-01-05T02:12:41+08:00");
        assert_eq!(rfc3339(WallTime::from_unix_secs(1_709_193_600)), "2024-02-29T16:00:00+08:00");
        assert_eq!(local_day(WallTime::from_unix_secs(1_767_550_361)), "20260105");
    }

    #[test]
    fn callback_addresses_are_checked() {
        let target = |url| Target::parse(url, "/default").map(|target| (target.authority, target.path));
        assert_eq!(target("http://127.0.0.1:8461"), Some(("127.0.0.1:8461".into(), "/default".into())));
        assert_eq!(target("http://patrol/in/case"), Some(("patrol:80".into(), "/in/case".into())));
        for url in ["https://patrol", "patrol:8461", "http://", "http://a b/", "http://u:p@patrol/"] {
            assert_eq!(target(url), None, "{url}");
        }
    }
}

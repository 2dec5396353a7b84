//! What an answer of the city means for a message. Pure, so that the whole table is one test.

use crate::local_time::parse_http_date;
use patrol_core::WallTime;
use serde_json::Value;
use std::time::Duration;

/// The longest a city may put us off. Beyond it we ask again: the lead's own limit is 30 min.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(5);
/// Most characters of the city's own words kept in a reason.
const WORDS_MAX: usize = 200;
/// Longest case id taken, characters.
pub(crate) const CASE_ID_MAX: usize = 128;

/// One try to deliver a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub verdict: Verdict,
    /// How long the city asked us to wait, at most 5 min.
    pub retry_after: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The city has it; repeated messages get the same answer.
    Delivered { case_id: Option<String> },
    /// Not now: try again.
    Later { why: String },
    /// Our key is refused: try again, and tell a person once.
    Unauthorised { why: String },
    /// Refused for good: a person must act.
    Refused { why: String },
}

impl Attempt {
    pub(crate) fn later(why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Later { why: why.into() }, retry_after: None }
    }
}

/// Judges an answer. `retry_after` is the header as received; `now` turns a date in it into a wait.
///
/// A 2xx counts as delivered only with the body's `code` 0 (or 200–299, as some platforms write success) or with a `case_id`:
/// a proxy's welcome page is not a receipt. A body code outside the ranges of HTTP is retried, and so rings after 60 s.
pub(crate) fn judge(status: u16, retry_after: Option<&str>, body: &[u8], now: WallTime) -> Attempt {
    let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let retry_after = retry_after.and_then(|text| wait(text, now));
    let verdict = match status {
        200..=299 => match (code(&answer), case_id(&answer)) {
            (Some(0 | 200..=299), case_id) | (None, case_id @ Some(_)) => Verdict::Delivered { case_id },
            (None, None) => Verdict::Later { why: format!("HTTP {status} with an answer that is no receipt: {}", words(&answer, body)) },
            (Some(code), _) => refusal(code, &format!("HTTP {status}, code {code}: {}", words(&answer, body))),
        },
        300..=399 => Verdict::Later { why: format!("HTTP {status}: the city points elsewhere; set its base address to the new place") },
        _ => refusal(i64::from(status), &format!("HTTP {status}: {}", words(&answer, body))),
    };
    Attempt { verdict, retry_after }
}

fn refusal(code: i64, why: &str) -> Verdict {
    let why = why.to_owned();
    match code {
        401 | 403 => Verdict::Unauthorised { why },
        408 | 425 | 429 => Verdict::Later { why },
        400..=499 => Verdict::Refused { why },
        _ => Verdict::Later { why },
    }
}

fn code(answer: &Value) -> Option<i64> {
    match answer.get("code")? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn case_id(answer: &Value) -> Option<String> {
    let id = match answer.get("case_id").or_else(|| answer.get("data")?.get("case_id"))? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!id.is_empty() && id.chars().count() <= CASE_ID_MAX && !id.chars().any(char::is_control)).then_some(id)
}

/// The city's own explanation, cut and on one line.
fn words(answer: &Value, body: &[u8]) -> String {
    let told = ["message", "msg", "error"].iter().find_map(|key| answer.get(key)?.as_str());
    let text = told.map_or_else(|| String::from_utf8_lossy(body), Into::into);
    let line: String = text.chars().take(WORDS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.trim().is_empty() { "no explanation".into() } else { line.trim().to_owned() }
}

/// `Retry-After`: seconds or a date (RFC 9110 §10.2.3).
fn wait(text: &str, now: WallTime) -> Option<Duration> {
    let wait = match text.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => parse_http_date(text)?.since(now),
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever a gateway in between makes of it: no receipt without a code or a case, waits and words bounded.
        #[test]
        fn no_answer_makes_it_panic(
            status in prop_oneof![100u16..600, Just(200u16), any::<u16>()],
            after in prop::option::of("[0-9A-Za-z,: -]{0,40}"),
            body in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300),
                r#"\{"(code|case_id|data|message)":("?[0-9a-z]{0,150}"?|\{"case_id":"?[0-9]{1,20}"?\})\}"#.prop_map(String::into_bytes),
            ],
        ) {
            let attempt = judge(status, after.as_deref(), &body, NOW);
            prop_assert!(attempt.retry_after.is_none_or(|wait| wait <= RETRY_AFTER_MAX));
            match attempt.verdict {
                Verdict::Delivered { .. } => prop_assert!((200..300).contains(&status) && serde_json::from_slice::<Value>(&body).is_ok()),
                Verdict::Later { why } | Verdict::Unauthorised { why } | Verdict::Refused { why } => {
                    prop_assert!(why.chars().count() < WORDS_MAX + 100 && !why.contains('\n'));
                }
            }
        }
    }

    const NOW: WallTime = WallTime(1_767_550_361_000_000_000);

    fn kind(status: u16, body: &str) -> &'static str {
        match judge(status, None, body.as_bytes(), NOW).verdict {
            Verdict::Delivered { case_id: Some(_) } => "delivered with case",
            Verdict::Delivered { case_id: None } => "delivered",
            Verdict::Later { .. } => "later",
            Verdict::Unauthorised { .. } => "unauthorised",
            Verdict::Refused { .. } => "refused",
        }
    }

    #[test]
    fn every_status_has_its_meaning() {
        for status in [408, 425, 429, 500, 502, 503, 504, 599, 301, 308] {
            assert_eq!(kind(status, ""), "later", "{status}");
        }
        for status in [401, 403] {
            assert_eq!(kind(status, ""), "unauthorised", "{status}");
        }
        for status in [400, 404, 405, 409, 410, 413, 415, 422, 451] {
            assert_eq!(kind(status, ""), "refused", "{status}");
        }
    }

    #[test]
    fn a_receipt_is_a_code_or_a_case() {
        for (body, wanted) in [
            (r#"{"code":0,"case_id":"2026010500431"}"#, "delivered with case"),
            (r#"{"code":0,"case_id":2026010500431}"#, "delivered with case"),
            (r#"{"code":0,"case_id":"2026010500431","duplicate":true}"#, "delivered with case"),
            (r#"{"code":0}"#, "delivered"),
            (r#"{"code":"0"}"#, "delivered"),
            (r#"{"code":200,"data":{"case_id":"7"}}"#, "delivered with case"),
            (r#"{"case_id":"7"}"#, "delivered with case"),
            (r#"{"code":0,"case_id":{"odd":1}}"#, "delivered"),
            (r#"{"code":422,"message":"class unknown"}"#, "refused"),
            (r#"{"code":403}"#, "unauthorised"),
            (r#"{"code":429}"#, "later"),
            (r#"{"code":503}"#, "later"),
            (r#"{"code":10001,"msg":"busy"}"#, "later"),
            (r#"{"code":-1}"#, "later"),
            (r#"{"code":null}"#, "later"),
            ("<html>welcome</html>", "later"),
            ("", "later"),
            ("[]", "later"),
            (r#"{"code":0,"ca"#, "later"),
        ] {
            assert_eq!(kind(200, body), wanted, "{body}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let asked = |text| judge(503, Some(text), b"", NOW).retry_after.map(|wait| wait.as_secs());
        assert_eq!(asked("7"), Some(7));
        assert_eq!(asked("Sun, 04 Jan 2026 18:13:41 GMT"), Some(60));
        assert_eq!(asked("Sun, 04 Jan 2026 18:00:00 GMT"), Some(0));
        assert_eq!(asked("86400"), Some(300));
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("-5"), None);
    }

    #[test]
    fn the_citys_words_are_kept_short_and_on_one_line() {
        let body = format!(r#"{{"message":"bad\ngrid {}"}}"#, "x".repeat(500));
        let Verdict::Refused { why } = judge(422, None, body.as_bytes(), NOW).verdict else { panic!("refused") };
        assert!(why.starts_with("HTTP 422: bad grid xxx") && why.chars().count() < 250 && !why.contains('\n'), "{why}");
    }
}

//! The city's word on a case, from bytes: `integration.md` §3.4.

use crate::error::CityError;
use crate::local_time::{parse_number, parse_text};
use crate::mapping::Mapping;
use patrol_core::desk::CaseCallback;
use patrol_core::{LeadId, WallTime};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// Longest id, state, unit or result taken, characters. A longer id names nothing of ours.
const WORD_MAX: usize = 128;
/// Most of a note that is kept, characters.
const NOTE_MAX: usize = 2000;
/// Prefix of the `callback_id` made for an answer that came by asking and holds none.
const POLLED: &str = "polled";

/// Reads a callback, or the answer to a question for a case (then the object may stand under `case` or `data`).
///
/// Only JSON with an `event_id` is required. What else is missing or odd becomes: `callback_id` the hash of the body, so that
/// a repeated message is still known; `case_id`, `raw_state` and `note` empty; `seq` 0; `at` [`WallTime`] 0, for the receiver to fill;
/// a state that is unknown or not the city's to give `None`.
pub fn parse_callback(bytes: &[u8], mapping: &Mapping) -> Result<CaseCallback, CityError> {
    let wrong = |why: &str| CityError::Callback(why.to_owned());
    let root: Value = serde_json::from_slice(bytes).map_err(|error| CityError::Callback(format!("the body is not JSON: {error}")))?;
    let root = root.as_object().ok_or_else(|| wrong("the body is JSON, but no object"))?;
    let (fields, polled) = ["case", "data"].iter().find_map(|key| root.get(*key)?.as_object()).map_or((root, false), |inner| (inner, true));
    let event_id =
        word(fields, "event_id").ok_or_else(|| wrong("event_id is missing, empty, or longer than 128 characters: which lead is meant?"))?;
    let raw_state = word(fields, "state").unwrap_or_default();
    Ok(CaseCallback {
        callback_id: word(fields, "callback_id").unwrap_or_else(|| {
            let digest = hex::encode(Sha256::digest(bytes));
            let kind = if polled { POLLED } else { "body" };
            format!("{kind}-{}", digest.get(..32).unwrap_or(&digest))
        }),
        case_id: word(fields, "case_id").unwrap_or_default(),
        event_id: LeadId(event_id),
        seq: fields.get("seq").and_then(whole_number).unwrap_or(0),
        state: mapping.state(&raw_state),
        raw_state,
        at: fields.get("at").and_then(time).unwrap_or_default(),
        unit: word(fields, "unit"),
        result: word(fields, "result").map(|result| mapping.result(&result)),
        note: fields.get("note").and_then(Value::as_str).map(note).unwrap_or_default(),
    })
}

/// Text or a number as text; `None` when missing, empty, of another kind, or too long.
fn word(fields: &Map<String, Value>, key: &str) -> Option<String> {
    let text = match fields.get(key)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty() && text.chars().count() <= WORD_MAX && !text.chars().any(char::is_control)).then_some(text)
}

fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn time(value: &Value) -> Option<WallTime> {
    match value {
        Value::String(text) => parse_text(text),
        Value::Number(number) => parse_number(number.as_i64()?),
        _ => None,
    }
}

fn note(text: &str) -> String {
    let kept: String = text.trim().chars().filter(|c| !c.is_control() || *c == '\n').take(NOTE_MAX).collect();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use patrol_core::LeadState;
    use proptest::prelude::*;

    fn parsed(text: &str) -> CaseCallback {
        parse_callback(text.as_bytes(), &sample::mapping()).expect("a callback")
    }

    #[test]
    fn the_callback_of_the_reference_is_read() {
        let found = parsed(
            r#"{"callback_id":"cb-88121","case_id":"2026010500431","event_id":"XL-20260105-000317","seq":4,"state":"ARRIVED",
                "at":"2026-01-05T02:31:10+08:00","unit":"人民街道救助小组","result":null,"note":"","media":[]}"#,
        );
        let wanted = CaseCallback {
            callback_id: "cb-88121".into(),
            case_id: "2026010500431".into(),
            event_id: LeadId("XL-20260105-000317".into()),
            seq: 4,
            state: Some(LeadState::Arrived),
            raw_state: "ARRIVED".into(),
            at: WallTime::from_unix_secs(1_767_551_470),
            unit: Some("人民街道救助小组".into()),
            result: None,
            note: String::new(),
        };
        assert_eq!(found, wanted);
    }

    #[test]
    fn an_unknown_state_is_kept_as_it_came() {
        let found = parsed(r#"{"event_id":"XL-1","state":"在路上"}"#);
        assert_eq!((found.state, found.raw_state.as_str()), (None, "在路上"));
    }

    #[test]
    fn odd_fields_do_not_cost_the_callback() {
        let text = r#"{"event_id":"XL-1","case_id":2026010500431,"seq":"5","state":["ARRIVED"],"at":1767551470000,"unit":7,"result":{},"note":null}"#;
        let found = parsed(text);
        assert_eq!((found.case_id.as_str(), found.seq, found.raw_state.as_str()), ("2026010500431", 5, ""));
        assert_eq!((found.at, found.unit.as_deref(), found.result), (WallTime::from_unix_secs(1_767_551_470), Some("7"), None));
        assert_eq!(found.callback_id, parsed(text).callback_id, "the same message has the same id");
    }

    #[test]
    fn what_names_no_lead_is_refused_with_words() {
        for (body, words) in
            [("", "not JSON"), ("{", "not JSON"), ("[]", "no object"), ("{}", "event_id"), (r#"{"event_id":""}"#, "event_id")]
        {
            let error = parse_callback(body.as_bytes(), &sample::mapping()).expect_err(body).to_string();
            assert!(error.contains(words), "{body}: {error}");
        }
    }

    #[test]
    fn the_answer_to_a_question_is_read_too() {
        let found = parsed(r#"{"code":0,"case":{"case_id":"7","event_id":"XL-1","seq":2,"state":"DISPATCHED"}}"#);
        assert_eq!((found.seq, found.state), (2, Some(LeadState::Dispatched)));
        assert!(found.callback_id.starts_with(POLLED));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
            Just(Value::from("2026-01-05T02:31:10+08:00")),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let key = prop_oneof!["event_id", "case_id", "state", "at", "seq", "case", "data", "note", "unit", "result", "[a-z]{1,6}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..8).prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(parse_callback(&bytes, &sample::mapping()));
        }

        #[test]
        fn no_json_makes_the_parser_panic_and_its_words_are_bounded(json in any_json()) {
            if let Ok(found) = parse_callback(json.to_string().as_bytes(), &sample::mapping()) {
                prop_assert!(!found.event_id.0.is_empty() && found.event_id.0.chars().count() <= WORD_MAX);
                prop_assert!(!found.callback_id.is_empty() && found.raw_state.chars().count() <= WORD_MAX);
                prop_assert!(found.note.chars().count() <= NOTE_MAX);
            }
        }
    }
}

use super::*;
use crate::sample;

fn check(item: &OutboxItem, mapping: &Mapping, expected: &str) {
    let found = event_json(item, mapping, &sample::site(), Some("https://patrol.example/evidence/"));
    let expected: Value = serde_json::from_str(expected).expect("JSON");
    assert_eq!(found, expected, "found:\n{}", serde_json::to_string_pretty(&found).expect("JSON"));
}

#[test]
fn a_confirmed_lead_is_told_as_in_the_reference() {
    check(&sample::item("XL-20260105-000317", 1), &sample::mapping(), include_str!("confirmed.json"));
}

#[test]
fn every_path_of_the_push_may_be_mapped_and_no_other() {
    let mut item = sample::item("XL-20260105-000317", 2);
    item.lead.merged_from = vec![patrol_core::LeadId("XL-1".into())];
    item.lead.linked = vec![patrol_core::LeadId("XL-2".into())];
    item.lead.score.w_eff_c = -12.0;
    let event = event_json(&item, &sample::mapping(), &sample::site(), Some("http://here"));
    let mut found = Vec::new();
    leaves(&event, String::new(), &mut found);
    found.sort();
    found.dedup();
    let mut known: Vec<_> = PATHS.iter().map(|path| (*path).to_owned()).collect();
    known.sort();
    assert_eq!(found, known);
}

fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, inner)| leaves(inner, join(name), found)),
        Value::Array(members) => members.iter().for_each(|inner| leaves(inner, join("*"), found)),
        _ => found.push(path),
    }
}

#[test]
fn a_lead_that_nobody_reviewed_says_so() {
    let mut item = sample::item("XL-1", 1);
    let review = item.lead.review.as_mut().expect("a review");
    review.decision = Decision::Timeout;
    let event = event_json(&item, &sample::mapping(), &sample::site(), None);
    assert_eq!(event["human_review"]["state"], "timeout");
    assert_eq!(event["human_review"]["text"], "【未经人工复核】");
    assert!(event["text"].as_str().expect("text").starts_with("【未经人工复核】"));
    assert!(event["media"][0].get("url").is_none(), "no address, no url");
}

#[test]
fn an_ambulance_is_advised_for_the_motionless_in_severe_cold_only() {
    let advised = |change: fn(&mut Lead)| {
        let mut item = sample::item("XL-1", 1);
        item.lead.score.w_eff_c = -12.0;
        change(&mut item.lead);
        event_json(&item, &sample::mapping(), &sample::site(), None)["advice"]["call_120"] == json!(true)
    };
    assert!(advised(|_| {}));
    assert!(!advised(|lead| lead.tier = Tier::B));
    assert!(!advised(|lead| lead.still_since = None));
    assert!(!advised(|lead| lead.score.w_eff_c = -6.0));
}

#[test]
fn coordinates_are_those_the_platform_reads() {
    let location = |crs: &str| {
        let text = format!("crs = \"{crs}\"\n[class]\nbig = \"05\"\nsmall = \"99\"\n");
        let mapping = Mapping::from_toml(&text, "m").expect("sound");
        event_json(&sample::item("XL-1", 1), &mapping, &sample::site(), None)["location"].clone()
    };
    let (wgs, gcj, both) = (location("WGS84"), location("GCJ02"), location("both"));
    assert_eq!((&wgs["crs"], &gcj["crs"], &both["crs"]), (&json!("WGS84"), &json!("GCJ02"), &json!("WGS84")));
    assert_eq!((&both["lon"], &both["lat"]), (&json!(121.48712), &json!(31.23013)));
    assert_eq!((&both["lon_gcj02"], &both["lat_gcj02"]), (&json!(121.491_597), &json!(31.228_149)));
    assert_eq!((&gcj["lon"], &gcj["lat"]), (&both["lon_gcj02"], &both["lat_gcj02"]));
    assert!(wgs.get("lon_gcj02").is_none() && gcj.get("lon_gcj02").is_none());
}

#[test]
fn a_camera_without_a_place_tells_its_address_only() {
    let mut item = sample::item("XL-1", 1);
    item.lead.position = None;
    item.lead.place.position = None;
    let event = event_json(&item, &sample::mapping(), &sample::site(), None);
    assert_eq!((&event["location"]["lon"], &event["location"]["crs"]), (&Value::Null, &Value::Null));
    assert_eq!(event["location"]["address"], "人民路/河南路 地下通道1号口");
}

#[test]
fn the_time_limit_does_not_move_with_later_revisions() {
    let first = sample::item("XL-1", 1);
    let mut later = sample::item("XL-1", 5);
    later.written_at = later.written_at + Duration::from_mins(10);
    let limit = |item| event_json(item, &sample::mapping(), &sample::site(), None)["sla"]["onsite_before"].clone();
    assert_eq!(limit(&first), json!("2026-01-05T02:42:40+08:00"));
    assert_eq!(limit(&first), limit(&later));
}

use super::*;

const START_S: i64 = 1_767_636_000;

/// A lead about `bbox` on camera `c1`, seen from `first_s` to `last_s` of the run.
fn lead(id: &str, bbox: [f64; 4], first_s: i64, last_s: i64, change: &serde_json::Value) -> Lead {
    let ns = |s: i64| (START_S + s) * 1_000_000_000;
    let mut value = serde_json::json!({
        "id": id, "revision": 1, "state": "REVIEW", "tier": "B",
        "score": {"value": 60.0, "wind_chill_c": -5.0, "w_c": -5.0, "w_eff_c": -5.0, "cold": 0.5, "duration": 0.5, "posture": 1.0, "context": 1.0,
            "posture_gate": 1.0, "tier_by_score": "B", "tier": "B", "overrides": [], "weather": {"air_c": -4.0}, "weather_assumed": false},
        "confidence": 0.8, "resolved": true, "people": 1, "posture": "lying", "still_since": null,
        "place": {"camera": "c1", "bbox": {"x": bbox[0], "y": bbox[1], "w": bbox[2], "h": bbox[3]}, "size": {"width": 640, "height": 512},
            "ground": null, "position": null, "pixels_per_metre": null},
        "camera_name": "", "camera_code": null, "address": null, "street": null, "grid": null,
        "first_seen": ns(first_s), "last_seen": ns(last_s), "made_at": ns(first_s + 125), "state_since": ns(first_s + 125), "evidence": [],
        "review": null, "case": {"case_id": null, "last_seq": null, "last_at": null, "result": null, "unit": null}, "delivery": "not-due",
        "linked": [], "merged_into": null, "merged_from": [], "ringing": null, "history": [], "position": null,
    });
    for (key, to) in change.as_object().unwrap() {
        value[key] = to.clone();
    }
    serde_json::from_value(value).unwrap()
}

/// Somebody in `posture` at `bbox` and `ground` once a second.
fn person(id: &str, posture: &str, bbox: [f64; 4], ground: [f64; 2], seconds: std::ops::Range<i64>) -> serde_json::Value {
    let seen: Vec<_> = seconds
        .map(|t| serde_json::json!({"camera": "c1", "t_s": t, "box": bbox, "posture": posture, "ground_m": ground, "visible": true}))
        .collect();
    serde_json::json!({"id": id, "down_from_s": null, "down_to_s": null, "seen": seen})
}

fn truth(people: &[serde_json::Value]) -> Truth {
    let mut people = people.to_vec();
    people.push(person("walker", "walking", [0.0, 0.0, 20.0, 50.0], [-30.0, 5.0], 0..901));
    let written = serde_json::json!({
        "seed": 1, "people": people, "others": [{"kind": "lamp"}, {"kind": "dog", "camera": "c1", "box": DOG, "from_s": 0, "to_s": 200}], "made_by": "anyone",
        "cameras": {"c1": {"position": [121.47, 31.23], "height_m": 6, "tilt_deg": 20, "hfov_deg": 60, "size": [640, 512]}},
    });
    serde_json::from_value(written).unwrap()
}

fn check(people: &[serde_json::Value], leads: &[Lead]) -> LeadScore {
    score_leads(&truth(people), leads, WallTime::from_unix_secs(START_S))
}

const A: [f64; 4] = [100.0, 200.0, 50.0, 20.0];
const DOG: [f64; 4] = [500.0, 400.0, 40.0, 30.0];
const B: [f64; 4] = [400.0, 200.0, 50.0, 20.0];

fn none() -> serde_json::Value {
    serde_json::json!({})
}

#[test]
fn the_found_the_missed_and_the_false_are_told_apart() {
    let people = [person("p1", "lying", A, [0.0, 10.0], 0..900), person("p2", "curled", B, [9.0, 10.0], 50..900)];
    let score = check(&people, &[lead("L1", A, 10, 800, &none()), lead("L2", [300.0, 400.0, 50.0, 20.0], 10, 800, &none())]);
    assert_eq!((score.people, score.found, score.recall), (2, 1, 0.5));
    assert_eq!((score.missed, score.false_leads, score.duplicates), (vec!["p2".to_owned()], vec!["L2".to_owned()], vec![]));
    // Due after 120 s, made at 135 s.
    assert_eq!(score.delay_s["p1"], 15.0);
}

#[test]
fn a_lead_of_another_time_is_not_about_him() {
    let people = [person("p1", "lying", A, [0.0, 10.0], 0..300)];
    let score = check(&people, &[lead("L1", A, 400, 800, &none())]);
    assert_eq!((score.found, score.false_leads.len()), (0, 1));
}

#[test]
fn short_times_and_walkers_need_no_lead_and_make_none_false() {
    let people = [
        person("short", "lying", A, [0.0, 10.0], 0..110),
        person("waits", "sitting", B, [9.0, 10.0], 0..550),
        person("late", "lying", [200.0, 100.0, 50.0, 20.0], [20.0, 10.0], 775..901),
    ];
    let score = check(&people, &[lead("L1", A, 0, 100, &none())]);
    assert_eq!((score.people, score.recall, score.false_leads.len()), (0, 1.0, 0));
    assert_eq!(check(&[person("sits", "sitting", B, [9.0, 10.0], 0..650)], &[]).missed, ["sits"]);
}

#[test]
fn time_out_of_view_does_not_count_and_does_not_reset() {
    let mut seen = person("p", "lying", A, [0.0, 10.0], 0..80);
    let later = person("p", "lying", A, [0.0, 10.0], 300..350);
    seen["seen"].as_array_mut().unwrap().extend(later["seen"].as_array().unwrap().clone());
    let score = check(&[seen.clone()], &[lead("L", A, 0, 400, &none())]);
    assert_eq!((score.people, score.delay_s["p"]), (1, 125.0 - 341.0));
    seen["seen"].as_array_mut().unwrap().iter_mut().for_each(|moment| moment["visible"] = serde_json::json!(0.1));
    assert_eq!(check(&[seen], &[]).people, 0);
}

#[test]
fn a_second_lead_is_a_duplicate_only_while_the_first_is_open() {
    let people = [person("p1", "lying", A, [0.0, 10.0], 0..900)];
    let first = |change: &serde_json::Value| lead("L1", A, 0, 300, change);
    let second = lead("L2", A, 350, 800, &none());
    assert_eq!(check(&people, &[first(&none()), second.clone()]).duplicates, ["L2"]);
    let closed = serde_json::json!({"state": "REJECTED", "state_since": (START_S + 320) * 1_000_000_000});
    assert!(check(&people, &[first(&closed), second.clone()]).duplicates.is_empty());
    let merged = serde_json::json!({"state": "MERGED", "merged_into": "L2"});
    assert!(check(&people, &[first(&merged), second.clone()]).duplicates.is_empty());
    let candidate = serde_json::json!({"state": "CANDIDATE"});
    assert!(check(&people, &[first(&candidate), second]).duplicates.is_empty());
}

#[test]
fn a_group_shares_one_lead_and_strangers_do_not() {
    let beside = [105.0, 215.0, 50.0, 20.0];
    let group = [person("p1", "lying", A, [0.0, 10.0], 0..900), person("p2", "lying", beside, [0.5, 11.0], 0..900)];
    let score = check(&group, &[lead("L1", A, 0, 800, &serde_json::json!({"people": 2}))]);
    assert_eq!((score.found, score.headcount_short.len()), (2, 0));
    let score = check(&group, &[lead("L1", A, 0, 800, &none())]);
    assert_eq!((score.found, score.headcount_short.as_slice()), (2, &["L1".to_owned()][..]));
    assert_eq!(check(&group, &[lead("L1", A, 0, 800, &none()), lead("L2", beside, 0, 800, &none())]).duplicates.len(), 1);
    // Near enough for the box of one lead, too far apart to be a group: one of them has no lead, unless it counts two.
    let strangers = [person("p1", "lying", A, [0.0, 10.0], 0..900), person("p2", "lying", beside, [0.5, 14.0], 0..900)];
    assert_eq!(check(&strangers, &[lead("L1", A, 0, 800, &none())]).missed, ["p2"]);
    assert_eq!(check(&strangers, &[lead("L1", A, 0, 800, &serde_json::json!({"people": 2}))]).found, 2);
}

#[test]
fn another_camera_finds_him_by_his_place_on_the_ground() {
    let people = [person("p1", "lying", A, [0.0, 10.0], 0..900)];
    let at = patrol_core::Position { lon: 121.47, lat: 31.23, crs: patrol_core::Crs::Wgs84, error_m: 1.0 };
    let place = |north_m: f32| {
        let position = at.offset(&patrol_core::GroundPoint { east_m: 0.0, north_m, error_m: 0.0 });
        let mut lead = lead("L1", B, 0, 800, &none());
        lead.place.camera = patrol_core::CameraId::new("drone");
        lead.place.position = Some(position);
        lead
    };
    assert_eq!(check(&people, &[place(12.0)]).found, 1);
    assert_eq!(check(&people, &[place(15.0)]).false_leads, ["L1"]);
}

#[test]
fn the_start_is_read_in_both_ways() {
    let expected = WallTime::from_unix_secs(START_S);
    assert_eq!(parse_start("1767636000").unwrap(), expected);
    assert_eq!(parse_start("2026-01-06T02:00:00+08:00").unwrap(), expected);
    assert!(parse_start("yesterday").is_err());
}

#[test]
fn it_is_told_how_soon_a_lead_was_made_and_how_long_it_was_kept() {
    let people = [person("p1", "lying", A, [0.0, 10.0], 40..900), person("p2", "lying", B, [9.0, 10.0], 0..500)];
    let entry = |at_s: i64, kind: &str| serde_json::json!({"at": (START_S + at_s) * 1_000_000_000, "kind": kind, "text": "", "by": "desk"});
    let lost = serde_json::json!({"history": [entry(20, "left"), entry(165, "made"), entry(600, "left"), entry(700, "back")]});
    let gone = serde_json::json!({"history": [entry(510, "left"), entry(520, "unjudged")], "state": "CLOSED"});
    let score = check(&people, &[lead("L1", A, 40, 890, &lost), lead("L2", B, 0, 499, &gone)]);
    assert_eq!((score.time_to_lead_s["p1"], score.delay_s["p1"]), (125.0, 5.0));
    let (p1, p2) = (&score.kept["p1"], &score.kept["p2"]);
    assert_eq!((p1.lead.as_str(), p1.still_open, p1.still_watched, p1.last_seen_s), ("L1", true, true, 890.0));
    assert_eq!((p1.left_s, p1.left_early_s), (Some(600.0), Some(299.0)), "he was let go while he lay there until 899");
    assert_eq!((p2.still_open, p2.still_watched, p2.unjudged_s), (false, false, Some(520.0)));
    assert_eq!((p2.left_s, p2.left_early_s), (Some(510.0), None), "he had gone at 499");
}

#[test]
fn what_a_false_lead_shows_is_named() {
    let stands = person("p1", "standing", A, [0.0, 10.0], 0..900);
    let leads = [lead("L1", A, 0, 800, &none()), lead("L2", DOG, 0, 150, &none()), lead("L3", DOG, 500, 800, &none())];
    let why = check(&[stands], &leads).false_why;
    let named: Vec<_> = why.iter().map(|(id, why)| (id.as_str(), why.as_str())).collect();
    assert_eq!(named, [("L1", "person-not-down:standing"), ("L2", "dog"), ("L3", "nothing")], "the dog had gone by 500");
}

#[test]
fn it_is_told_why_someone_was_missed() {
    let truth = truth(&[person("p1", "lying", A, [0.0, 10.0], 0..900)]);
    let line = |bbox: [f64; 4], to_s: i64, change: &serde_json::Value| -> SightingLine {
        let mut value = serde_json::json!({"camera": "c1", "track": 1, "from_s": 0, "to_s": to_s, "posture": "lying", "still_s": 0,
            "longest_still_s": 0, "confidence": 0.8, "looks": to_s, "resolved": true, "bbox": bbox});
        for (key, to) in change.as_object().unwrap() {
            value[key] = to.clone();
        }
        serde_json::from_value(value).unwrap()
    };
    let why = |lines: &[SightingLine]| missed_why(&truth, &["p1".to_owned()], lines)["p1"];
    assert_eq!(why(&[line(B, 800, &none())]), "never-seen");
    assert_eq!(why(&[line(A, 100, &none())]), "seen-too-short");
    assert_eq!(why(&[line(A, 800, &serde_json::json!({"postures": {"lying": 100, "unknown": 700}}))]), "seen-not-down");
    assert_eq!(why(&[line(A, 800, &serde_json::json!({"resolved": false}))]), "fixture");
    assert_eq!(why(&[line(A, 100, &none()), line(A, 800, &none())]), "other", "the track that comes nearest to a lead counts");
    assert!(missed_why(&truth, &[], &[]).is_empty());
}

#[test]
fn rates_come_from_the_summary() {
    let written = serde_json::json!({"pictures": 600, "outcomes": {"examined": 290, "stale": 300, "unusable-dark": 10}, "max_blind_s": 11.0,
        "max_unexamined_s": 12.5, "inferences": 450, "seconds": 300.0, "watch_cells_max": 3});
    let camera = serde_json::from_value::<Blind>(written).unwrap().with_rate();
    assert_eq!((camera.inferences_per_s, camera.outcomes["unusable-dark"], camera.watch_cells_max), (Some(1.5), 10, Some(3)));
    assert_eq!(
        serde_json::from_value::<Blind>(serde_json::json!({"seconds": 0.0, "inferences": 1})).unwrap().with_rate().inferences_per_s,
        None
    );
}

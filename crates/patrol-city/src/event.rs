//! A lead in the canonical words of the push: `integration.md` §3.3.

use crate::local_time::rfc3339;
use crate::mapping::{Mapping, PlatformCrs};
use patrol_core::desk::{OutboxItem, PushOp};
use patrol_core::lead::{Decision, Lead, Review};
use patrol_core::sighting::EvidenceRef;
use patrol_core::{AlertLevel, CameraId, Modality, Posture, Tier, WallTime};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Shown wherever a lead went out because nobody decided in time.
const NOT_REVIEWED: &str = "【未经人工复核】";
/// Evidence is kept 30 days and then deleted (`integration.md` §4.1, art. 17).
const EVIDENCE_KEPT: Duration = Duration::from_hours(30 * 24);
/// 120 is advised for tier A without motion this long (`design.md` §5: a person down without motion)…
const CALL_120_STILL_MIN: f64 = 10.0;
/// …at or below this W_eff: four fifths of the way from 12 °C to −15 °C, where the cold term of the score is full (`integration.md` §6.6).
const CALL_120_W_EFF_C: f32 = -10.0;

/// What the city must know of this installation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// 20-digit code of this system.
    pub system_code: String,
    /// Region code, e.g. `310101` or down to the community.
    pub region: String,
    /// Modality of the cameras, for `source.sensor`; a camera not named here is told as `video_fixed`.
    pub sensors: BTreeMap<CameraId, Modality>,
}

/// Every path of the canonical JSON, for the checks of `[fields]`. `*` stands for the members of a list.
pub(crate) const PATHS: &[&str] = &[
    "event_id",
    "revision",
    "op",
    "text",
    "source.system",
    "source.kind",
    "source.sensor",
    "source.camera_id",
    "source.camera_name",
    "class.big",
    "class.small",
    "class.ext",
    "class.name",
    "level",
    "score",
    "confidence",
    "human_review.state",
    "human_review.by",
    "human_review.at",
    "human_review.text",
    "first_seen",
    "last_seen",
    "reported_at",
    "location.lon",
    "location.lat",
    "location.crs",
    "location.accuracy_m",
    "location.lon_gcj02",
    "location.lat_gcj02",
    "location.address",
    "location.street",
    "location.grid",
    "location.region",
    "observation.posture",
    "observation.motionless_min",
    "observation.people",
    "observation.wind_chill_c",
    "observation.air_temp_c",
    "observation.precip",
    "observation.weather_assumed",
    "alert.level",
    "advice.call_120",
    "advice.reason.*",
    "media.*.id",
    "media.*.kind",
    "media.*.url",
    "media.*.sha256",
    "media.*.captured_at",
    "media.*.expires",
    "sla.onsite_before",
    "merge_of.*",
    "merged_into",
    "linked.*",
    "supersedes",
];

/// The canonical push of one outbox row. `media_base`: address under which evidence is served by its hash; without it only hashes are sent.
///
/// Times are RFC 3339 with +08:00, lengths metres, temperatures °C. What is not known is `null`; `location.lon` and `location.lat` too.
pub fn event_json(item: &OutboxItem, mapping: &Mapping, site: &Site, media_base: Option<&str>) -> Value {
    let lead = &item.lead;
    let score = &lead.score;
    let sensor = site.sensors.get(&lead.place.camera).copied();
    json!({
        "event_id": lead.id.0,
        "revision": lead.revision,
        "op": item.op.name(),
        "text": text(item, mapping),
        "source": {
            "system": site.system_code,
            "kind": "video_ai",
            "sensor": format!("{}_fixed", sensor_name(sensor)),
            "camera_id": lead.camera_code.as_deref().unwrap_or(lead.place.camera.as_str()),
            "camera_name": lead.camera_name,
        },
        "class": { "big": mapping.class.big, "small": mapping.class.small, "ext": mapping.class.ext, "name": mapping.class.name },
        "level": tier_name(lead.tier),
        "score": rounded(score.value, 1),
        "confidence": rounded(lead.confidence, 2),
        "human_review": human_review(lead.review.as_ref()),
        "first_seen": rfc3339(lead.first_seen),
        "last_seen": rfc3339(lead.last_seen),
        "reported_at": rfc3339(item.written_at),
        "location": location(lead, mapping.crs, &site.region),
        "observation": {
            "posture": posture_name(lead.posture),
            "motionless_min": motionless_min(lead).floor() as i64,
            "people": lead.people,
            "wind_chill_c": rounded(score.wind_chill_c, 1),
            "air_temp_c": rounded(score.weather.air_c, 1),
            "precip": precipitation(score.weather.precip_mm_h, score.weather.air_c),
            "weather_assumed": score.weather_assumed,
        },
        "alert": { "level": alert_name(score.weather.alert) },
        "advice": advice(lead),
        "media": media(lead, sensor, media_base),
        "sla": { "onsite_before": rfc3339(reported_first(item) + mapping.sla.onsite) },
        "merge_of": lead.merged_from,
        "merged_into": lead.merged_into,
        "linked": lead.linked,
        // An event is only ever changed under its own id.
        "supersedes": null,
    })
}

/// What an operator at the city reads first.
fn text(item: &OutboxItem, mapping: &Mapping) -> String {
    let lead = &item.lead;
    let mut text = String::new();
    if lead.review.as_ref().is_some_and(|review| review.decision == Decision::Timeout) {
        text.push_str(NOT_REVIEWED);
    }
    if item.op == PushOp::Cancel {
        text.push_str("【撤销】");
    }
    let mut parts = vec![format!("{}{}人", mapping.class.name, lead.people), posture_text(lead.posture).to_owned()];
    let still = motionless_min(lead).floor();
    if still >= 1.0 {
        parts.push(format!("静止{still}分钟"));
    }
    let assumed = if lead.score.weather_assumed { "(估计)" } else { "" };
    parts.push(format!("气温{:.0}℃,风寒{:.0}℃{assumed}", lead.score.weather.air_c, lead.score.wind_chill_c));
    parts.push(lead.address.clone().unwrap_or_else(|| lead.camera_name.clone()));
    text.push_str(&parts.join(","));
    text
}

fn human_review(review: Option<&Review>) -> Value {
    let Some(review) = review else { return json!({ "state": "pending", "by": null, "at": null, "text": null }) };
    let at = rfc3339(review.at);
    match review.decision {
        Decision::Confirmed => json!({ "state": "confirmed", "by": review.by, "at": at, "text": null }),
        Decision::Timeout => json!({ "state": "timeout", "by": null, "at": at, "text": NOT_REVIEWED }),
        Decision::Object => rejected(review, "判为物体"),
        Decision::Animal => rejected(review, "判为动物"),
        Decision::Worker => rejected(review, "判为作业人员"),
        Decision::PasserBy => rejected(review, "判为路人"),
    }
}

fn rejected(review: &Review, text: &str) -> Value {
    json!({ "state": "rejected", "by": review.by, "at": rfc3339(review.at), "text": text })
}

fn location(lead: &Lead, crs: PlatformCrs, region: &str) -> Value {
    let mut location = json!({
        "lon": null, "lat": null, "crs": null, "accuracy_m": null,
        "address": lead.address, "street": lead.street, "grid": lead.grid, "region": region,
    });
    let Some(position) = lead.position.or(lead.place.position) else { return location };
    let shown = if crs == PlatformCrs::Gcj02 { position.to_gcj02() } else { position.to_wgs84() };
    location["lon"] = degrees(shown.lon);
    location["lat"] = degrees(shown.lat);
    location["crs"] = json!(shown.crs);
    // Rounded up: a radius told too small sends the team past the person.
    location["accuracy_m"] = json!(f64::from(shown.error_m).ceil());
    if crs == PlatformCrs::Both {
        let twin = position.to_gcj02();
        location["lon_gcj02"] = degrees(twin.lon);
        location["lat_gcj02"] = degrees(twin.lat);
    }
    location
}

/// Six places are 0.1 m.
fn degrees(value: f64) -> Value {
    json!((value * 1e6).round() / 1e6)
}

fn advice(lead: &Lead) -> Value {
    let still_min = motionless_min(lead);
    let w_eff_c = lead.score.w_eff_c;
    if lead.tier == Tier::A && still_min >= CALL_120_STILL_MIN && w_eff_c <= CALL_120_W_EFF_C {
        json!({ "call_120": true, "reason": [format!("静止{}分钟", still_min.floor()), format!("有效温度{w_eff_c:.0}℃")] })
    } else {
        json!({ "call_120": false, "reason": [] })
    }
}

/// Newest evidence first; previews and clip of the newest only, so that a long story stays a small message.
fn media(lead: &Lead, sensor: Option<Modality>, media_base: Option<&str>) -> Vec<Value> {
    let mut media = Vec::new();
    let prefix = sensor_name(sensor);
    for (age, evidence) in lead.evidence.iter().rev().enumerate() {
        let mut add = |kind: &str, sha256: &str| {
            let mut one = medium(evidence, &format!("{prefix}_{kind}"), sha256);
            one["id"] = json!(format!("m{}", media.len() + 1));
            if let Some(base) = media_base {
                one["url"] = json!(format!("{}/{sha256}", base.trim_end_matches('/')));
            }
            media.push(one);
        };
        add("crop", &evidence.crop_sha256);
        add("whole", &evidence.whole_sha256);
        if age == 0 {
            evidence.preview_sha256.iter().for_each(|sha256| add("preview", sha256));
            evidence.clip_sha256.iter().for_each(|sha256| add("clip", sha256));
        }
    }
    media
}

fn medium(evidence: &EvidenceRef, kind: &str, sha256: &str) -> Value {
    let captured = evidence.captured.at;
    json!({ "kind": kind, "sha256": sha256, "captured_at": rfc3339(captured), "expires": rfc3339(captured + EVIDENCE_KEPT) })
}

/// The time limit runs from the decision to report, so that later revisions do not move it.
fn reported_first(item: &OutboxItem) -> WallTime {
    let decided = item.lead.review.as_ref().filter(|review| matches!(review.decision, Decision::Confirmed | Decision::Timeout));
    decided.map_or(item.written_at, |review| review.at.min(item.written_at))
}

fn motionless_min(lead: &Lead) -> f64 {
    lead.still_since.map_or(0.0, |since| lead.last_seen.minutes_since(since).max(0.0))
}

/// Decimal text and back, so that an f32 does not show its binary tail.
fn rounded(value: f32, places: usize) -> Value {
    json!(format!("{value:.places$}").parse::<f64>().ok().filter(|number| number.is_finite()))
}

fn sensor_name(modality: Option<Modality>) -> &'static str {
    match modality {
        Some(Modality::Thermal) => "thermal",
        Some(Modality::Visible) => "visible",
        None => "video",
    }
}

fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::A => "A",
        Tier::B => "B",
        Tier::C => "C",
        Tier::D => "D",
    }
}

fn posture_name(posture: Posture) -> &'static str {
    match posture {
        Posture::Standing => "standing",
        Posture::Walking => "walking",
        Posture::Sitting => "sitting",
        Posture::Slumped => "slumped",
        Posture::Lying => "lying",
        Posture::Curled => "curled",
        Posture::Unknown => "unknown",
    }
}

fn posture_text(posture: Posture) -> &'static str {
    match posture {
        Posture::Standing => "站立",
        Posture::Walking => "行走",
        Posture::Sitting => "坐",
        Posture::Slumped => "瘫坐",
        Posture::Lying => "躺卧",
        Posture::Curled => "蜷缩",
        Posture::Unknown => "姿态不明",
    }
}

fn alert_name(level: AlertLevel) -> Option<&'static str> {
    match level {
        AlertLevel::None => None,
        AlertLevel::Blue => Some("蓝"),
        AlertLevel::Yellow => Some("黄"),
        AlertLevel::Orange => Some("橙"),
        AlertLevel::Red => Some("红"),
    }
}

/// Wet above 0.1 mm/h (`integration.md` §6.6); snow at or below 0 °C.
fn precipitation(mm_h: f32, air_c: f32) -> &'static str {
    if mm_h <= 0.1 {
        "none"
    } else if air_c <= 0.0 {
        "snow"
    } else {
        "rain"
    }
}

#[cfg(test)]
mod tests;

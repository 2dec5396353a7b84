//! The lead of `integration.md` §3.3, for tests.

use crate::{Mapping, Site};
use patrol_core::desk::{OutboxItem, PushOp};
use patrol_core::lead::{Case, Decision, DeliveryState, Lead, Review, Score};
use patrol_core::sighting::{EvidenceRef, Place};
use patrol_core::{
    AlertLevel, CameraId, Crs, LeadId, LeadState, MediaTime, Modality, PictureSize, PictureTransform, PixelBox, Position, Posture, Tier,
    WallEstimate, WallTime, Weather,
};
use std::time::Duration;

/// 2026-01-05T02:12:41+08:00.
pub(crate) const REPORTED: WallTime = WallTime(1_767_550_361_000_000_000);

pub(crate) fn mapping() -> Mapping {
    Mapping::from_toml("[class]\nbig = \"05\"\nsmall = \"02\"\n", "mapping.toml").expect("sound")
}

pub(crate) fn site() -> Site {
    Site {
        system_code: "31010100085026000001".into(),
        region: "310101002014".into(),
        sensors: [(CameraId::new("tunnel-1"), Modality::Thermal)].into(),
    }
}

pub(crate) fn item(id: &str, revision: u32) -> OutboxItem {
    let op = if revision == 1 { PushOp::Create } else { PushOp::Update };
    OutboxItem { sequence: i64::from(revision), op, written_at: REPORTED, lead: lead(id, revision), again: false }
}

fn lead(id: &str, revision: u32) -> Lead {
    let last_seen = REPORTED - Duration::from_secs(92);
    let position = Some(Position { lon: 121.48712, lat: 31.23013, crs: Crs::Wgs84, error_m: 11.4 });
    let (bbox, size) = (PixelBox::new(300.0, 220.0, 64.0, 30.0), PictureSize::new(640, 512));
    let camera = CameraId::new("tunnel-1");
    Lead {
        id: LeadId(id.into()),
        revision,
        state: LeadState::Pushed,
        tier: Tier::A,
        score: Score {
            value: 75.94,
            wind_chill_c: -6.1,
            w_c: -6.1,
            w_eff_c: -6.1,
            cold: 0.67,
            duration: 0.63,
            posture: 1.0,
            context: 1.0,
            posture_gate: 1.0,
            tier_by_score: Tier::A,
            tier: Tier::A,
            overrides: vec!["still-20-min-at-or-below-0-c".into()],
            weather: Weather {
                air_c: -2.0,
                wind_kmh: Some(12.0),
                precip_mm_h: 0.0,
                wet_ground: false,
                alert: AlertLevel::Yellow,
                observed_at: REPORTED - Duration::from_mins(20),
            },
            weather_assumed: false,
        },
        confidence: 0.74,
        resolved: true,
        people: 1,
        posture: Posture::Lying,
        still_since: Some(last_seen - Duration::from_secs(23 * 60 + 9)),
        place: Place {
            camera: camera.clone(),
            preset: 0,
            now_from_begin: PictureTransform::IDENTITY,
            bbox,
            size,
            ground: None,
            position,
            pixels_per_metre: Some(36.0),
        },
        camera_name: "人民路地下通道1号口热像".into(),
        camera_code: Some("31010100001310000009".into()),
        address: Some("人民路/河南路 地下通道1号口".into()),
        street: None,
        grid: Some("310101002014007".into()),
        first_seen: WallTime::from_unix_secs(1_767_548_880),
        last_seen,
        made_at: last_seen,
        state_since: REPORTED,
        evidence: vec![EvidenceRef {
            camera,
            media_time: MediaTime::from_secs_f64(1389.0),
            captured: WallEstimate { at: last_seen, error_ms: 40 },
            bbox,
            size,
            posture: Posture::Lying,
            model: "thermal-person-n+hot-spot".into(),
            model_sha256: "00".repeat(32),
            main_stream: false,
            whole_sha256: "aa".repeat(32),
            crop_sha256: "bb".repeat(32),
            preview_sha256: vec!["cc".repeat(32)],
            clip_sha256: None,
        }],
        review: Some(Review {
            decision: Decision::Confirmed,
            by: "u1021".into(),
            at: REPORTED - Duration::from_secs(1),
            reason: String::new(),
        }),
        case: Case::default(),
        delivery: DeliveryState::Waiting,
        linked: Vec::new(),
        merged_into: None,
        merged_from: Vec::new(),
        ringing: None,
        history: Vec::new(),
        position,
    }
}

//! Leads, messages and pictures as the desk would hand them over. Shared by the unit and the integration tests.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use patrol_core::desk::{OutboxItem, PushOp};
use patrol_core::lead::{Case, DeliveryState, Score};
use patrol_core::sighting::{EvidenceRef, Jpeg, Place};
use patrol_core::{
    CameraId, Evidence, Lead, LeadId, LeadState, ManualClock, MediaTime, PictureSize, PictureTransform, PixelBox, Posture, Tier,
    WallEstimate, WallTime, Weather,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// 2026-01-05 02:11:00 +08:00.
pub const NIGHT: WallTime = WallTime(1_767_550_260_000_000_000);
pub const DAY_S: u64 = 86_400;

pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NIGHT))
}

pub fn lead(number: u32, revision: u32) -> Lead {
    let weather = Weather {
        air_c: -4.0,
        wind_kmh: Some(10.0),
        precip_mm_h: 0.0,
        wet_ground: false,
        alert: patrol_core::AlertLevel::Blue,
        observed_at: NIGHT,
    };
    Lead {
        id: LeadId(format!("XL-20260105-{number:06}")),
        revision,
        state: LeadState::Pushed,
        tier: Tier::B,
        score: Score {
            value: 61.5,
            wind_chill_c: -8.3,
            w_c: -8.3,
            w_eff_c: -8.3,
            cold: 0.7,
            duration: 0.4,
            posture: 1.0,
            context: 0.8,
            posture_gate: 1.0,
            tier_by_score: Tier::B,
            tier: Tier::B,
            overrides: vec!["still-20-min-at-or-below-6-c".into()],
            weather,
            weather_assumed: false,
        },
        confidence: 0.83,
        resolved: true,
        people: 1,
        posture: Posture::Lying,
        still_since: Some(NIGHT),
        place: Place {
            camera: CameraId::new("underpass-1"),
            preset: 0,
            now_from_begin: PictureTransform::IDENTITY,
            bbox: PixelBox { x: 300.5, y: 222.25, w: 61.0, h: 24.0 },
            size: PictureSize::new(640, 512),
            ground: None,
            position: None,
            pixels_per_metre: Some(36.2),
        },
        camera_name: "人民路地下通道1号口热像".into(),
        camera_code: Some("31010100001320000001".into()),
        address: Some("人民路/河南路".into()),
        street: None,
        grid: None,
        first_seen: NIGHT,
        last_seen: NIGHT,
        made_at: NIGHT + std::time::Duration::from_secs(u64::from(number)),
        state_since: NIGHT,
        evidence: Vec::new(),
        review: None,
        case: Case::default(),
        delivery: DeliveryState::Waiting,
        linked: Vec::new(),
        merged_into: None,
        merged_from: Vec::new(),
        ringing: None,
        history: Vec::new(),
        position: None,
    }
}

pub fn item(op: PushOp, lead: &Lead) -> OutboxItem {
    OutboxItem { sequence: 0, op, written_at: NIGHT, lead: lead.clone(), again: false }
}

/// `bytes` bytes that no other `seed` gives.
pub fn jpeg(seed: u64, bytes: usize) -> Jpeg {
    let mut data = vec![0xd8; bytes.max(8)];
    data[..8].copy_from_slice(&seed.to_le_bytes());
    Jpeg { sha256: hex::encode(Sha256::digest(&data)), bytes: data.into() }
}

/// A whole picture, a crop and one preview.
pub fn evidence(seed: u64) -> Arc<Evidence> {
    let (whole, crop, preview) = (jpeg(seed * 3, 200_000), jpeg(seed * 3 + 1, 20_000), jpeg(seed * 3 + 2, 8_000));
    let place = lead(0, 1).place;
    let about = EvidenceRef {
        camera: place.camera,
        media_time: MediaTime::ZERO,
        captured: WallEstimate { at: NIGHT, error_ms: 0 },
        bbox: place.bbox,
        size: place.size,
        posture: Posture::Lying,
        model: "hot-spot".into(),
        model_sha256: String::new(),
        main_stream: false,
        whole_sha256: whole.sha256.clone(),
        crop_sha256: crop.sha256.clone(),
        preview_sha256: vec![preview.sha256.clone()],
        clip_sha256: None,
    };
    Arc::new(Evidence { about, whole, crop, preview: vec![preview], clip: None, renews: false })
}

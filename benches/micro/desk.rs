//! A tick of the desk: a second's sightings from all cameras of a district, most of whose people became leads long ago.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use patrol_core::desk::{CameraCondition, CameraReport};
use patrol_core::sighting::{EvidenceRef, Jpeg, Place};
use patrol_core::{
    AlertLevel, Camera, CameraId, Evidence, MediaTime, Modality, PictureSize, PictureTransform, PixelBox, Posture, Promise, Sighting,
    TrackId, WallEstimate, WallTime, Weather,
};
use patrol_leads::{Desk, DeskConfig, DeskEvent};
use std::sync::Arc;
use std::time::Duration;

const START: WallTime = WallTime(1_767_542_400_000_000_000);
const SIZE: PictureSize = PictureSize::new(1280, 720);
/// By then whoever lies there is a lead.
const BEFORE_S: u64 = 15 * 60;

fn camera(index: usize) -> Camera {
    let every = Duration::from_secs(10);
    Camera {
        id: CameraId::new(&format!("camera-{index}")),
        name: format!("{index}号口"),
        code: None,
        modality: Modality::Visible,
        promise: Promise { look_every: every, look_limit: every, rescan_every: every },
        position: None,
        view: None,
        address: None,
        street: None,
        grid: None,
        site_prior: 0.5,
    }
}

fn evidence(camera: &CameraId, about: &Sighting) -> Arc<Evidence> {
    let jpeg = || Jpeg { sha256: "0".repeat(64), bytes: Arc::from([0_u8].as_slice()) };
    let about = EvidenceRef {
        camera: camera.clone(),
        media_time: about.media_time,
        captured: about.captured,
        bbox: about.place.bbox,
        size: SIZE,
        posture: about.posture,
        model: "scripted".to_owned(),
        model_sha256: String::new(),
        main_stream: false,
        whole_sha256: "0".repeat(64),
        crop_sha256: "0".repeat(64),
        preview_sha256: Vec::new(),
        clip_sha256: None,
    };
    Arc::new(Evidence { about, whole: jpeg(), crop: jpeg(), preview: Vec::new(), clip: None, renews: false })
}

/// Somebody lies in the middle of the camera's picture since the beginning.
fn sighting(camera: &CameraId, second: u64) -> Sighting {
    let at = START + Duration::from_secs(second);
    let place = Place {
        camera: camera.clone(),
        preset: 0,
        now_from_begin: PictureTransform::IDENTITY,
        bbox: PixelBox::new(600.0, 400.0, 90.0, 30.0),
        size: SIZE,
        ground: None,
        position: None,
        pixels_per_metre: Some(50.0),
    };
    let mut sighting = Sighting {
        track: TrackId(1),
        place,
        media_time: MediaTime(at.0 - START.0),
        captured: WallEstimate { at, error_ms: 100 },
        first_seen: START,
        still_since: Some(START),
        posture_since: START,
        posture: Posture::Lying,
        confidence: 0.8,
        movement: 0.0,
        cover: 0.0,
        resolved: true,
        held: false,
        looks: second as u32 + 1,
        evidence: None,
    };
    if second.is_multiple_of(60) && second > 0 {
        sighting.evidence = Some(evidence(camera, &sighting));
    }
    sighting
}

/// A second: every camera reports, and somebody is seen at one in `people_every`.
fn second_of(cameras: &[CameraId], people_every: usize, second: u64) -> (WallTime, Vec<DeskEvent>) {
    let now = START + Duration::from_secs(second);
    let report =
        |camera: &CameraId| DeskEvent::Camera(CameraReport { camera: camera.clone(), at: now, condition: CameraCondition::Seeing });
    let mut events: Vec<DeskEvent> = cameras.iter().map(report).collect();
    let occupied = cameras.iter().step_by(people_every);
    events.extend(occupied.map(|camera| DeskEvent::Sighting(Box::new(sighting(camera, second)))));
    (now, events)
}

fn ticks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("desk");
    for (count, people_every) in [(100, 10), (1000, 20)] {
        let cameras: Vec<Camera> = (0..count).map(camera).collect();
        let ids: Vec<CameraId> = cameras.iter().map(|camera| camera.id.clone()).collect();
        let mut desk = Desk::new(DeskConfig::default(), cameras);
        let weather =
            Weather { air_c: -6.0, wind_kmh: None, precip_mm_h: 0.0, wet_ground: false, alert: AlertLevel::None, observed_at: START };
        desk.consider(START, vec![DeskEvent::Weather(weather)]);
        for second in 0..BEFORE_S {
            let (now, events) = second_of(&ids, people_every, second);
            desk.consider(now, events);
        }
        let leads = desk.leads().count();
        // From minute to minute without evidence, which few ticks have.
        let mut second = BEFORE_S;
        let mut next = || {
            second += if second % 60 == 59 { 2 } else { 1 };
            second_of(&ids, people_every, second)
        };
        group.bench_function(BenchmarkId::new("tick", format!("{count} cameras, {leads} leads")), |bencher| {
            bencher.iter_batched(&mut next, |(now, events)| desk.consider(now, events), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, ticks);
criterion_main!(benches);

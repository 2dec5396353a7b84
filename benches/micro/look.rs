//! An unchanged look of a visible camera, and what each of its parts takes.

mod dice;
mod street;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use patrol_core::{AlertLevel, Camera, CameraId, Modality, PictureSize, PixelBox, PixelFormat, Promise, WallTime, Weather};
use patrol_pipeline::look::{WeatherNow, look};
use patrol_pipeline::slot::Waiting;
use patrol_pipeline::{CameraWatch, Eyes};
use patrol_vision::change::ChangeGuard;
use patrol_vision::{CameraMotion, UsabilityGuard, ViewSign, jpeg};

use std::hint::black_box;
use std::time::Duration;
use street::{Feed, street};

const SIZES: [(&str, PictureSize); 2] = [("720p", PictureSize::new(1280, 720)), ("1080p", PictureSize::new(1920, 1080))];

fn watch() -> CameraWatch {
    let promise = Promise { look_every: Duration::from_secs(1), look_limit: Duration::from_secs(10), rescan_every: Duration::from_mins(2) };
    CameraWatch::new(
        Camera {
            id: CameraId::new("a"),
            name: "a".to_owned(),
            code: None,
            modality: Modality::Visible,
            promise,
            position: None,
            view: None,
            address: None,
            street: None,
            grid: None,
            site_prior: 0.3,
        },
        Vec::new(),
        1,
    )
}

fn looks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unchanged");
    for (name, size) in SIZES {
        let pictures = street(size, PixelFormat::I420, 6);
        let weather =
            Weather { air_c: -6.0, wind_kmh: None, precip_mm_h: 0.0, wet_ground: false, alert: AlertLevel::None, observed_at: WallTime(0) };
        let weather = WeatherNow { weather, assumed: false };
        let (mut watch, mut eyes, mut events) = (watch(), Eyes::new(Vec::new()), Vec::new());
        let mut feed = Feed::of(pictures.clone());
        // One look in 120 is examined; there is no detector.
        group.bench_function(BenchmarkId::new("whole look", name), |bencher| {
            bencher.iter(|| {
                let picture = feed.next();
                let waiting = Waiting { picture, discontinuity: false, asked: false };
                look(&waiting, &mut watch, &mut eyes, &weather, &mut events)
            });
        });
        let (mut guard, mut feed) = (UsabilityGuard::new(), Feed::of(pictures.clone()));
        group.bench_function(BenchmarkId::new("usable?", name), |bencher| bencher.iter(|| guard.judge(&feed.next())));
        let (mut motion, mut feed) = (CameraMotion::new(), Feed::of(pictures.clone()));
        group.bench_function(BenchmarkId::new("camera motion", name), |bencher| bencher.iter(|| motion.estimate(&feed.next(), &[])));
        let (mut guard, mut feed) = (ChangeGuard::new(), Feed::of(pictures.clone()));
        for _ in 0..6 {
            let picture = feed.next();
            guard.judge(&picture, &[]);
            guard.examined(&picture);
        }
        group.bench_function(BenchmarkId::new("changed?", name), |bencher| bencher.iter(|| guard.judge(&feed.next(), &[])));
        let mut feed = Feed::of(pictures);
        // Not a part of it: asked while a camera turns, or much has changed.
        group.bench_function(BenchmarkId::new("view sign", name), |bencher| bencher.iter(|| black_box(ViewSign::take(&feed.next()))));
    }
    group.finish();
}

/// The whole picture of a decision, with its mark, as evidence is encoded.
fn evidence(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("evidence");
    for (name, size) in [("thermal", PictureSize::new(640, 512)), SIZES[0], SIZES[1]] {
        let mut feed = Feed::of(street(size, PixelFormat::I420, 6));
        let mark = PixelBox::new(200.0, 200.0, 90.0, 30.0);
        group.bench_function(BenchmarkId::new("whole picture", name), |bencher| {
            bencher.iter(|| black_box(jpeg::whole(&feed.next(), Some(&mark), 1280, 85)));
        });
    }
    group.finish();
}

criterion_group!(benches, looks, evidence);
criterion_main!(benches);

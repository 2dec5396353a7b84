//! A tracker watched from outside, in scenes of a few people. Boxes are as a camera at 30 px/m sees them unless said otherwise.

mod gaps;
mod moving_camera;
mod passing;
mod second_boxes;
mod sound;
mod still;

use patrol_core::{Blob, Detection, DetectionSource, MediaTime, PictureSize, PixelBox, Track, TrackStage};
use patrol_track::{EndedTrack, Tracker, TrackerConfig};

const SIZE: PictureSize = PictureSize::new(1280, 720);

fn seen(bbox: PixelBox) -> Detection {
    Detection { bbox, score: 0.8, source: DetectionSource::Network, resolved: true, blob: None }
}

fn standing(x: f32, y: f32) -> PixelBox {
    PixelBox::new(x, y, 18.0, 51.0)
}

fn lying(x: f32, y: f32) -> PixelBox {
    PixelBox::new(x, y, 51.0, 20.0)
}

/// A repeatable number in 0–1.
fn chance(look: i64, salt: i64) -> f32 {
    let mut z = (look.wrapping_mul(1_000_003).wrapping_add(salt) as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
}

/// Edges off by up to `px`.
fn jittered(bbox: PixelBox, px: f32, look: i64, salt: i64) -> PixelBox {
    let off = |k: i64| (2.0 * chance(look, salt * 8 + k) - 1.0) * px;
    PixelBox::from_corners(bbox.x + off(0), bbox.y + off(1), bbox.right() + off(2), bbox.bottom() + off(3))
}

/// What a tracker said after each look.
struct Watched {
    looks: Vec<(f64, Vec<Track>)>,
    ended: Vec<EndedTrack>,
}

/// Looks at the scene at `fps` from `from_s` to `to_s`.
fn watch(fps: f64, (from_s, to_s): (f64, f64), scene: impl Fn(f64, i64) -> Vec<PixelBox>) -> Watched {
    let mut tracker = Tracker::new(TrackerConfig::default(), 1);
    let mut watched = Watched { looks: Vec::new(), ended: Vec::new() };
    watch_on(&mut tracker, &mut watched, fps, (from_s, to_s), scene);
    watched
}

fn watch_on(tracker: &mut Tracker, watched: &mut Watched, fps: f64, (from_s, to_s): (f64, f64), scene: impl Fn(f64, i64) -> Vec<PixelBox>) {
    for look in 0..((to_s - from_s) * fps).round() as i64 {
        let t = from_s + look as f64 / fps;
        let detections: Vec<Detection> = scene(t, look).into_iter().map(seen).collect();
        let tracks = tracker.update(MediaTime::from_secs_f64(t), SIZE, &detections, &|_| Some(30.0)).to_vec();
        watched.ended.extend_from_slice(tracker.ended());
        watched.looks.push((t, tracks));
    }
}

impl Watched {
    /// Ids of all tracks that were ever confirmed, in order.
    fn confirmed_ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> =
            self.looks.iter().flat_map(|(_, tracks)| tracks).filter(|t| t.stage == TrackStage::Confirmed).map(|t| t.id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
    /// The confirmed track whose box overlaps `bbox` best in the look nearest to `t`.
    fn at(&self, t: f64, bbox: PixelBox) -> Option<&Track> {
        let (_, tracks) = self.looks.iter().min_by(|a, b| (a.0 - t).abs().total_cmp(&(b.0 - t).abs()))?;
        tracks
            .iter()
            .filter(|track| track.stage == TrackStage::Confirmed && track.bbox.iou(&bbox) > 0.3)
            .max_by(|a, b| a.bbox.iou(&bbox).total_cmp(&b.bbox.iou(&bbox)))
    }
    fn id_at(&self, t: f64, bbox: PixelBox) -> u64 {
        self.at(t, bbox).unwrap_or_else(|| panic!("no confirmed track at {t} s near {bbox:?}")).id.0
    }
}

/// Beside a network that says nothing a warm region has a part of its score; it is followed by what `hot-spot` makes of it alone.
#[test]
fn a_warm_region_that_no_network_confirms_is_followed() {
    let followed = |alone: f32, resolved: bool| {
        let mut tracker = Tracker::new(TrackerConfig::default(), 1);
        let detection = Detection { resolved, ..lone(lying(600.0, 400.0), alone) };
        let mut stage = None;
        for look in 0..10 {
            let at = MediaTime::from_secs_f64(f64::from(look));
            stage = tracker.update(at, SIZE, &[detection], &|_| Some(30.0)).first().map(|track| track.stage);
        }
        stage
    };
    assert_eq!(followed(0.8, false), Some(TrackStage::Confirmed));
    assert_eq!(followed(0.2, false), None, "hot-spot doubts it, too");
    assert_eq!(followed(0.8, true), None, "where there is no network its score is its own");
}

/// A warm region as it stands in a list with a network's boxes; `alone`: what `hot-spot` makes of it by itself.
fn lone(bbox: PixelBox, alone: f32) -> Detection {
    let blob = Blob {
        area_px: bbox.area(),
        centroid: bbox.centre(),
        major_px: bbox.w,
        minor_px: bbox.h,
        angle_rad: 0.0,
        contrast_sigma: 9.0,
        score: alone,
        body_like: true,
    };
    Detection { bbox, score: 0.2, source: DetectionSource::HotSpot, resolved: false, blob: Some(blob) }
}

/// A network sees who lies there at first, and then in one look of six, `hot-spot` his face in all others: one person, who does not move for that.
#[test]
fn the_warm_part_of_one_whom_a_network_sees_now_and_then_is_nobody_else() {
    let mut tracker = Tracker::new(TrackerConfig::default(), 1);
    let (body, face) = (lying(600.0, 400.0), PixelBox::new(604.0, 405.0, 12.0, 9.0));
    let mut seen_by = Vec::new();
    for look in 0..90 {
        let detection = if look < 10 || look % 6 == 0 { seen(body) } else { lone(face, 0.8) };
        let tracks = tracker.update(MediaTime::from_secs_f64(f64::from(look)), SIZE, &[detection], &|_| Some(30.0));
        seen_by.push(
            tracks
                .iter()
                .filter(|track| track.stage != TrackStage::Tentative)
                .map(|track| (track.id, track.still_since))
                .collect::<Vec<_>>(),
        );
    }
    let last = seen_by.last().expect("looks");
    assert!(seen_by.iter().all(|tracks| tracks.len() <= 1), "{seen_by:?}");
    assert!(last.len() == 1 && last[0].1.is_some_and(|since| since < MediaTime::from_secs_f64(20.0)), "{last:?}");
}

//! Examinations in full: at every scale, as often as the camera's promise says, however much happens in between.

use crate::world::{BrightBoxes, Tape, camera, replay_with};
use patrol_core::{Detection, DetectionSource, Modality, Picture, PixelBox, TrackStage};
use patrol_pipeline::ReplayCamera;
use patrol_vision::{DetectContext, Detector, VisionError};
use std::sync::{Arc, Mutex};

/// Time of a look in seconds, and the how many-th in full it is.
type Look = (f64, Option<u32>);

/// Notes when it was asked, and for what. Fails at a time. As a network with tiles does, it sees less between examinations in full: nobody.
struct Asked {
    looks: Arc<Mutex<Vec<Look>>>,
    fails_at_s: f64,
}

impl Asked {
    fn of(picture: &Picture) -> Vec<Detection> {
        let mut out = Vec::new();
        BrightBoxes.detect(picture, &CONTEXT, &mut out).expect("never fails");
        for found in &mut out {
            found.source = DetectionSource::Network;
        }
        out
    }
}

const CONTEXT: DetectContext<'static> = DetectContext { modality: Modality::Thermal, view: None, gsd_m: None, in_full: None };

impl Detector for Asked {
    fn detect(&mut self, picture: &Picture, context: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
        let t_s = picture.media_time.as_secs_f64();
        if t_s == self.fails_at_s {
            return Err(VisionError::Inference { model: "asked".to_owned(), problem: "as the test wants".to_owned() });
        }
        self.looks.lock().expect("one thread").push((t_s, context.in_full));
        if context.in_full.is_some() {
            out.extend(Self::of(picture));
        }
        Ok(())
    }
    fn look_closer(
        &mut self,
        picture: &Picture,
        place: &PixelBox,
        _: &DetectContext<'_>,
        out: &mut Vec<Detection>,
    ) -> Result<u64, VisionError> {
        out.extend(Self::of(picture).into_iter().filter(|found| found.bbox.iou(place) > 0.1));
        Ok(1)
    }
    fn sees_less_between(&self) -> bool {
        true
    }
    fn name(&self) -> &'static str {
        "asked"
    }
    fn model_sha256(&self) -> &'static str {
        "a network"
    }
}

/// The number of looks, times of those in full, and the camera afterwards; `boxes` says who is where.
fn looks(seconds: f64, look_every_s: f64, fails_at_s: f64, boxes: impl Fn(f64) -> Vec<PixelBox>) -> (usize, Vec<f64>, ReplayCamera) {
    let looks = Arc::new(Mutex::new(Vec::new()));
    let detector = Asked { looks: Arc::clone(&looks), fails_at_s };
    let (mut cameras, ..) = replay_with(Box::new(detector), vec![(camera("street", look_every_s), Tape::of(seconds, 1.0, boxes))]);
    let looks = looks.lock().expect("done");
    (looks.len(), numbered(&looks), cameras.remove(0))
}

/// Somebody who walks to and fro.
fn walker(t_s: f64) -> Vec<PixelBox> {
    vec![PixelBox::new(10.0 + (t_s * 9.0 % 280.0) as f32, 100.0, 16.0, 40.0)]
}

/// Times of the looks in full, which are numbered in their order.
fn numbered(looks: &[Look]) -> Vec<f64> {
    let full: Vec<_> = looks.iter().filter_map(|(t_s, in_full)| Some((*t_s, (*in_full)?))).collect();
    assert!(full.iter().zip(0..).all(|((_, number), wanted)| *number == wanted), "{full:?}");
    full.iter().map(|(t_s, _)| *t_s).collect()
}

#[test]
fn a_busy_street_is_examined_in_full_once_a_minute_and_cheaply_in_between() {
    let (all, full, _) = looks(400.0, 1.0, -1.0, walker);
    assert!(all > 350, "{all}");
    assert_eq!(full[0], 0.0);
    let gaps: Vec<f64> = full.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // A minute by the camera's promise, up to 30 % earlier.
    assert!(gaps.len() >= 6 && gaps.iter().all(|gap| (41.0..=60.0).contains(gap)), "{gaps:?}");
}

#[test]
fn an_examination_in_full_that_failed_is_made_up_for_at_the_next_look() {
    let (_, full, _) = looks(100.0, 1.0, -1.0, walker);
    let (_, after, _) = looks(100.0, 1.0, full[1], walker);
    assert_eq!(after[1], full[1] + 1.0);
}

#[test]
fn cheap_looks_do_not_put_off_what_is_owed_in_full() {
    // A walker from second 40 to 55 has the camera examined; then nothing happens any more.
    let (_, full, _) = looks(400.0, 1.0, -1.0, |t_s| if (40.0..55.0).contains(&t_s) { walker(t_s) } else { Vec::new() });
    let gaps: Vec<f64> = full.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() >= 6 && gaps.iter().all(|gap| *gap <= 60.0), "{gaps:?}");
}

#[test]
fn whom_only_an_examination_in_full_finds_is_kept_between_them() {
    for look_every_s in [1.0, 10.0] {
        let lies = |t_s: f64| if t_s > 5.0 { vec![PixelBox::new(100.0, 120.0, 40.0, 16.0)] } else { Vec::new() };
        let (_, _, camera) = looks(240.0, look_every_s, -1.0, lies);
        let tracks = camera.watch.tracks();
        assert_eq!(tracks.len(), 1, "{look_every_s} {tracks:?}");
        assert!(tracks[0].stage != TrackStage::Tentative && tracks[0].hits >= 5, "{look_every_s} {tracks:?}");
        assert_eq!(camera.watch.cells().open, 1, "{look_every_s}");
    }
}

//! Examinations in full: at every scale, as often as the camera's promise says, however much happens in between.

use crate::world::{BrightBoxes, Tape, camera, replay_with};
use patrol_core::{Detection, Picture, PixelBox};
use patrol_vision::{DetectContext, Detector, VisionError};
use std::sync::{Arc, Mutex};

/// Notes when it was asked, and for what. Fails at a time.
struct Asked {
    looks: Arc<Mutex<Vec<(f64, Option<u32>)>>>,
    fails_at_s: f64,
}

impl Detector for Asked {
    fn detect(&mut self, picture: &Picture, context: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
        let t_s = picture.media_time.as_secs_f64();
        if t_s == self.fails_at_s {
            return Err(VisionError::Inference { model: "asked".to_owned(), problem: "as the test wants".to_owned() });
        }
        self.looks.lock().expect("one thread").push((t_s, context.in_full));
        BrightBoxes.detect(picture, context, out)
    }
    fn name(&self) -> &'static str {
        "asked"
    }
    fn model_sha256(&self) -> &'static str {
        ""
    }
}

/// Times of the looks, and of those in full, of a street on which somebody walks all the time.
fn looks(seconds: f64, fails_at_s: f64) -> (usize, Vec<f64>) {
    let looks = Arc::new(Mutex::new(Vec::new()));
    let walker = |t_s: f64| vec![PixelBox::new(10.0 + (t_s * 9.0 % 280.0) as f32, 100.0, 16.0, 40.0)];
    let tape = Tape::of(seconds, 1.0, walker);
    replay_with(Box::new(Asked { looks: Arc::clone(&looks), fails_at_s }), vec![(camera("street", 1.0), tape)]);
    let looks = looks.lock().expect("done");
    (looks.len(), numbered(&looks))
}

/// Times of the looks in full, which are numbered in their order.
fn numbered(looks: &[(f64, Option<u32>)]) -> Vec<f64> {
    let full: Vec<_> = looks.iter().filter_map(|(t_s, in_full)| Some((*t_s, (*in_full)?))).collect();
    assert!(full.iter().zip(0..).all(|((_, number), wanted)| *number == wanted), "{full:?}");
    full.iter().map(|(t_s, _)| *t_s).collect()
}

#[test]
fn a_busy_street_is_examined_in_full_once_a_minute_and_cheaply_in_between() {
    let (all, full) = looks(400.0, -1.0);
    assert!(all > 350, "{all}");
    assert_eq!(full[0], 0.0);
    let gaps: Vec<f64> = full.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // A minute by the camera's promise, up to 30 % earlier.
    assert!(gaps.len() >= 6 && gaps.iter().all(|gap| (41.0..=60.0).contains(gap)), "{gaps:?}");
}

#[test]
fn an_examination_in_full_that_failed_is_made_up_for_at_the_next_look() {
    let (_, full) = looks(100.0, -1.0);
    let (_, after) = looks(100.0, full[1]);
    assert_eq!(after[1], full[1] + 1.0);
}

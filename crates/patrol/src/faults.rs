//! Detectors that fail on purpose, so that it can be tested what their failures cost. Exist only in pipelines that `patrol sim` wrote.

use crate::scripted::{TrueBox, TrueBoxes, drawn, key_of};
use patrol_core::{Detection, Picture, PixelBox, PixelPoint};
use patrol_vision::{DetectContext, Detector, VisionError};
use std::sync::Arc;

/// What a detector draws of a person has its centre in his true box, made larger by this on all sides together.
const GROWN: f32 = 0.3;
/// Detectors of one look put the same thing that is nobody into the same cell mostly, pixels.
const CELL_PX: f32 = 16.0;

/// What goes wrong at one camera. Times are seconds of media time, from and below to.
pub(crate) struct Faults {
    pub(crate) camera: String,
    pub(crate) boxes: Arc<TrueBoxes>,
    pub(crate) seed: u64,
    /// Part of the looks at each person in which he is not found.
    pub(crate) miss: f64,
    pub(crate) outages: Vec<[f64; 2]>,
    pub(crate) blind: Vec<Blind>,
}

/// A person who is not found for a time.
#[derive(Clone)]
pub(crate) struct Blind {
    pub(crate) person: String,
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
}

impl Faults {
    fn is_out(&self, t_s: f64) -> bool {
        self.outages.iter().any(|[from_s, to_s]| (*from_s..*to_s).contains(&t_s))
    }

    /// Whether what was found there is lost: the same for all detectors of a look.
    fn loses(&self, people: &[TrueBox<'_>], found: &PixelBox, picture: &Picture) -> bool {
        let (centre, t_s) = (found.centre(), picture.media_time.as_secs_f64());
        let who = whose(people, centre);
        let is_blind = |blind: &Blind| Some(blind.person.as_str()) == who && (blind.from_s..blind.to_s).contains(&t_s);
        let cell = || ((centre.x / CELL_PX) as i32 as u64) << 32 | u64::from((centre.y / CELL_PX) as i32 as u32);
        let key = who.map_or_else(cell, key_of);
        self.blind.iter().any(is_blind) || drawn(&[self.seed, key_of(&self.camera), picture.media_time.0 as u64, key]) < self.miss
    }
}

/// The person nearest to `at`, if that is within his grown box.
fn whose<'a>(people: &[TrueBox<'a>], at: PixelPoint) -> Option<&'a str> {
    // To the box, then to its middle, so that the feet of one who lies are not his who stands beside them.
    let away = |bbox: &PixelBox| {
        let outside = (bbox.x - at.x).max(at.x - bbox.right()).max(0.0).hypot((bbox.y - at.y).max(at.y - bbox.bottom()).max(0.0));
        let middle = bbox.centre();
        (outside, (middle.x - at.x).hypot(middle.y - at.y))
    };
    let nearer = |a: &&TrueBox<'_>, b: &&TrueBox<'_>| {
        let (a, b) = (away(&a.bbox), away(&b.bbox));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    };
    let nearest = people.iter().min_by(nearer)?;
    let (bbox, side) = (nearest.bbox, GROWN / 2.0);
    let grown = PixelBox::new(bbox.x - side * bbox.w, bbox.y - side * bbox.h, bbox.w * (1.0 + GROWN), bbox.h * (1.0 + GROWN));
    let within = (grown.x..=grown.right()).contains(&at.x) && (grown.y..=grown.bottom()).contains(&at.y);
    within.then_some(nearest.person)
}

/// A detector at a camera where things go wrong.
pub(crate) struct Faulty {
    detector: Box<dyn Detector>,
    faults: Arc<Faults>,
}

impl Faulty {
    pub(crate) fn new(detector: Box<dyn Detector>, faults: Arc<Faults>) -> Self {
        Self { detector, faults }
    }

    /// What `look` finds, less what is lost; `None` in an outage.
    fn look<T>(
        &mut self,
        picture: &Picture,
        out: &mut Vec<Detection>,
        look: impl FnOnce(&mut dyn Detector, &mut Vec<Detection>) -> Result<T, VisionError>,
    ) -> Result<Option<T>, VisionError> {
        let t_s = picture.media_time.as_secs_f64();
        if self.faults.is_out(t_s) {
            return Ok(None);
        }
        let first = out.len();
        let looked = look(self.detector.as_mut(), out)?;
        let people: Vec<TrueBox<'_>> = self.faults.boxes.at(t_s).collect();
        let mut index = 0;
        out.retain(|found| {
            index += 1;
            index <= first || !self.faults.loses(&people, &found.bbox, picture)
        });
        Ok(Some(looked))
    }
}

impl Detector for Faulty {
    fn detect(&mut self, picture: &Picture, context: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
        self.look(picture, out, |detector, out| detector.detect(picture, context, out)).map(Option::unwrap_or_default)
    }
    fn look_closer(
        &mut self,
        picture: &Picture,
        place: &PixelBox,
        context: &DetectContext<'_>,
        out: &mut Vec<Detection>,
    ) -> Result<u64, VisionError> {
        self.look(picture, out, |detector, out| detector.look_closer(picture, place, context, out)).map(Option::unwrap_or_default)
    }
    fn name(&self) -> &str {
        self.detector.name()
    }
    fn sees_less_between(&self) -> bool {
        self.detector.sees_less_between()
    }
    fn model_sha256(&self) -> &str {
        self.detector.model_sha256()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::tests::{CONTEXT, boxes, picture};
    use patrol_core::DetectionSource;

    /// Finds what it is told.
    struct Finds(Vec<PixelBox>);

    impl Detector for Finds {
        fn detect(&mut self, _: &Picture, _: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
            let seen =
                |bbox: &PixelBox| Detection { bbox: *bbox, score: 0.5, source: DetectionSource::HotSpot, resolved: true, blob: None };
            out.extend(self.0.iter().map(seen));
            Ok(())
        }
        fn look_closer(
            &mut self,
            picture: &Picture,
            _: &PixelBox,
            context: &DetectContext<'_>,
            out: &mut Vec<Detection>,
        ) -> Result<u64, VisionError> {
            self.detect(picture, context, out).map(|()| 1)
        }
        fn name(&self) -> &'static str {
            "finds"
        }
        fn model_sha256(&self) -> &'static str {
            ""
        }
    }

    fn faults() -> Faults {
        Faults { camera: "c".to_owned(), boxes: Arc::new(boxes()), seed: 1, miss: 0.0, outages: Vec::new(), blind: Vec::new() }
    }

    /// How many of `found` are left.
    fn left(faults: &Arc<Faults>, t_s: f64, found: &[PixelBox]) -> usize {
        let (mut out, mut detector) = (Vec::new(), Faulty::new(Box::new(Finds(found.to_vec())), faults.clone()));
        detector.detect(&picture(t_s), &CONTEXT, &mut out).expect("detected");
        let left = out.len();
        detector.look_closer(&picture(t_s), &WHOLE, &CONTEXT, &mut out).expect("detected");
        assert_eq!(out.len(), 2 * left, "from near as from far");
        left
    }

    /// The whole of `lies`, and only his head: two detectors see him so.
    const WHOLE: PixelBox = PixelBox::new(201.0, 19.0, 20.0, 40.0);
    const HEAD: PixelBox = PixelBox::new(206.0, 18.0, 8.0, 6.0);

    #[test]
    fn nobody_is_found_in_an_outage() {
        let faults = Arc::new(Faults { outages: vec![[5.0, 6.0], [12.0, 13.0]], ..faults() });
        for (t_s, found) in [(4.9, 2), (5.0, 0), (5.9, 0), (6.0, 2), (12.5, 0), (14.0, 2)] {
            assert_eq!(left(&faults, t_s, &[WHOLE, HEAD]), found, "{t_s} s");
        }
    }

    #[test]
    fn whoever_is_missed_is_missed_by_all_detectors_of_the_look() {
        let faults = Arc::new(Faults { miss: 0.35, ..faults() });
        let all: Vec<bool> = (0..2000).map(|look| left(&faults, f64::from(look) * 0.009, &[WHOLE]) == 0).collect();
        let missed = all.iter().filter(|missed| **missed).count();
        assert!((640..760).contains(&missed), "{missed} of 2000");
        for (look, missed) in (0_i32..).zip(&all).step_by(7) {
            let t_s = f64::from(look) * 0.009;
            assert_eq!(left(&faults, t_s, &[HEAD]) == 0, *missed, "{t_s} s");
            assert_eq!(left(&faults, t_s, &[WHOLE]) == 0, *missed, "again at {t_s} s");
        }
        // Who walks is missed in other looks than who lies.
        let walks = PixelBox::new(10.0, 20.0, 20.0, 40.0);
        let differ = (0..50).filter(|look| left(&faults, f64::from(*look) * 0.009, &[walks, WHOLE]) == 1).count();
        assert!(differ > 10, "{differ}");
    }

    #[test]
    fn a_blind_detector_does_not_find_that_person_then() {
        let blind = vec![Blind { person: "lies".to_owned(), from_s: 2.0, to_s: 15.0 }];
        let faults = Arc::new(Faults { blind, ..faults() });
        let other = PixelBox::new(120.0, 100.0, 20.0, 40.0);
        assert_eq!(left(&faults, 1.0, &[WHOLE, HEAD, other]), 3);
        // Also when little of him is to be seen.
        assert_eq!((left(&faults, 3.0, &[WHOLE, HEAD, other]), left(&faults, 9.0, &[WHOLE, HEAD, other])), (1, 1));
        assert_eq!(left(&faults, 15.0, &[WHOLE, HEAD, other]), 3);
        // Another person's box, though it touches his grown one.
        let person = |person: &'static str, x: f32| TrueBox { person, bbox: PixelBox::new(x, 20.0, 20.0, 40.0), visible: 1.0 };
        let people = [person("lies", 200.0), person("stands", 221.0)];
        assert_eq!(whose(&people, PixelPoint { x: 221.5, y: 40.0 }), Some("stands"));
        assert_eq!(whose(&people, PixelPoint { x: 219.5, y: 40.0 }), Some("lies"));
        assert_eq!(whose(&people, PixelPoint { x: 196.0, y: 40.0 }), None);
    }
}

//! The detectors of one worker. Each worker has its own: an inference session is not shared between threads.

use patrol_core::{Clock, Detection, DetectionSource, Picture, PixelBox};
use patrol_vision::{DetectContext, Detector, VisionError, combine};
use std::sync::Arc;
use std::time::Duration;

/// Boxes of two looks that overlap so much are one person.
const SAME_IOU: f32 = 0.4;
/// Who overlaps a place less is not the one who is sought there.
const AT_PLACE_IOU: f32 = 0.25;

pub struct Eyes {
    detectors: Vec<Box<dyn Detector>>,
    found: Vec<Detection>,
    network: Vec<Detection>,
    hot: Vec<Detection>,
    /// Tells how long detectors take; without it nobody asks.
    clock: Option<Arc<dyn Clock>>,
    spent: Duration,
}

impl Eyes {
    /// Cameras name their detectors by index into `detectors`.
    pub fn new(detectors: Vec<Box<dyn Detector>>) -> Self {
        Self { detectors, found: Vec::new(), network: Vec::new(), hot: Vec::new(), clock: None, spent: Duration::ZERO }
    }

    /// Counts from now on how long detectors take.
    pub(crate) fn time_by(&mut self, clock: Arc<dyn Clock>) {
        self.clock = Some(clock);
    }

    /// How long detectors took since this was asked last.
    pub(crate) fn take_spent(&mut self) -> Duration {
        std::mem::take(&mut self.spent)
    }

    fn now(&self) -> Duration {
        self.clock.as_ref().map_or(Duration::ZERO, |clock| clock.monotonic())
    }

    /// Runs the detectors `which` over `picture` and combines what they find. Returns how many inferences that took.
    pub fn examine(
        &mut self,
        which: &[usize],
        picture: &Picture,
        context: &DetectContext<'_>,
        out: &mut Vec<Detection>,
    ) -> Result<u64, VisionError> {
        let began = self.now();
        self.network.clear();
        self.hot.clear();
        let mut networks = 0;
        for &index in which {
            let detector = &mut self.detectors[index];
            self.found.clear();
            detector.detect(picture, context, &mut self.found)?;
            networks += u64::from(!detector.model_sha256().is_empty());
            for detection in self.found.drain(..).filter(|found| found.bbox.is_finite() && found.score.is_finite()) {
                match detection.source {
                    DetectionSource::HotSpot => self.hot.push(detection),
                    _ => self.network.push(detection),
                }
            }
        }
        out.clear();
        combine(&self.network, &self.hot, networks > 0, out);
        self.spent += self.now().saturating_sub(began);
        Ok(which.len() as u64)
    }

    /// Looks closer at one place than [`Self::examine`] did, and adds to `out` whoever is found there and was not before. Returns how many
    /// inferences that took.
    pub fn look_closer(
        &mut self,
        which: &[usize],
        picture: &Picture,
        context: &DetectContext<'_>,
        place: &PixelBox,
        out: &mut Vec<Detection>,
    ) -> Result<u64, VisionError> {
        let began = self.now();
        let mut inferences = 0;
        self.found.clear();
        for &index in which {
            inferences += self.detectors[index].look_closer(picture, place, context, &mut self.found)?;
        }
        self.found.sort_by(|a, b| b.score.total_cmp(&a.score));
        for found in self.found.drain(..).filter(|found| found.bbox.is_finite() && found.score.is_finite()) {
            let is_new = out.iter().all(|known| known.bbox.iou(&found.bbox) < SAME_IOU);
            if is_new && found.bbox.iou(place) >= AT_PLACE_IOU {
                out.push(found);
            }
        }
        self.spent += self.now().saturating_sub(began);
        Ok(inferences)
    }

    /// Whether any of the detectors `which` is a model.
    pub fn has_network(&self, which: &[usize]) -> bool {
        which.iter().any(|&index| !self.detectors[index].model_sha256().is_empty())
    }

    /// Names of the detectors `which`, and the hashes of the models among them, both joined by `+`.
    pub fn describe(&self, which: &[usize]) -> (String, String) {
        let names: Vec<&str> = which.iter().map(|&index| self.detectors[index].name()).collect();
        let hashes = which.iter().map(|&index| self.detectors[index].model_sha256()).filter(|hash| !hash.is_empty());
        (names.join("+"), hashes.collect::<Vec<_>>().join("+"))
    }
}

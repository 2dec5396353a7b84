//! The detectors of one worker. Each worker has its own: an inference session is not shared between threads.

use patrol_core::{Detection, DetectionSource, Picture};
use patrol_vision::{DetectContext, Detector, VisionError, combine};

pub struct Eyes {
    detectors: Vec<Box<dyn Detector>>,
    found: Vec<Detection>,
    network: Vec<Detection>,
    hot: Vec<Detection>,
}

impl Eyes {
    /// Cameras name their detectors by index into `detectors`.
    pub fn new(detectors: Vec<Box<dyn Detector>>) -> Self {
        Self { detectors, found: Vec::new(), network: Vec::new(), hot: Vec::new() }
    }

    /// Runs the detectors `which` over `picture` and combines what they find. Returns how many inferences that took.
    pub fn examine(
        &mut self,
        which: &[usize],
        picture: &Picture,
        context: &DetectContext<'_>,
        out: &mut Vec<Detection>,
    ) -> Result<u64, VisionError> {
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
        Ok(which.len() as u64)
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

//! The detectors of one worker. Each worker has its own: an inference session is not shared between threads.

use patrol_core::{Clock, Detection, DetectionSource, Joints, Picture, PixelBox};
use patrol_vision::{DetectContext, Detector, PoseEstimator, VisionError, combine};
use std::sync::Arc;
use std::time::Duration;

/// Boxes of two looks that overlap so much are one person.
const SAME_IOU: f32 = 0.4;
/// Boxes of two networks that overlap so much are one person; of two people side by side whom one network has in one box, neither fills so much of it.
const AGREED_IOU: f32 = 0.55;
/// Who overlaps a place less is not the one who is sought there.
const AT_PLACE_IOU: f32 = 0.25;

pub struct Eyes {
    detectors: Vec<Box<dyn Detector>>,
    found: Vec<Detection>,
    network: Vec<Detection>,
    /// Of the network before: whether one of the next has found the same person.
    agreed: Vec<bool>,
    hot: Vec<Detection>,
    pose: Option<Box<dyn PoseEstimator>>,
    /// Tells how long detectors take; without it nobody asks.
    clock: Option<Arc<dyn Clock>>,
    spent: Duration,
}

impl Eyes {
    /// Cameras name their detectors by index into `detectors`.
    pub fn new(detectors: Vec<Box<dyn Detector>>) -> Self {
        Self {
            detectors,
            found: Vec::new(),
            network: Vec::new(),
            agreed: Vec::new(),
            hot: Vec::new(),
            pose: None,
            clock: None,
            spent: Duration::ZERO,
        }
    }

    /// Asks `pose` how those lie and stand who are found in visible light.
    #[must_use]
    pub fn with_pose(mut self, pose: Box<dyn PoseEstimator>) -> Self {
        self.pose = Some(pose);
        self
    }

    pub(crate) fn tells_poses(&self) -> bool {
        self.pose.is_some()
    }

    /// The joints of whoever is at `place`, if they can be told, and how many inferences that took.
    pub(crate) fn joints(&mut self, picture: &Picture, place: &PixelBox) -> Result<(Option<Joints>, u64), VisionError> {
        let began = self.now();
        let told = self.pose.as_mut().map_or(Ok((None, 0)), |pose| pose.joints(picture, place));
        self.spent += self.now().saturating_sub(began);
        told
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
        self.agreed.clear();
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
                    _ => add(&mut self.network, &mut self.agreed, detection),
                }
            }
            self.agreed.clear();
            self.agreed.resize(self.network.len(), false);
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

    /// Whether a look that is not in full sees fewer people than one that is, with the detectors `which`.
    pub fn sees_less_between(&self, which: &[usize]) -> bool {
        which.iter().any(|&index| self.detectors[index].sees_less_between())
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

/// Adds what a network has found to what those before it have: the better of two boxes of one person stays. `agreed` is as long as what those found.
fn add(known: &mut Vec<Detection>, agreed: &mut [bool], found: Detection) {
    let open = known.iter().zip(&*agreed).enumerate().filter(|(_, (_, agreed))| !**agreed);
    let overlaps = open.map(|(at, (one, _))| (at, one.bbox.iou(&found.bbox))).filter(|(_, iou)| *iou >= AGREED_IOU);
    let Some((at, _)) = overlaps.max_by(|a, b| a.1.total_cmp(&b.1)) else {
        known.push(found);
        return;
    };
    agreed[at] = true;
    if found.score > known[at].score {
        known[at] = found;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{MediaTime, Modality, PictureSize, PixelFormat, WallEstimate, WallTime};

    struct Says(&'static [(f32, f32)]);

    impl Detector for Says {
        fn detect(&mut self, _: &Picture, _: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
            let one = |&(x, score): &(f32, f32)| Detection {
                bbox: PixelBox::new(x, 0.0, 20.0, 40.0),
                score,
                source: DetectionSource::Network,
                resolved: true,
                blob: None,
            };
            out.extend(self.0.iter().map(one));
            Ok(())
        }
        fn name(&self) -> &'static str {
            "says"
        }
        fn model_sha256(&self) -> &'static str {
            "hash"
        }
    }

    fn seen(detectors: &[&'static [(f32, f32)]]) -> Vec<(f32, f32)> {
        let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
        let size = PictureSize::new(64, 64);
        let picture =
            Picture::from_planes(size, PixelFormat::Gray8, vec![vec![0; 64 * 64]], 0, MediaTime::ZERO, captured).expect("a picture");
        let context = DetectContext { modality: Modality::Visible, view: None, gsd_m: None, in_full: Some(0) };
        let mut eyes = Eyes::new(detectors.iter().map(|says| Box::new(Says(says)) as Box<dyn Detector>).collect());
        let mut out = Vec::new();
        let which: Vec<usize> = (0..detectors.len()).collect();
        for _ in 0..2 {
            eyes.examine(&which, &picture, &context, &mut out).expect("sees");
        }
        let mut seen: Vec<_> = out.iter().map(|one| (one.bbox.x, one.score)).collect();
        seen.sort_by(|a, b| a.0.total_cmp(&b.0));
        seen
    }

    #[test]
    fn whom_two_networks_see_is_one_and_whom_one_sees_is_not_lost() {
        assert_eq!(seen(&[&[(0.0, 0.5), (30.0, 0.8)], &[(2.0, 0.7)]]), [(2.0, 0.7), (30.0, 0.8)]);
        assert_eq!(seen(&[&[(0.0, 0.5)], &[(30.0, 0.4)], &[(1.0, 0.3), (31.0, 0.9)]]), [(0.0, 0.5), (31.0, 0.9)]);
    }

    #[test]
    fn two_people_of_one_network_stay_two_beside_one_of_another() {
        // Both overlap the first network's only box enough; it can be only one of them.
        assert_eq!(seen(&[&[(5.0, 0.5)], &[(3.0, 0.9), (7.0, 0.8)]]).len(), 2);
        assert_eq!(seen(&[&[(3.0, 0.9), (7.0, 0.8)]]).len(), 2);
    }
}

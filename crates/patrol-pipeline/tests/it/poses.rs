//! What a pose network adds: who is as high and wide as one who stands, and lies.

use crate::world::{BrightBoxes, START, Tape, Told, camera, cold_night};
use patrol_core::{Camera, Detection, DetectionSource, Joints, Modality, Outcome, Picture, PixelBox, PixelPoint};
use patrol_leads::{Desk, DeskConfig};
use patrol_pipeline::{CameraWatch, DeskRoom, Eyes, MemoryArchive, ReplayCamera};
use patrol_vision::{DetectContext, Detector, PoseEstimator, VisionError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A network that finds the bright boxes.
struct Network;

impl Detector for Network {
    fn detect(&mut self, picture: &Picture, context: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
        BrightBoxes.detect(picture, context, out)?;
        for found in out.iter_mut() {
            found.source = DetectionSource::Network;
        }
        Ok(())
    }
    fn name(&self) -> &'static str {
        "network"
    }
    fn model_sha256(&self) -> &'static str {
        "hash"
    }
}

/// Sees a trunk in the middle of every box, or fails.
struct Trunk {
    /// From hips to shoulders, in parts of the box's height.
    points: Option<[f32; 2]>,
    asked: Arc<AtomicU64>,
}

impl PoseEstimator for Trunk {
    fn joints(&mut self, _: &Picture, place: &PixelBox) -> Result<(Option<Joints>, u64), VisionError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let Some([x, y]) = self.points else {
            return Err(VisionError::Inference { model: "trunk".to_owned(), problem: "out of memory".to_owned() });
        };
        let hips = place.centre();
        let shoulders = PixelPoint { x: hips.x + x * place.h, y: hips.y + y * place.h };
        Ok((Some(Joints { shoulders, hips, knees: None, score: 0.8 }), 1))
    }
}

/// Walks in and stays where he is, as high as he was.
fn stays(t_s: f64) -> PixelBox {
    if t_s < 3.0 { PixelBox::new(10.0 + t_s as f32 * 30.0, 120.0, 20.0, 56.0) } else { PixelBox::new(90.0, 120.0, 40.0, 56.0) }
}

/// Leads, questions and looks that were examined.
fn seen_with(points: Option<[f32; 2]>, modality: Modality) -> (usize, u64, usize) {
    let asked = Arc::new(AtomicU64::new(0));
    let watch = CameraWatch::new(Camera { modality, ..camera("a", 0.5) }, vec![0], 1);
    let mut room = DeskRoom::new(Desk::new(DeskConfig::default(), vec![watch.camera.clone()]), Box::new(MemoryArchive));
    let mut cameras = [ReplayCamera::new(watch, Box::new(Tape::of(240.0, 2.0, |t| vec![stays(t)])), START)];
    let mut eyes = Eyes::new(vec![Box::new(Network)]).with_pose(Box::new(Trunk { points, asked: asked.clone() }));
    let mut told = Told::default();
    patrol_pipeline::replay::replay(START, &mut cameras, &mut eyes, &mut room, vec![cold_night()], &mut told).expect("replayed");
    let examined = told.outcomes.iter().filter(|(.., outcome)| *outcome == Outcome::Examined).count();
    (room.made_leads().len(), asked.load(Ordering::Relaxed), examined)
}

#[test]
fn who_lies_and_is_as_high_as_one_who_stands_is_found_by_his_joints() {
    let (leads, asked, examined) = seen_with(Some([0.3, 0.03]), Modality::Visible);
    assert_eq!(leads, 1);
    // While he walks he is not asked about, and at rest at most every ten seconds.
    assert!(asked <= 24 && asked + 5 <= examined as u64, "{asked} questions in {examined} looks");
    assert_eq!(seen_with(Some([0.02, -0.33]), Modality::Visible).0, 0, "he stands");
}

#[test]
fn a_pose_network_that_fails_blinds_nobody_and_thermal_pictures_are_not_shown_to_it() {
    let (leads, asked, examined) = seen_with(None, Modality::Visible);
    assert!(leads == 0 && (1..=24).contains(&asked) && examined > 10, "{leads} leads, {asked} questions, {examined} looks");
    assert_eq!(seen_with(Some([0.3, 0.03]), Modality::Thermal).1, 0);
}

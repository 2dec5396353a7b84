//! Runs a detector described by its card.

use crate::batch::BatchSession;
use crate::canvas::Canvas;
use crate::card::{InputSpec, ModelCard, TilesWhen};
use crate::closer::{self, Turn, Turned};
use crate::detector::{DetectContext, Detector, Device};
use crate::error::VisionError;
use crate::layout::{Candidate, InputExtent, keep_best};
use crate::network::{Network, inference};
use crate::prepare::{Placement, Preparer};
use crate::runtime::OnnxRuntime;
use crate::tiles::{Found, Tile, Tiling, input_for, is_cut, merge};
use ort::value::Tensor;
use patrol_core::{Detection, DetectionSource, Modality, Picture, PictureSize, PixelBox};
use std::sync::Arc;

/// A model with its inputs; a worker owns one and uses it for all its cameras.
pub struct OnnxDetector {
    runs_on: RunsOn,
    /// The card's own, then those of other proportions; last used at the end.
    inputs: Vec<Input>,
    card: ModelCard,
    min_score: f32,
    device: Device,
    tiling: Option<Tiling>,
    tiles: Vec<Tile>,
    candidates: Vec<Candidate>,
    found: Vec<Found>,
    /// Places that are looked at on their side.
    canvas: Canvas,
    runtime: Arc<OnnxRuntime>,
}

enum RunsOn {
    /// A session of its own.
    Own(Box<Network>),
    /// One for all workers.
    Shared(Arc<BatchSession>),
}

/// An input of one size.
struct Input {
    extent: InputExtent,
    tensor: Tensor<f32>,
    preparer: Preparer,
}

/// Inputs that are kept: pictures of a district have a few proportions.
const INPUTS_MAX: usize = 6;

impl Input {
    fn new(card: &ModelCard, width: u32, height: u32) -> Result<Self, VisionError> {
        let preparer = Preparer::new(&InputSpec { width, height, ..card.input.clone() });
        let shape = [1_usize, card.input.channels as usize, height as usize, width as usize];
        let tensor = Tensor::from_array((shape, vec![0.0_f32; preparer.tensor_len()])).map_err(|error| inference(card, &error))?;
        Ok(Self { extent: InputExtent { width, height }, tensor, preparer })
    }
}

impl OnnxDetector {
    /// Checks the file's hash, opens it with `threads` threads, and checks its tensors against the card.
    /// `min_score` replaces the card's. On CUDA the card's FP32 file is used where it has one: quantised graphs run slower there.
    pub fn open(
        runtime: &Arc<OnnxRuntime>,
        card: &ModelCard,
        device: Device,
        min_score: Option<f32>,
        threads: usize,
    ) -> Result<Self, VisionError> {
        let network = Network::open(runtime, card, device, threads)?;
        let (card, device) = (network.card.clone(), network.device);
        Self::with(RunsOn::Own(Box::new(network)), card, device, min_score, Arc::clone(runtime))
    }

    /// Examines in `session`, which others use too. `min_score` replaces the card's.
    pub fn sharing(session: &Arc<BatchSession>, min_score: Option<f32>) -> Result<Self, VisionError> {
        Self::with(RunsOn::Shared(Arc::clone(session)), session.card().clone(), session.device(), min_score, session.runtime())
    }

    fn with(
        runs_on: RunsOn,
        card: ModelCard,
        device: Device,
        min_score: Option<f32>,
        runtime: Arc<OnnxRuntime>,
    ) -> Result<Self, VisionError> {
        Ok(Self {
            runs_on,
            inputs: vec![Input::new(&card, card.input.width, card.input.height)?],
            min_score: min_score.unwrap_or(card.min_score),
            device,
            tiling: card.scale.map(|spec| Tiling::new(spec, &card.input)),
            tiles: Vec::new(),
            candidates: Vec::new(),
            found: Vec::new(),
            canvas: Canvas::default(),
            runtime,
            card,
        })
    }

    /// Where it really runs.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The library that runs it.
    pub fn runtime(&self) -> &OnnxRuntime {
        &self.runtime
    }

    /// The input for a tile; for a whole picture, where the network allows it, one of its proportions.
    fn input_for(&mut self, picture: &Picture, tile: &Tile) -> Result<usize, VisionError> {
        if !(tile.whole && self.card.input.any_size) {
            return Ok(0);
        }
        let (width, height) = input_for(picture.size(), [self.card.input.width as f32, self.card.input.height as f32]);
        let known = self.inputs.iter().position(|input| input.extent == InputExtent { width, height });
        if known == Some(0) {
            return Ok(0);
        }
        let input = match known {
            Some(at) => self.inputs.remove(at),
            None => Input::new(&self.card, width, height)?,
        };
        if self.inputs.len() == INPUTS_MAX {
            self.inputs.remove(1);
        }
        self.inputs.push(input);
        Ok(self.inputs.len() - 1)
    }

    /// One inference; appends to `self.found`, in pixels of the picture.
    fn examine(&mut self, picture: &Picture, tile: &Tile, modality: Modality) -> Result<(), VisionError> {
        let input = self.input_for(picture, tile)?;
        let Self { runs_on, inputs, card, candidates, found, .. } = self;
        let Input { extent, tensor, preparer } = &mut inputs[input];
        let extent = *extent;
        let placement = preparer.fill_at(picture, Some(&tile.region), tile.scale, tile.shift_px, modality, tensor.extract_tensor_mut().1);
        let mut reader = Reader { card, min_score: self.min_score, extent, placement, tile, size: picture.size(), candidates, found };
        match runs_on {
            RunsOn::Own(network) => network.run(extent, tensor, |shape, output| reader.read(shape, output)),
            RunsOn::Shared(session) => {
                let output = session.run(extent, tensor.extract_tensor().1.to_vec())?;
                reader.read(&output.shape, &output.values);
                Ok(())
            }
        }
    }

    /// Merges what was found and appends it to `out`, best first.
    fn tell(&mut self, picture: &Picture, out: &mut Vec<Detection>) {
        merge(&mut self.found, self.card.nms_iou);
        for found in &self.found {
            let bbox = found.candidate.bbox.clipped(picture.size());
            if bbox.w > 0.0 && bbox.h > 0.0 {
                let score = found.candidate.score;
                out.push(Detection { bbox, score, source: DetectionSource::Network, resolved: true, blob: None });
            }
        }
    }
}

/// Reads what a network says of one tile.
struct Reader<'a> {
    card: &'a ModelCard,
    min_score: f32,
    extent: InputExtent,
    placement: Placement,
    tile: &'a Tile,
    size: PictureSize,
    candidates: &'a mut Vec<Candidate>,
    found: &'a mut Vec<Found>,
}

impl Reader<'_> {
    /// Appends to `found`, in pixels of the picture.
    fn read(&mut self, shape: &[i64], values: &[f32]) {
        let Self { card, candidates, .. } = self;
        candidates.clear();
        let calibration = card.calibration.as_ref();
        let raw_min = calibration.map_or(self.min_score, |curve| curve.raw(self.min_score));
        card.layout.read(values, shape, self.extent, card.person_class, raw_min, candidates);
        keep_best(candidates);
        if let Some(curve) = calibration {
            for candidate in candidates.iter_mut() {
                candidate.score = curve.score(candidate.score);
            }
        }
        for candidate in candidates.iter() {
            let bbox = self.placement.picture_from_model(&candidate.bbox);
            if !is_cut(&bbox, self.tile, self.size) {
                self.found.push(Found { candidate: Candidate { bbox, ..*candidate }, scale: self.tile.scale });
            }
        }
    }
}

impl Detector for OnnxDetector {
    fn detect(&mut self, picture: &Picture, context: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
        let size = picture.size();
        self.tiles.clear();
        match &mut self.tiling {
            Some(tiling) => self.tiles.extend_from_slice(tiling.tiles(size, context)),
            None => self.tiles.push(Tile::whole(size)),
        }
        self.found.clear();
        for index in 0..self.tiles.len() {
            let tile = context.in_full.map_or(self.tiles[index], |examination| self.tiles[index].shifted(examination));
            self.examine(picture, &tile, context.modality)?;
        }
        self.tell(picture, out);
        Ok(())
    }
    fn look_closer(
        &mut self,
        picture: &Picture,
        place: &PixelBox,
        context: &DetectContext<'_>,
        out: &mut Vec<Detection>,
    ) -> Result<u64, VisionError> {
        let input = [self.card.input.width as f32, self.card.input.height as f32];
        let region = closer::region(place, picture.size(), input, self.card.scale.as_ref());
        self.found.clear();
        self.examine(picture, &Tile { region, whole: false, ..Tile::whole(picture.size()) }, context.modality)?;
        let mut inferences = 1;
        // Others' networks for visible light are taught upright people: one who lies stands up when the picture is turned.
        let turns: &[Turn] = if context.modality == Modality::Visible && !self.card.any_turn { &[Turn::Right, Turn::Left] } else { &[] };
        for &turn in turns {
            let Some(turned) = Turned::cut(picture, &region, turn, &mut self.canvas) else { continue };
            let first = self.found.len();
            self.examine(&turned.picture, &Tile::whole(turned.picture.size()), context.modality)?;
            for found in &mut self.found[first..] {
                found.candidate.bbox = turned.back(&found.candidate.bbox);
            }
            inferences += 1;
        }
        self.tell(picture, out);
        Ok(inferences)
    }
    fn sees_less_between(&self) -> bool {
        self.card.scale.is_some_and(|scale| scale.tiles == TilesWhen::InFull)
    }
    fn name(&self) -> &str {
        &self.card.name
    }
    fn model_sha256(&self) -> &str {
        &self.card.sha256
    }
}

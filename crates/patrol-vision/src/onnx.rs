//! Runs a detector described by its card.

use crate::canvas::Canvas;
use crate::card::{InputSpec, ModelCard, TilesWhen};
use crate::closer::{self, Turned};
use crate::detector::{DetectContext, Detector, Device};
use crate::error::VisionError;
use crate::layout::{Candidate, InputExtent, keep_best};
use crate::prepare::Preparer;
use crate::runtime::OnnxRuntime;
use crate::tiles::{Found, Tile, Tiling, input_for, is_cut, merge};
use ort::ep::{CUDA, ExecutionProvider};
use ort::session::Session;
use ort::value::{Outlet, Tensor, TensorElementType};
use patrol_core::{Detection, DetectionSource, Modality, Picture, PixelBox};
use std::sync::Arc;

/// One session with its input tensor; a worker owns one and uses it for all its cameras.
pub struct OnnxDetector {
    session: Session,
    input_name: String,
    output_index: usize,
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
        card.verify()?;
        let (session, device, card) = match device {
            Device::Cpu => (cpu_session(runtime, card, threads)?, Device::Cpu, card.clone()),
            Device::Cuda { fallback } => {
                let full = card.in_fp32();
                match full.verify().and_then(|()| cuda_session(runtime, &full, threads)) {
                    Ok(session) => (session, device, full),
                    Err(error) if fallback => {
                        tracing::warn!(model = card.name, %error, "cuda is missing and the configuration allows the cpu");
                        (cpu_session(runtime, card, threads)?, Device::Cpu, card.clone())
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let card = &card;
        let input = named(session.inputs(), card.input.name.as_deref(), "input", card)?;
        check_input(&session.inputs()[input], card)?;
        let output_index = named(session.outputs(), card.output.as_deref(), "output", card)?;
        check_output(&session.outputs()[output_index], card)?;
        let input_name = session.inputs()[input].name().to_owned();
        let inputs = vec![Input::new(card, card.input.width, card.input.height)?];
        let min_score = min_score.unwrap_or(card.min_score);
        let runtime = Arc::clone(runtime);
        Ok(Self {
            session,
            input_name,
            output_index,
            inputs,
            card: card.clone(),
            min_score,
            device,
            tiling: card.scale.map(|spec| Tiling::new(spec, &card.input)),
            tiles: Vec::new(),
            candidates: Vec::new(),
            found: Vec::new(),
            canvas: Canvas::default(),
            runtime,
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
        let Self { session, inputs, card, candidates, found, .. } = self;
        let Input { extent, tensor, preparer } = &mut inputs[input];
        let extent = *extent;
        let placement = preparer.fill_at(picture, Some(&tile.region), tile.scale, tile.shift_px, modality, tensor.extract_tensor_mut().1);
        let outputs = session.run(ort::inputs![self.input_name.as_str() => &*tensor]).map_err(|error| inference(card, &error))?;
        let (shape, values) = outputs[self.output_index].try_extract_tensor::<f32>().map_err(|error| inference(card, &error))?;
        card.layout.check_shape(shape, extent, card.person_class).map_err(|wanted| wrong_output(card, shape, wanted))?;
        candidates.clear();
        let calibration = card.calibration.as_ref();
        let raw_min = calibration.map_or(self.min_score, |curve| curve.raw(self.min_score));
        card.layout.read(values, shape, extent, card.person_class, raw_min, candidates);
        keep_best(candidates);
        if let Some(curve) = calibration {
            for candidate in candidates.iter_mut() {
                candidate.score = curve.score(candidate.score);
            }
        }
        for candidate in candidates.iter() {
            let bbox = placement.picture_from_model(&candidate.bbox);
            if !is_cut(&bbox, tile, picture.size()) {
                found.push(Found { candidate: Candidate { bbox, ..*candidate }, scale: tile.scale });
            }
        }
        Ok(())
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
        let turns: &[bool] = if context.modality == Modality::Visible && !self.card.any_turn { &[true, false] } else { &[] };
        for &clockwise in turns {
            let Some(turned) = Turned::cut(picture, &region, clockwise, &mut self.canvas) else { continue };
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

fn cpu_session(runtime: &OnnxRuntime, card: &ModelCard, threads: usize) -> Result<Session, VisionError> {
    session(runtime, card, threads, false).map_err(|problem| VisionError::Model {
        file: card.file.clone(),
        what: "the model cannot be opened".to_owned(),
        found: problem,
        wanted: "an ONNX model that this ONNX Runtime can run".to_owned(),
        hint: "export it again with an older opset, or renew the runtime",
    })
}

fn cuda_session(runtime: &OnnxRuntime, card: &ModelCard, threads: usize) -> Result<Session, VisionError> {
    if !CUDA::is_available().unwrap_or(false) {
        let problem = format!("{} was built without it", runtime.library().display());
        return Err(VisionError::Device { problem });
    }
    session(runtime, card, threads, true).map_err(|problem| VisionError::Device { problem })
}

fn session(runtime: &OnnxRuntime, card: &ModelCard, threads: usize, cuda: bool) -> Result<Session, String> {
    // Errors of the builder carry the builder; only their text is of use here.
    #[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
    fn text<R>(error: ort::Error<R>) -> String {
        error.message().to_owned()
    }
    let mut builder = Session::builder(runtime.environment())
        .map_err(text)?
        .with_intra_threads(threads.max(1))
        .map_err(text)?
        .with_inter_threads(1)
        .map_err(text)?
        // Its plan of memory is made for inputs of one size.
        .with_memory_pattern(!card.input.any_size)
        .map_err(text)?
        // Waiting threads must not burn the core that another camera needs.
        .with_intra_op_spinning(false)
        .map_err(text)?
        .with_inter_op_spinning(false)
        .map_err(text)?;
    if cuda {
        builder = builder.with_execution_providers([CUDA::default().build().error_on_failure()]).map_err(text)?;
    }
    builder.commit_from_file(&card.file).map_err(text)
}

fn extent(card: &ModelCard) -> InputExtent {
    InputExtent { width: card.input.width, height: card.input.height }
}

fn inference(card: &ModelCard, error: &ort::Error) -> VisionError {
    VisionError::Inference { model: card.name.clone(), problem: error.message().to_owned() }
}

fn named(outlets: &[Outlet], name: Option<&str>, what: &str, card: &ModelCard) -> Result<usize, VisionError> {
    let found = match name {
        Some(name) => outlets.iter().position(|outlet| outlet.name() == name),
        None => (!outlets.is_empty()).then_some(0),
    };
    found.ok_or_else(|| VisionError::Model {
        file: card.file.clone(),
        what: format!("{what} tensor"),
        found: outlets.iter().map(Outlet::name).collect::<Vec<_>>().join(", "),
        wanted: name.unwrap_or("at least one").to_owned(),
        hint: "correct the card's tensor names",
    })
}

fn check_input(outlet: &Outlet, card: &ModelCard) -> Result<(), VisionError> {
    let wanted = [1, i64::from(card.input.channels), i64::from(card.input.height), i64::from(card.input.width)];
    let shape = outlet.dtype().tensor_shape().map(|shape| shape.to_vec()).unwrap_or_default();
    let fits = shape.len() == 4 && shape.iter().zip(wanted).all(|(&found, wanted)| found == -1 || found == wanted);
    if fits && outlet.dtype().tensor_type() == Some(TensorElementType::Float32) {
        return Ok(());
    }
    Err(VisionError::Model {
        file: card.file.clone(),
        what: format!("input {}", outlet.name()),
        found: format!("{:?} {shape:?}", outlet.dtype().tensor_type()),
        wanted: format!("float32 {wanted:?}"),
        hint: "correct [input] of the card, or export the model with this input",
    })
}

fn check_output(outlet: &Outlet, card: &ModelCard) -> Result<(), VisionError> {
    let shape = outlet.dtype().tensor_shape().map(|shape| shape.to_vec()).unwrap_or_default();
    // A model exported without shapes is checked at its first picture.
    if shape.is_empty() {
        return Ok(());
    }
    card.layout.check_shape(&shape, extent(card), card.person_class).map_err(|wanted| wrong_output(card, &shape, wanted))
}

fn wrong_output(card: &ModelCard, shape: &[i64], wanted: String) -> VisionError {
    VisionError::Model {
        file: card.file.clone(),
        what: format!("output for layout {:?}", card.layout).to_lowercase(),
        found: format!("{shape:?}"),
        wanted,
        hint: "correct layout, person_class or input size in the card",
    }
}

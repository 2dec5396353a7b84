//! A model's session, checked against its card.

use crate::card::ModelCard;
use crate::detector::Device;
use crate::error::VisionError;
use crate::layout::InputExtent;
use crate::runtime::OnnxRuntime;
use ort::ep::{CUDA, ExecutionProvider};
use ort::session::{Session, SessionInputValue};
use ort::value::{Outlet, Tensor, TensorElementType, TensorRef};
use std::sync::Arc;

pub(crate) struct Network {
    session: Session,
    input_name: String,
    output_index: usize,
    /// The card of the file that runs: on CUDA the one in FP32, where there is one.
    pub(crate) card: ModelCard,
    pub(crate) device: Device,
}

impl Network {
    /// Checks the file's hash, opens it with `threads` threads, and checks its tensors against the card.
    pub(crate) fn open(runtime: &Arc<OnnxRuntime>, card: &ModelCard, device: Device, threads: usize) -> Result<Self, VisionError> {
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
        let input = named(session.inputs(), card.input.name.as_deref(), "input", &card)?;
        check_input(&session.inputs()[input], &card)?;
        let output_index = named(session.outputs(), card.output.as_deref(), "output", &card)?;
        check_output(&session.outputs()[output_index], &card)?;
        let input_name = session.inputs()[input].name().to_owned();
        Ok(Self { session, input_name, output_index, card, device })
    }

    /// Says so when the model was exported for one picture at a time.
    pub(crate) fn check_takes_several(&self) -> Result<(), VisionError> {
        let input = self.session.inputs().iter().find(|outlet| outlet.name() == self.input_name);
        let shape = input.and_then(|outlet| outlet.dtype().tensor_shape()).map(|shape| shape.to_vec()).unwrap_or_default();
        if shape.first().is_none_or(|pictures| *pictures == -1) {
            return Ok(());
        }
        Err(VisionError::Model {
            file: self.card.file.clone(),
            what: format!("input {} for several pictures at once", self.input_name),
            found: format!("{shape:?}"),
            wanted: "a first dimension that is open".to_owned(),
            hint: "set batch_max = 1, or export the model with an open first dimension",
        })
    }

    /// Runs over one input. `read` is given the output: its shape and its values.
    pub(crate) fn run(&mut self, extent: InputExtent, input: &Tensor<f32>, read: impl FnOnce(&[i64], &[f32])) -> Result<(), VisionError> {
        self.run_over(extent, 1, input.into(), read)
    }

    /// Runs over `values`, which hold `pictures` inputs of one `extent` one after another. `read` is given the output for each: its shape as of a single
    /// picture, and its values.
    pub(crate) fn run_batch(
        &mut self,
        extent: InputExtent,
        pictures: usize,
        values: &[f32],
        mut read: impl FnMut(&[i64], &[f32]),
    ) -> Result<(), VisionError> {
        let shape = [pictures, self.card.input.channels as usize, extent.height as usize, extent.width as usize];
        let input = TensorRef::from_array_view((shape, values)).map_err(|error| inference(&self.card, &error))?;
        self.run_over(extent, pictures, input.into(), |shape, values| {
            let mut single = shape.to_vec();
            single[0] = 1;
            for values in values.chunks_exact((values.len() / pictures).max(1)) {
                read(&single, values);
            }
        })
    }

    fn run_over(
        &mut self,
        extent: InputExtent,
        pictures: usize,
        input: SessionInputValue<'_>,
        read: impl FnOnce(&[i64], &[f32]),
    ) -> Result<(), VisionError> {
        let Self { session, card, .. } = self;
        let outputs = session.run(ort::inputs![self.input_name.as_str() => input]).map_err(|error| inference(card, &error))?;
        let (shape, values) = outputs[self.output_index].try_extract_tensor::<f32>().map_err(|error| inference(card, &error))?;
        card.layout.check_shape(shape, pictures, extent, card.person_class).map_err(|wanted| wrong_output(card, shape, wanted))?;
        read(shape, values);
        Ok(())
    }
}

pub(crate) fn cpu_session(runtime: &OnnxRuntime, card: &ModelCard, threads: usize) -> Result<Session, VisionError> {
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

pub(crate) fn inference(card: &ModelCard, error: &ort::Error) -> VisionError {
    VisionError::Inference { model: card.name.clone(), problem: error.message().to_owned() }
}

pub(crate) fn named(outlets: &[Outlet], name: Option<&str>, what: &str, card: &ModelCard) -> Result<usize, VisionError> {
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
    card.layout.check_shape(&shape, 1, extent(card), card.person_class).map_err(|wanted| wrong_output(card, &shape, wanted))
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

//! One session for all workers, on a device that examines several pictures in little more time than one.
//!
//! Each worker brings its input and waits. Whoever finds the session free runs over all inputs that wait by then, the oldest first, at most `batch_max` and of
//! one size; meanwhile the next ones gather. Nobody waits for company: a lone picture is examined alone.

use crate::card::ModelCard;
use crate::detector::Device;
use crate::error::VisionError;
use crate::layout::InputExtent;
use crate::network::Network;
use crate::runtime::OnnxRuntime;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub struct BatchSession {
    card: ModelCard,
    device: Device,
    batch_max: usize,
    /// At most one input of each worker.
    waiting: Mutex<VecDeque<Ask>>,
    running: Mutex<Running>,
}

struct Running {
    network: Network,
    /// The inputs of a batch one after another; a buffer.
    joined: Vec<f32>,
    largest: usize,
}

/// An output, or why there is none; nothing until then.
type Answer = Arc<Mutex<Option<Result<Output, String>>>>;

/// What one worker waits for.
struct Ask {
    extent: InputExtent,
    values: Vec<f32>,
    answer: Answer,
}

/// A network's answer to one picture.
pub(crate) struct Output {
    pub(crate) shape: Vec<i64>,
    pub(crate) values: Vec<f32>,
}

impl BatchSession {
    /// Opens the model once for all workers, as [`crate::OnnxDetector::open`] does for one. A model that takes one picture at a time is refused when
    /// `batch_max` is more than 1 and the device is none that a missing one was replaced by.
    pub fn open(runtime: &Arc<OnnxRuntime>, card: &ModelCard, device: Device, batch_max: usize) -> Result<Self, VisionError> {
        let network = Network::open(runtime, card, device, 1)?;
        if batch_max > 1 && network.device == device {
            network.check_takes_several()?;
        }
        Ok(Self {
            card: network.card.clone(),
            device: network.device,
            batch_max: batch_max.max(1),
            waiting: Mutex::default(),
            running: Mutex::new(Running { network, joined: Vec::new(), largest: 0 }),
        })
    }

    /// Where it really runs.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The most pictures that were examined at once so far.
    pub fn largest(&self) -> usize {
        lock(&self.running).largest
    }

    pub(crate) fn card(&self) -> &ModelCard {
        &self.card
    }

    pub(crate) fn runtime(&self) -> Arc<OnnxRuntime> {
        Arc::clone(&lock(&self.running).network.runtime)
    }

    /// Examines one input, perhaps together with others'.
    pub(crate) fn run(&self, extent: InputExtent, values: Vec<f32>) -> Result<Output, VisionError> {
        let failed = |problem| VisionError::Inference { model: self.card.name.clone(), problem };
        let answer = Answer::default();
        lock(&self.waiting).push_back(Ask { extent, values, answer: Arc::clone(&answer) });
        let mut running = lock(&self.running);
        loop {
            if let Some(output) = lock(&answer).take() {
                return output.map_err(failed);
            }
            let batch = self.next_batch();
            if batch.is_empty() {
                // Whoever had taken it broke off before the end.
                return Err(failed("the run broke off".to_owned()));
            }
            running.examine(batch);
        }
    }

    /// The oldest that waits, and others of its size in their order.
    fn next_batch(&self) -> Vec<Ask> {
        let mut waiting = lock(&self.waiting);
        let Some(extent) = waiting.front().map(|ask| ask.extent) else { return Vec::new() };
        let (mut batch, mut rest) = (Vec::new(), VecDeque::new());
        for ask in waiting.drain(..) {
            if ask.extent == extent && batch.len() < self.batch_max {
                batch.push(ask);
            } else {
                rest.push_back(ask);
            }
        }
        *waiting = rest;
        batch
    }
}

impl Running {
    fn examine(&mut self, batch: Vec<Ask>) {
        let Some(extent) = batch.first().map(|ask| ask.extent) else { return };
        self.largest = self.largest.max(batch.len());
        self.joined.clear();
        for ask in &batch {
            self.joined.extend_from_slice(&ask.values);
        }
        let mut outputs = Vec::with_capacity(batch.len());
        let ran = self.network.run_batch(extent, batch.len(), &self.joined, |shape, values| {
            outputs.push(Output { shape: shape.to_vec(), values: values.to_vec() });
        });
        let problem = ran.err().map_or_else(|| "the model gave no answer".to_owned(), |error| error.to_string());
        let mut outputs = outputs.into_iter();
        for ask in batch {
            *lock(&ask.answer) = Some(outputs.next().ok_or_else(|| problem.clone()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const WORKERS: usize = 5;

    fn opened(batch_max: usize) -> Option<(BatchSession, InputExtent)> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        let Some(library) = OnnxRuntime::find(home) else {
            println!("skipped: ONNX Runtime is not in .runtime/ and PATROL_ONNXRUNTIME is not set");
            return None;
        };
        let runtime = OnnxRuntime::load(&library).expect("ONNX Runtime loads");
        let card = ModelCard::load(&home.join("../../models/thermal-person-n")).expect("a card").in_fp32();
        let session = BatchSession::open(&runtime, &card, Device::Cpu, batch_max).expect("opens");
        Some((session, InputExtent { width: card.input.width, height: card.input.height }))
    }

    /// A bright square, elsewhere for each worker.
    fn input(extent: InputExtent, worker: usize) -> Vec<f32> {
        let (width, height) = (extent.width as usize, extent.height as usize);
        let mut values = vec![0.2; width * height];
        for row in 40 * worker..40 * worker + 24 {
            values[row * width + 60 * worker..][..12].fill(0.9);
        }
        values
    }

    #[test]
    fn who_waits_meanwhile_is_examined_together_and_each_is_given_his_own() {
        let Some((session, extent)) = opened(3) else { return };
        let alone: Vec<Vec<f32>> = (0..WORKERS).map(|worker| session.run(extent, input(extent, worker)).expect("runs").values).collect();
        assert_eq!(session.largest(), 1, "nobody waits for company");
        let busy = lock(&session.running);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS)
                .map(|worker| {
                    let session = &session;
                    scope.spawn(move || session.run(extent, input(extent, worker)).expect("runs"))
                })
                .collect();
            while lock(&session.waiting).len() < WORKERS {
                std::thread::yield_now();
            }
            drop(busy);
            for (worker, thread) in workers.into_iter().enumerate() {
                let output = thread.join().expect("no panic");
                let apart = output.values.iter().zip(&alone[worker]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(apart < 1e-3 && output.values.len() == alone[worker].len(), "worker {worker}: {apart}");
                assert_eq!(output.shape[0], 1);
            }
        });
        assert_eq!(session.largest(), 3, "five waited, three fit");
        assert!(lock(&session.waiting).is_empty());
    }

    #[test]
    fn inputs_of_another_size_wait_for_their_own_batch() {
        let Some((session, extent)) = opened(3) else { return };
        let wide = InputExtent { width: 2 * extent.width, ..extent };
        let ask = |extent| Ask { extent, values: Vec::new(), answer: Answer::default() };
        lock(&session.waiting).extend([extent, wide, extent, wide, extent, extent].map(ask));
        let sizes = || session.next_batch().iter().map(|ask| ask.extent.width / extent.width).collect::<Vec<_>>();
        assert_eq!([sizes(), sizes(), sizes(), sizes()], [vec![1, 1, 1], vec![2, 2], vec![1], vec![]]);
    }

    #[test]
    fn whose_run_broke_off_is_told_and_the_next_one_is_examined() {
        let Some((session, extent)) = opened(3) else { return };
        std::thread::scope(|scope| {
            let busy = lock(&session.running);
            let lost = scope.spawn(|| session.run(extent, input(extent, 0)).map(|_| ()));
            while lock(&session.waiting).is_empty() {
                std::thread::yield_now();
            }
            // As one who panics after he has taken a batch.
            drop(session.next_batch());
            drop(busy);
            let error = lost.join().expect("no panic").expect_err("nobody examined it").to_string();
            assert!(error.contains("broke off"), "{error}");
        });
        assert!(session.run(extent, input(extent, 1)).is_ok());
    }
}

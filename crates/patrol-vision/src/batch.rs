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
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub struct BatchSession {
    card: ModelCard,
    device: Device,
    runtime: Arc<OnnxRuntime>,
    queue: Mutex<Queue>,
    /// A run is over: its answers are there, and the next one may begin.
    over: Condvar,
}

struct Queue {
    /// At most one input of each worker.
    waiting: VecDeque<Ask>,
    /// Away while somebody runs it.
    runner: Option<Runner>,
}

struct Runner {
    network: Network,
    /// The inputs of a batch one after another; a buffer.
    joined: Vec<f32>,
    batch_max: usize,
    largest: usize,
}

/// An output, or why there is none; nothing until then.
type Answer = Arc<Mutex<Option<Result<Output, String>>>>;

/// What one worker waits for. Nobody waits for ever: whoever drops it without an answer has broken off.
struct Ask {
    extent: InputExtent,
    values: Vec<f32>,
    answer: Answer,
}

/// A network's answer to one picture.
#[derive(Debug)]
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
        let (card, device) = (network.card.clone(), network.device);
        let runner = Runner { network, joined: Vec::new(), batch_max: batch_max.max(1), largest: 0 };
        let queue = Queue { waiting: VecDeque::new(), runner: Some(runner) };
        Ok(Self { card, device, runtime: Arc::clone(runtime), queue: Mutex::new(queue), over: Condvar::new() })
    }

    /// Where it really runs.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The most pictures that were examined at once so far; `None` while a run is under way.
    pub fn largest(&self) -> Option<usize> {
        lock(&self.queue).runner.as_ref().map(|runner| runner.largest)
    }

    pub(crate) fn card(&self) -> &ModelCard {
        &self.card
    }

    pub(crate) fn runtime(&self) -> Arc<OnnxRuntime> {
        Arc::clone(&self.runtime)
    }

    /// Examines one input, perhaps together with others'.
    pub(crate) fn run(&self, extent: InputExtent, values: Vec<f32>) -> Result<Output, VisionError> {
        let answer = Answer::default();
        let mut queue = lock(&self.queue);
        queue.waiting.push_back(Ask { extent, values, answer: Arc::clone(&answer) });
        loop {
            if let Some(output) = lock(&answer).take() {
                return output.map_err(|problem| VisionError::Inference { model: self.card.name.clone(), problem });
            }
            let Some(runner) = queue.runner.take() else {
                queue = self.over.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let batch = queue.next_batch(runner.batch_max);
            drop(queue);
            let mut turn = Turn { session: self, runner: Some(runner) };
            if let Some(runner) = &mut turn.runner {
                runner.examine(batch);
            }
            drop(turn);
            queue = lock(&self.queue);
        }
    }
}

/// Puts the runner back when the run is over, however it ended.
struct Turn<'a> {
    session: &'a BatchSession,
    runner: Option<Runner>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.session.queue).runner = self.runner.take();
        self.session.over.notify_all();
    }
}

impl Queue {
    /// The oldest that waits, and others of its size in their order.
    fn next_batch(&mut self, batch_max: usize) -> Vec<Ask> {
        let Some(extent) = self.waiting.front().map(|ask| ask.extent) else { return Vec::new() };
        let (mut batch, mut rest) = (Vec::new(), VecDeque::new());
        for ask in self.waiting.drain(..) {
            if ask.extent == extent && batch.len() < batch_max {
                batch.push(ask);
            } else {
                rest.push_back(ask);
            }
        }
        self.waiting = rest;
        batch
    }
}

impl Runner {
    fn examine(&mut self, batch: Vec<Ask>) {
        let Some(problem) = self.examine_together(&batch) else { return };
        if let [only] = &batch[..] {
            only.settle(Err(problem));
            return;
        }
        // More than the device has room for, perhaps: from now on fewer, and these one by one.
        let fewer = (batch.len() / 2).max(1);
        tracing::warn!(
            model = self.network.card.name,
            pictures = batch.len(),
            problem,
            batch_max = fewer,
            "a batch failed; fewer pictures at once from now on"
        );
        self.batch_max = fewer;
        for ask in batch {
            self.examine(vec![ask]);
        }
    }

    /// Why none of them was examined, if it was so.
    fn examine_together(&mut self, batch: &[Ask]) -> Option<String> {
        let extent = batch.first()?.extent;
        self.joined.clear();
        for ask in batch {
            self.joined.extend_from_slice(&ask.values);
        }
        let mut asks = batch.iter();
        let ran = self.network.run_batch(extent, batch.len(), &self.joined, |shape, values| {
            if let Some(ask) = asks.next() {
                ask.settle(Ok(Output { shape: shape.to_vec(), values: values.to_vec() }));
            }
        });
        if ran.is_ok() {
            self.largest = self.largest.max(batch.len());
        }
        ran.err().map(|error| error.to_string())
    }
}

impl Ask {
    fn settle(&self, output: Result<Output, String>) {
        lock(&self.answer).get_or_insert(output);
    }
}

impl Drop for Ask {
    fn drop(&mut self) {
        self.settle(Err("the run broke off".to_owned()));
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

    /// Takes the session away, has all `workers` ask, and gives it back.
    fn ask_meanwhile(session: &BatchSession, extent: InputExtent, workers: usize) -> Vec<Result<Output, VisionError>> {
        let runner = lock(&session.queue).runner.take();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|worker| scope.spawn(move || session.run(extent, input(extent, worker)))).collect();
            while lock(&session.queue).waiting.len() < workers {
                std::thread::yield_now();
            }
            drop(Turn { session, runner });
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        })
    }

    #[test]
    fn who_waits_meanwhile_is_examined_together_and_each_is_given_his_own() {
        let Some((session, extent)) = opened(3) else { return };
        let alone: Vec<Vec<f32>> = (0..WORKERS).map(|worker| session.run(extent, input(extent, worker)).expect("runs").values).collect();
        assert_eq!(session.largest(), Some(1), "nobody waits for company");
        for (worker, output) in ask_meanwhile(&session, extent, WORKERS).into_iter().enumerate() {
            let output = output.expect("runs");
            let apart = output.values.iter().zip(&alone[worker]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-3 && output.values.len() == alone[worker].len(), "worker {worker}: {apart}");
            assert_eq!(output.shape[0], 1);
        }
        assert_eq!(session.largest(), Some(3), "five waited, three fit");
        assert!(lock(&session.queue).waiting.is_empty());
    }

    #[test]
    fn inputs_of_another_size_wait_for_their_own_batch() {
        let Some((session, extent)) = opened(3) else { return };
        let wide = InputExtent { width: 2 * extent.width, ..extent };
        let ask = |extent| Ask { extent, values: Vec::new(), answer: Answer::default() };
        let mut queue = lock(&session.queue);
        queue.waiting.extend([extent, wide, extent, wide, extent, extent].map(ask));
        let mut sizes = || queue.next_batch(3).iter().map(|ask| ask.extent.width / extent.width).collect::<Vec<_>>();
        assert_eq!([sizes(), sizes(), sizes(), sizes()], [vec![1, 1, 1], vec![2, 2], vec![1], vec![]]);
    }

    /// A model of one picture at a time stands for a device without room for more.
    #[test]
    fn a_batch_that_fails_is_examined_one_by_one_and_later_ones_are_smaller() {
        let Some((session, extent)) = opened(4) else { return };
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        let card = ModelCard::load(&home.join("../../models/thermal-person-n")).expect("a card");
        let narrow = Network::open(&session.runtime, &card, Device::Cpu, 1).expect("opens");
        if let Some(runner) = &mut lock(&session.queue).runner {
            runner.network = narrow;
        }
        for fewer in [2, 1] {
            assert!(ask_meanwhile(&session, extent, 4).iter().all(Result::is_ok));
            let queue = lock(&session.queue);
            let runner = queue.runner.as_ref().expect("given back");
            assert_eq!((runner.batch_max, runner.largest), (fewer, 1));
        }
    }

    #[test]
    fn whose_run_broke_off_is_told_and_the_next_one_is_examined() {
        let Some((session, extent)) = opened(3) else { return };
        let runner = lock(&session.queue).runner.take();
        std::thread::scope(|scope| {
            let lost = scope.spawn(|| session.run(extent, input(extent, 0)).map(|_| ()));
            while lock(&session.queue).waiting.is_empty() {
                std::thread::yield_now();
            }
            // As one who panics after he has taken a batch.
            drop(lock(&session.queue).next_batch(3));
            drop(Turn { session: &session, runner });
            let error = lost.join().expect("no panic").expect_err("nobody examined it").to_string();
            assert!(error.contains("broke off"), "{error}");
        });
        assert!(session.run(extent, input(extent, 1)).is_ok());
    }
}

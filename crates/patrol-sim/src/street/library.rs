//! The clips of a street, encoded when first asked for.

use super::StreetConfig;
use super::clip::{Clip, Coding, NO_CAMERA, StreetCodec, encode};
use super::code::BlockCode;
use super::content::{self, Content};
use super::fault::Fault;
use crate::error::SimError;
use patrol_core::PictureSize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Name {
    Street { view: usize },
    Frozen { view: usize },
    Black,
    Covered,
    Resized,
    SparseKeys { gop_s: u32 },
}

pub(super) struct Library {
    config: StreetConfig,
    clips: Mutex<HashMap<Name, Arc<Clip>>>,
}

/// Grey of a picture without light, and of one with a hand before the lens.
const BLACK: f32 = 16.0;
const COVERED: f32 = 96.0;
/// Groups of a clip of nothing: its key frames differ by their noise.
const EVEN_GROUPS: u32 = 3;

impl Library {
    pub(super) fn new(config: &StreetConfig) -> Self {
        Self { config: config.clone(), clips: Mutex::default() }
    }

    /// What camera `camera` plays under `fault`.
    pub(super) fn clip(&self, camera: usize, fault: Option<Fault>) -> Result<Arc<Clip>, SimError> {
        let view = camera % self.config.views.max(1);
        self.get(match fault {
            Some(Fault::Freeze) => Name::Frozen { view },
            Some(Fault::Black) => Name::Black,
            Some(Fault::Covered) => Name::Covered,
            Some(Fault::Resize) => Name::Resized,
            Some(Fault::SparseKeys { gop_s }) => Name::SparseKeys { gop_s },
            _ => Name::Street { view },
        })
    }

    /// Encodes what `fault` will need.
    pub(super) fn prepare(&self, camera: usize, fault: Option<Fault>) -> Result<(), SimError> {
        if matches!(fault, Some(Fault::WrongSps | Fault::StaleSdp)) {
            self.resized()?;
        }
        self.clip(camera, fault).map(drop)
    }

    /// The clip whose parameter sets are wrong for all others.
    pub(super) fn resized(&self) -> Result<Arc<Clip>, SimError> {
        self.get(Name::Resized)
    }

    fn get(&self, name: Name) -> Result<Arc<Clip>, SimError> {
        let found = self.clips.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        if let Some(clip) = found {
            return Ok(clip);
        }
        let clip = Arc::new(self.make(name)?);
        Ok(Arc::clone(self.clips.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_insert(clip)))
    }

    fn make(&self, name: Name) -> Result<Clip, SimError> {
        let config = &self.config;
        let in_loop = config.clip_pictures();
        let coding = self.coding();
        let shown = content::Street { seed: config.seed, empty: config.empty, fps: config.fps, strip: config.coded };
        let street = |view: usize, size| Content::street(&shown, view, in_loop, size);
        match name {
            Name::Street { view } => encode(coding, &mut street(view, coding.size)?, in_loop),
            Name::Frozen { view } => match config.codec {
                StreetCodec::H264 => {
                    let frozen = self.get(Name::Street { view })?.frozen();
                    frozen.ok_or_else(|| SimError::Street("the clip cannot be frozen".into()))
                }
                StreetCodec::H265 => {
                    let mut luma = street(view, coding.size)?.picture(0, coding.size);
                    if coding.coded {
                        BlockCode { camera: NO_CAMERA, frame: 0, unix_ms: 0 }.draw(&mut luma, coding.size.width as usize);
                    }
                    // The code is part of the one picture.
                    encode(Coding { coded: false, ..coding }, &mut Content::Still { luma }, coding.gop)
                }
            },
            Name::Black => encode(Coding { coded: false, ..coding }, &mut Content::Even { grey: BLACK }, EVEN_GROUPS * coding.gop),
            Name::Covered => encode(Coding { coded: false, ..coding }, &mut Content::Even { grey: COVERED }, EVEN_GROUPS * coding.gop),
            Name::Resized => {
                let size = smaller(coding.size);
                encode(Coding { size, ..coding }, &mut street(0, size)?, in_loop)
            }
            Name::SparseKeys { gop_s } => {
                let gop = ((f64::from(gop_s) * config.fps).round() as u32).max(1);
                encode(Coding { gop, ..coding }, &mut street(0, coding.size)?, gop)
            }
        }
    }

    fn coding(&self) -> Coding {
        let StreetConfig { codec, size, fps, kbps, b_frames, .. } = self.config;
        Coding { codec, size, fps, kbps, gop: self.config.gop_pictures(), b_frames, coded: self.config.coded }
    }
}

/// Three quarters of `size` in whole macroblocks, or four thirds where that is too narrow for the code.
fn smaller(size: PictureSize) -> PictureSize {
    let scaled = |side: u32, by: u32, of: u32| (side * by / of).next_multiple_of(16);
    let down = PictureSize::new(scaled(size.width, 3, 4), scaled(size.height, 3, 4));
    if down.width >= super::code::CODE_WIDTH_MIN { down } else { PictureSize::new(scaled(size.width, 4, 3), scaled(size.height, 4, 3)) }
}

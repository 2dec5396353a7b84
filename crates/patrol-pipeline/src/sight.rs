//! How one camera's pictures are to be read: whether they can be judged, what a thermal camera's colours mean, where the camera now looks.

use patrol_core::{MediaTime, Modality, Picture, PictureTransform, PixelBox, UnusableKind};
use patrol_vision::motion::{CameraMotion, MotionKind};
use patrol_vision::thermal::{Polarity, ThermalConfig, ThermalNormaliser, ThermalReading};
use patrol_vision::{UsabilityGuard, VisionError};

/// The view has become another when its corners have gone so far in all, in parts of the picture's width: what was learnt of sizes at each row
/// of the picture no longer holds. A mast that sways goes less.
const OTHER_VIEW_PART: f32 = 0.1;
/// Without evidence either way a camera is taken to be as delivered, white-hot, with 0.95: this takes some.
const POLARITY_SURE: f32 = 0.98;
/// Where people who walk are warm it is enough that little speaks against it. After so many looks at such they are known to be; so many count at most.
const POLARITY_UNDOUBTED: f32 = 0.9;
const WALKERS_TELL: i32 = 10;
const WALKERS_MOST: i32 = 30;

/// Where the camera looks, compared with the picture before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum View {
    Same,
    /// What stood in the picture before stands there now. `other`: all in all the view has become another one.
    Moved {
        now_from_before: PictureTransform,
        other: bool,
    },
    /// Nobody knows how a camera that moves has moved.
    Lost,
}

pub(crate) struct Sight {
    guard: UsabilityGuard,
    /// `None`: not a thermal camera.
    thermal: Option<ThermalNormaliser>,
    motion: CameraMotion,
    /// From the picture in which the present view began.
    now_from_begin: PictureTransform,
    /// What motion is not looked for in; a buffer.
    left_out: Vec<PixelBox>,
    has_flown: bool,
    /// Looks at people who walked and were warm, less those at such who were cold, which count more; since it has been read with this polarity and palette.
    warm_walkers: i32,
    read_as: Option<(Polarity, &'static str)>,
}

impl Sight {
    pub(crate) fn new(modality: Modality, thermal: &ThermalConfig) -> Self {
        Self {
            guard: UsabilityGuard::new(),
            thermal: (modality == Modality::Thermal).then(|| ThermalNormaliser::new(thermal)),
            motion: CameraMotion::new(),
            now_from_begin: PictureTransform::IDENTITY,
            left_out: Vec::new(),
            has_flown: false,
            warm_walkers: 0,
            read_as: None,
        }
    }

    /// `None`: the picture can be judged.
    pub(crate) fn judge(&mut self, picture: &Picture) -> Option<UnusableKind> {
        self.guard.judge(picture)
    }

    /// The picture that detectors should see: brighter is warmer, and nothing but the scene. The same one where that is so already.
    pub(crate) fn read(&mut self, picture: &Picture) -> Result<Picture, VisionError> {
        let Some(thermal) = &mut self.thermal else { return Ok(picture.clone()) };
        let seen = thermal.normalise(picture)?;
        let read_as = Some((thermal.reading().polarity, thermal.reading().palette));
        if read_as != self.read_as {
            self.forget_walkers();
        }
        self.read_as = read_as;
        Ok(seen)
    }

    /// Where the camera looks now. `people`: where people stood in the picture before; they may move by themselves.
    pub(crate) fn view(&mut self, picture: &Picture, people: impl Iterator<Item = PixelBox>) -> View {
        self.left_out.clear();
        self.left_out.extend(people);
        if let Some(thermal) = &self.thermal {
            self.left_out.extend_from_slice(&thermal.reading().overlays);
        }
        let motion = self.motion.estimate(picture, &self.left_out);
        match motion.kind {
            MotionKind::Still => View::Same,
            // A street camera's view is lost in a snow squall or behind a bus: it looks where it looked.
            MotionKind::Unknown if !self.motion.is_mover(picture.media_time) => View::Same,
            MotionKind::Unknown => {
                self.now_from_begin = PictureTransform::IDENTITY;
                View::Lost
            }
            MotionKind::Moved => {
                self.now_from_begin = self.now_from_begin.then(&motion.now_from_before);
                let size = picture.size();
                let other = self.now_from_begin.corner_shift(size) > OTHER_VIEW_PART * size.width as f32;
                if other {
                    self.now_from_begin = PictureTransform::IDENTITY;
                }
                View::Moved { now_from_before: motion.now_from_before, other }
            }
        }
    }

    /// Whether brighter is warmer in what was read for certain enough to say of something that it is cold: by its reading, or by people who walked there.
    /// Not of a camera that has flown or turned: nothing there tells a black-hot picture, and people are dark in it.
    pub(crate) fn tells_cold(&mut self, now: MediaTime) -> bool {
        self.has_flown |= self.motion.is_mover(now);
        let least = if self.warm_walkers >= WALKERS_TELL { POLARITY_UNDOUBTED } else { POLARITY_SURE };
        !self.has_flown && self.reading().is_some_and(|reading| reading.polarity_confidence >= least)
    }

    /// Adds what those who walk say in this look ([`Stage::warm_walkers`](crate::stage::Stage)).
    pub(crate) fn notice_walkers(&mut self, warm: i32) {
        self.warm_walkers = (self.warm_walkers + warm).clamp(-WALKERS_MOST, WALKERS_MOST);
    }

    /// The whole picture changed at once: it may show warmth otherwise.
    pub(crate) fn forget_walkers(&mut self) {
        self.warm_walkers = 0;
    }

    /// How the last thermal picture was read.
    pub(crate) fn reading(&self) -> Option<&ThermalReading> {
        self.thermal.as_ref().map(ThermalNormaliser::reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{PictureSize, PixelFormat, WallEstimate, WallTime};

    #[test]
    fn that_people_are_warm_is_known_by_those_who_walk_and_forgotten_when_all_changes() {
        let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
        let level = |at: usize| 60 + (at * 7919 % 24) as u8;
        let pixels = vec![(0..160 * 120).map(level).collect()];
        let now = MediaTime::ZERO;
        let picture = Picture::from_planes(PictureSize::new(160, 120), PixelFormat::Gray8, pixels, 0, now, captured).expect("a picture");
        let mut sight = Sight::new(Modality::Thermal, &ThermalConfig::default());
        sight.read(&picture).expect("read");
        sight.notice_walkers(WALKERS_TELL - 1);
        assert!(!sight.tells_cold(now), "as cameras are delivered is not enough");
        sight.notice_walkers(1);
        assert!(sight.tells_cold(now));
        sight.notice_walkers(-3);
        assert!(!sight.tells_cold(now), "somebody dark has walked by");
        sight.notice_walkers(9);
        sight.forget_walkers();
        assert!(!sight.tells_cold(now), "the picture may mean something else now");
        sight.notice_walkers(WALKERS_TELL);
        sight.read_as = Some((Polarity::BlackHot, "grey"));
        sight.read(&picture).expect("read");
        assert!(!sight.tells_cold(now), "it is read otherwise than when they walked");
    }
}

//! Whether and how the camera itself has moved since the picture before: what must be taken off before a person is said to have moved.
//!
//! Every picture is first asked the cheap question of `quiet`. Only when it does not say that the camera stands still is sparse flow followed
//! and one motion fitted to it (`flow`, OpenCV). Flow is followed from an *anchor*, the picture with which the present view began, so that
//! small errors do not add up from picture to picture; the anchor is renewed when the view has left it.
//!
//! A camera is taken to stand still unless something shows otherwise: for a street camera a wrong motion would restart the clock of somebody who
//! lies there.

mod flow;
mod grey;
mod quiet;

use crate::luma::Stretch;
use flow::{Fit, Pair, Points};
use grey::{Grey, GreyMaker};
use opencv::core::Mat;
use patrol_core::{MediaTime, Picture, PictureSize, PictureTransform, PixelBox, PixelFormat};
use quiet::{Explained, Middles, Reference, Small, SmallMaker, Verdict};
use std::cell::RefCell;
use std::time::Duration;

/// A camera that looks where it looked is compared with a picture not older than this: light and weather change.
const REFRESH_AFTER: Duration = Duration::from_secs(10);
/// A moving camera's anchor is not older than this.
const ANCHOR_MAX: Duration = Duration::from_secs(5);
/// The anchor is left when a corner has gone this part of the picture's width, or fewer of its points are found again than this.
const ANCHOR_SHIFT_PART: f32 = 0.15;
const ANCHOR_KEPT_PART: f32 = 0.5;
/// A motion that takes no corner farther than this part of the picture's width is none: 1 pixel of 640.
const STILL_SHIFT_PART: f32 = 1.0 / 640.0;
/// A motion of so little cannot be seen in the small pictures of [`quiet`].
const LITTLE_SHIFT_PART: f32 = 3.0 / 640.0;
/// A motion needs so many points, this part of all that were followed, in this part of the tiles.
const INLIERS_MIN: u32 = 12;
const INLIER_PART_MIN: f32 = 0.35;
const TILE_PART_MIN: f32 = 0.35;
/// The camera stands still when this part of the tiles does: traffic fills most of a street, but a moving camera leaves nothing in its place
/// except what is burnt in. One that has just moved is asked for more.
const UNMOVED_TILES_STANDING: f32 = 0.34;
const UNMOVED_TILES_MOVING: f32 = 0.6;
/// Part of the blocks with structure that a motion, or none, must explain, if there are so many.
const EXPLAINED_PART: f32 = 0.4;
const BLOCKS_MIN: usize = 4;
/// So long after it last moved a camera is one that moves.
const MOVER_FOR: Duration = Duration::from_mins(1);
/// And so often within that time: a gust that shakes a mast once makes no drone of it.
const MOVES_OF_MOVER: usize = 3;
/// Flow that was followed in vain so often running is followed every second time only, then every fourth, up to every sixteenth: noise without
/// structure, and a blizzard, would cost 10–20 ms a picture.
const VAIN_MAX: u32 = 4;
const PAUSE_DOUBLINGS: u32 = 4;
/// A point this near to a person's box, in parts of its longer side, is left out with it.
const LEFT_OUT_MARGIN: f32 = 0.2;

/// What is known of the camera's motion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MotionKind {
    /// It looks where it looked.
    Still,
    /// It moved, and it is known how.
    Moved,
    /// The view changed and nothing in it could be found again. Places of before mean nothing now if the camera is one that moves.
    Unknown,
}

/// The camera's motion from the picture before to this one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    pub kind: MotionKind,
    /// Where what stood in the picture before stands in this one, pixels of the full picture. The identity unless `Moved`.
    pub now_from_before: PictureTransform,
    /// Points that agree with it; 0 unless flow was followed.
    pub inliers: u32,
}

/// What flow has found.
struct Found {
    motion: Motion,
    now_from_anchor: PictureTransform,
    /// The anchor has had its time.
    leave_anchor: bool,
}

/// Estimates the motion of one camera from picture to picture. Keeps some 0.2 MB of it.
#[derive(Debug)]
pub struct CameraMotion {
    /// Scale of raw counts.
    stretch: Option<Stretch>,
    format: Option<(PictureSize, PixelFormat)>,
    /// The picture that flow is followed from, since when, and its points once they were needed.
    anchor: Grey,
    anchor_at: MediaTime,
    points: Option<Points>,
    /// Where what stood in the anchor stood in the last picture.
    before_from_anchor: PictureTransform,
    /// The last picture of which more than the cheap question was asked, and where what stood in the anchor stood in it: less than a pixel
    /// from where it is said to have stood, if that was called still.
    reference: Reference,
    reference_from_anchor: PictureTransform,
    /// When it moved last, the latest at the end.
    moved_at: [Option<MediaTime>; MOVES_OF_MOVER],
    /// Flow that found no motion, running, and pictures for which it is not asked again.
    vain: u32,
    pause: u32,
}

/// This picture and other buffers, some 0.5 MB: one for each thread serves all cameras that it looks at. Nothing is carried from picture to picture.
#[derive(Debug)]
struct Scratch {
    maker: GreyMaker,
    small_maker: SmallMaker,
    middles: Middles,
    /// The buffers of this picture change places with those of a camera's anchor and reference.
    now: Grey,
    now_small: Small,
    /// The same in the light of the anchor.
    now_lit: Grey,
    window: Mat,
}

impl Scratch {
    fn new() -> Self {
        flow::settle_opencv();
        Self {
            maker: GreyMaker::default(),
            small_maker: SmallMaker::default(),
            middles: Middles::default(),
            now: Grey::default(),
            now_small: Small::default(),
            now_lit: Grey::default(),
            window: Mat::default(),
        }
    }

    fn see(&mut self, picture: &Picture, stretch: Option<Stretch>) {
        self.maker.make(picture, stretch, &mut self.now);
        self.now_small.fill(&self.now, &mut self.small_maker);
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
}

impl CameraMotion {
    pub fn new() -> Self {
        Self {
            stretch: None,
            format: None,
            anchor: Grey::default(),
            anchor_at: MediaTime::ZERO,
            points: None,
            before_from_anchor: PictureTransform::IDENTITY,
            reference: Reference::default(),
            reference_from_anchor: PictureTransform::IDENTITY,
            moved_at: [None; MOVES_OF_MOVER],
            vain: 0,
            pause: 0,
        }
    }

    /// The motion since the last picture given. `left_out`: boxes of that last picture which may move by themselves or stand still on their own: its
    /// people, what is burnt in.
    ///
    /// The first picture is `Still`; the first of another size or format is `Unknown`.
    pub fn estimate(&mut self, picture: &Picture, left_out: &[PixelBox]) -> Motion {
        SCRATCH.with_borrow_mut(|scratch| self.estimate_in(scratch, picture, left_out))
    }

    /// Whether it has moved again and again within the last minute before `now`: an airborne, turning or hand-held camera.
    pub fn is_mover(&self, now: MediaTime) -> bool {
        self.moved_at[0].is_some_and(|moved| now.since(moved) <= MOVER_FOR)
    }

    fn estimate_in(&mut self, scratch: &mut Scratch, picture: &Picture, left_out: &[PixelBox]) -> Motion {
        let at = picture.media_time;
        let format = (picture.size(), picture.format());
        let first = self.format.is_none();
        if self.format != Some(format) {
            self.format = Some(format);
            scratch.maker.rescale(picture, &mut self.stretch);
            scratch.see(picture, self.stretch);
            self.begin_anew(scratch, at);
            return if first { Motion::still() } else { Motion::unknown() };
        }
        scratch.see(picture, self.stretch);
        match self.reference.judge(&scratch.now_small, &mut scratch.middles) {
            Verdict::Quiet | Verdict::Even => {
                if self.anchor_is_old(at, REFRESH_AFTER) {
                    self.renew(scratch, picture);
                }
                Motion::still()
            }
            Verdict::Ask if self.pause > 0 && !self.is_mover(at) => {
                self.pause -= 1;
                Motion::still()
            }
            Verdict::Ask => {
                let motion = self.follow(scratch, picture, left_out);
                self.vain = if motion.kind == MotionKind::Moved { 0 } else { self.vain.saturating_add(1) };
                self.pause = (1_u32 << self.vain.saturating_sub(VAIN_MAX).min(PAUSE_DOUBLINGS)) - 1;
                motion
            }
        }
    }

    fn anchor_is_old(&self, now: MediaTime, age_max: Duration) -> bool {
        now < self.anchor_at || now.since(self.anchor_at) >= age_max
    }

    /// Flow from the anchor, and what it says about the time since the last picture.
    fn follow(&mut self, scratch: &mut Scratch, picture: &Picture, left_out: &[PixelBox]) -> Motion {
        let found = self.flow(scratch, picture, left_out).unwrap_or_else(|error| {
            tracing::error!(%error, "camera motion could not be estimated");
            None
        });
        let at = picture.media_time;
        let Some(Found { motion, now_from_anchor, leave_anchor }) = found else {
            let still = self.reference.hardly_differs(&scratch.now_small, &mut scratch.middles);
            if !still || self.anchor_is_old(at, REFRESH_AFTER) {
                self.renew(scratch, picture);
            }
            return if still { Motion::still() } else { Motion::unknown() };
        };
        if motion.kind == MotionKind::Moved {
            self.moved_at.rotate_left(1);
            self.moved_at[MOVES_OF_MOVER - 1] = Some(at);
            self.before_from_anchor = now_from_anchor;
        }
        let age_max = if motion.kind == MotionKind::Still { REFRESH_AFTER } else { ANCHOR_MAX };
        if leave_anchor || self.anchor_is_old(at, age_max) {
            self.renew(scratch, picture);
        } else {
            self.reference.set(&mut scratch.now_small);
            self.reference_from_anchor = now_from_anchor;
        }
        motion
    }

    /// `None` if nothing could be found again.
    fn flow(&mut self, scratch: &mut Scratch, picture: &Picture, left_out: &[PixelBox]) -> opencv::Result<Option<Found>> {
        let size = picture.size();
        if self.points.is_none() {
            // Before the first flow from an anchor nothing has moved since it: boxes of the last picture are boxes of the anchor.
            let factor = self.anchor.factor as f32;
            let boxes: Vec<PixelBox> = left_out.iter().map(|bbox| bbox.grown(LEFT_OUT_MARGIN * bbox.w.max(bbox.h))).collect();
            let inside = |x: f32, y: f32| {
                let (x, y) = ((x + 0.5) * factor, (y + 0.5) * factor);
                boxes.iter().any(|b| x >= b.x && x <= b.right() && y >= b.y && y <= b.bottom())
            };
            self.points = Some(flow::points(&self.anchor, inside)?);
        }
        let Some(points) = &self.points else { return Ok(None) };
        let pose = self.reference_from_anchor;
        let shift = flow::coarse_shift(self.reference.small(), &scratch.now_small, &mut scratch.window)?;
        let shifted = shift.map(|(x, y)| pose.then(&PictureTransform::shift(x, y)));
        let is_other_light = scratch.now.lit_like(&self.anchor, &mut scratch.now_lit);
        let lights = [is_other_light.then_some(&scratch.now_lit), Some(&scratch.now)];
        for now in lights.into_iter().flatten() {
            for points in points.choices() {
                if points.len() < INLIERS_MIN as usize {
                    continue;
                }
                for guess in shifted.into_iter().chain([pose]) {
                    let pairs = flow::follow(&self.anchor, now, points, &guess)?;
                    let fit = flow::fit(&pairs, &self.anchor)?.filter(|fit| is_carried(fit, &pairs));
                    let Some(fit) = fit else { continue };
                    let leave_anchor = fit.motion.corner_shift(size) > ANCHOR_SHIFT_PART * size.width as f32
                        || (fit.inliers as f32) < ANCHOR_KEPT_PART * points.len() as f32;
                    if let Some((motion, now_from_anchor)) = self.judged(&scratch.now_small, picture, &fit, &pairs) {
                        return Ok(Some(Found { motion, now_from_anchor, leave_anchor }));
                    }
                }
            }
        }
        Ok(None)
    }

    /// What a fit says about the time since the last picture, and where the anchor is now; `None` if one picture is not carried into the other by it.
    fn judged(&self, now_small: &Small, picture: &Picture, fit: &Fit, pairs: &[Pair]) -> Option<(Motion, PictureTransform)> {
        let size = picture.size();
        let pose = &self.before_from_anchor;
        let now_from_before = pose.inverse()?.then(&fit.motion);
        if now_from_before.corner_shift(size) <= STILL_SHIFT_PART * size.width as f32 {
            return Some((Motion { inliers: fit.inliers, ..Motion::still() }, fit.motion));
        }
        let needed = if self.is_mover(picture.media_time) { UNMOVED_TILES_MOVING } else { UNMOVED_TILES_STANDING };
        if let Some(unmoved) = flow::unmoved(pose, pairs, &self.anchor).filter(|unmoved| unmoved.tile_part >= needed) {
            return Some((Motion { inliers: unmoved.inliers, ..Motion::still() }, *pose));
        }
        let now_from_reference = self.reference_from_anchor.inverse()?.then(&fit.motion);
        let Explained { carried, unmoved, rather_carried, rather_unmoved, blocks } =
            self.reference.explained(now_small, &now_from_reference);
        let part = |count: usize| count as f32 / blocks.max(1) as f32;
        // So little that neither explains the small picture better is left to the flow.
        let little = now_from_reference.corner_shift(size) <= LITTLE_SHIFT_PART * size.width as f32;
        if blocks < BLOCKS_MIN || (part(carried) >= EXPLAINED_PART && (little || rather_carried > rather_unmoved)) {
            return Some((Motion { kind: MotionKind::Moved, now_from_before, inliers: fit.inliers }, fit.motion));
        }
        (part(unmoved) >= EXPLAINED_PART && rather_unmoved > rather_carried).then(|| (Motion::still(), *pose))
    }

    /// This picture becomes anchor and reference. Raw counts of a scene that has become warmer or colder are given another scale first.
    fn renew(&mut self, scratch: &mut Scratch, picture: &Picture) {
        if scratch.maker.rescale(picture, &mut self.stretch) {
            scratch.see(picture, self.stretch);
        }
        self.begin_anew(scratch, picture.media_time);
    }

    fn begin_anew(&mut self, scratch: &mut Scratch, at: MediaTime) {
        std::mem::swap(&mut scratch.now, &mut self.anchor);
        self.anchor_at = at;
        self.points = None;
        self.before_from_anchor = PictureTransform::IDENTITY;
        self.reference_from_anchor = PictureTransform::IDENTITY;
        self.reference.set(&mut scratch.now_small);
    }
}

impl Default for CameraMotion {
    fn default() -> Self {
        Self::new()
    }
}

impl Motion {
    fn still() -> Self {
        Self { kind: MotionKind::Still, now_from_before: PictureTransform::IDENTITY, inliers: 0 }
    }
    fn unknown() -> Self {
        Self { kind: MotionKind::Unknown, ..Self::still() }
    }
}

/// Whether enough agrees, and in enough of the picture.
fn is_carried(fit: &Fit, pairs: &[Pair]) -> bool {
    fit.inliers >= INLIERS_MIN && fit.inliers as f32 >= INLIER_PART_MIN * pairs.len() as f32 && fit.tile_part >= TILE_PART_MIN
}

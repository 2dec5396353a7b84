//! Where the structure of one picture is in another, and the one motion that most of it shares. Here stands OpenCV.

use super::grey::Grey;
use super::quiet::Small;
use opencv::calib3d::{self, RANSAC};
use opencv::core::{CV_32F, Mat, MatTraitConst as _, MatTraitConstManual as _, Point2f, Size, TermCriteria, Vector, no_array};
use opencv::{imgproc, video};
use patrol_core::PictureTransform;
use std::sync::Once;

/// At most so many points in each of the tiles of a picture: one lit shop window must not have them all.
const TILES_ACROSS: usize = 6;
const TILES_DOWN: usize = 5;
const TILE_POINTS_MAX: usize = 8;
/// The best point of each square of so many pixels may stand for it.
const CELL: usize = 10;
/// Points so near to the edge are soon gone, and have half a window.
const EDGE: usize = 6;
/// Smaller eigenvalue of the slopes around a point, as `cv::cornerMinEigenVal` scales it for 8 bit: 6.15e-5 times the mean squared slope. A slope
/// of 0.7 grey levels a pixel in the weakest direction places a window of 15 pixels in noise of σ 6 to half a pixel.
const CORNER_MIN: f32 = 3e-5;
/// A slope of 2.5 a pixel stands out from the fixed pattern of a thermal sensor, which stands still whatever the camera does.
const CORNER_STRONG: f32 = 4e-4;
/// In this part of the tiles that have points at all, strong ones are enough by themselves.
const STRONG_TILE_PART: f32 = 0.6;
const CORNER_BLOCK: i32 = 9;
/// Lucas–Kanade: 15-pixel windows over four levels reach 50 px from the guess, 100 px of a 640-pixel picture.
const WINDOW: i32 = 15;
const LEVELS: i32 = 3;
const STEPS_MAX: i32 = 20;
const STEP_MIN_PX: f64 = 0.03;
/// Followed there and back again, a point must come back within this, pixels.
const BACK_MAX_PX: f32 = 0.7;
/// A point fits a motion within this, pixels.
const FIT_PX: f64 = 1.0;
/// A point that has not moved is found within this of its place, pixels.
const UNMOVED_PX: f64 = 0.5;
const FIT_ROUNDS_MAX: usize = 500;
/// Sampling goes on until a better motion is this unlikely: with little more than a hundred points it is cheap.
const FIT_CONFIDENCE: f64 = 0.999_999;
const FIT_REFINE_ROUNDS: usize = 10;
const REFINE_ROUNDS: usize = 4;
/// A homography is believed only if so much more fits it than a similarity, and with so many points.
const HOMOGRAPHY_GAIN: f32 = 1.3;
const HOMOGRAPHY_POINTS_MIN: usize = 24;
/// Between two looks no part of the ground becomes this much larger or smaller.
const SCALE_MAX: f32 = 1.6;
/// A peak of phase correlation below this is none.
const PEAK_MIN: f64 = 0.05;
const SEED: i32 = 1;

/// A point, and where it went. Pixels of [`Grey`] pictures, the middle of the first pixel at 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) from: Point2f,
    pub(super) to: Point2f,
}

/// The motion that most pairs share.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    /// In pixels of the full picture.
    pub(super) motion: PictureTransform,
    pub(super) inliers: u32,
    /// Part of the tiles that have a pair in which most pairs fit.
    pub(super) tile_part: f32,
}

/// One thread, as each worker has one core, and no difference between runs.
pub(super) fn settle_opencv() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Err(error) = opencv::core::set_num_threads(1) {
            tracing::warn!(%error, "opencv keeps its own number of threads");
        }
    });
}

/// Points of a picture that can be found again, spread over it.
#[derive(Debug)]
pub(super) struct Points {
    strong: Vec<Point2f>,
    /// Strong and weak ones.
    all: Vec<Point2f>,
    /// Strong points are all over the picture, not on a bus or in burnt-in text alone.
    strong_first: bool,
}

impl Points {
    /// The better choice first; the other only if it is another.
    pub(super) fn choices(&self) -> impl Iterator<Item = &[Point2f]> {
        let (first, second) = if self.strong_first { (&self.strong, &self.all) } else { (&self.all, &self.strong) };
        [first, second].into_iter().take(if first.len() == second.len() { 1 } else { 2 }).map(Vec::as_slice)
    }
}

/// The points of `grey`; `left_out` is asked in its pixels.
pub(super) fn points(grey: &Grey, left_out: impl Fn(f32, f32) -> bool) -> opencv::Result<Points> {
    let mut corners = Mat::default();
    imgproc::corner_min_eigen_val(&mat(grey)?, &mut corners, CORNER_BLOCK, 3, opencv::core::BORDER_DEFAULT)?;
    let corners = corners.data_typed::<f32>()?;
    let mut tiles: Vec<Vec<(f32, usize, usize)>> = vec![Vec::new(); TILES_ACROSS * TILES_DOWN];
    for top in (EDGE..grey.height.saturating_sub(EDGE)).step_by(CELL) {
        for left in (EDGE..grey.width.saturating_sub(EDGE)).step_by(CELL) {
            let (bottom, right) = ((top + CELL).min(grey.height - EDGE), (left + CELL).min(grey.width - EDGE));
            let cell = (top..bottom).flat_map(|y| (left..right).map(move |x| (corners[y * grey.width + x], x, y)));
            let Some(best) = cell.max_by(|a, b| a.0.total_cmp(&b.0)) else { continue };
            if best.0 >= CORNER_MIN && !left_out(best.1 as f32, best.2 as f32) {
                tiles[tile(best.1 as f32, best.2 as f32, grey)].push(best);
            }
        }
    }
    let (mut strong, mut all) = (Vec::new(), Vec::new());
    let (mut used, mut strongly) = (0, 0);
    for tile in &mut tiles {
        tile.sort_by(|a, b| b.0.total_cmp(&a.0));
        tile.truncate(TILE_POINTS_MAX);
        let point = |&(_, x, y): &(f32, usize, usize)| Point2f::new(x as f32, y as f32);
        strong.extend(tile.iter().filter(|best| best.0 >= CORNER_STRONG).map(point));
        all.extend(tile.iter().map(point));
        used += usize::from(!tile.is_empty());
        strongly += usize::from(tile.first().is_some_and(|best| best.0 >= CORNER_STRONG));
    }
    Ok(Points { strong, all, strong_first: strongly as f32 >= STRONG_TILE_PART * used as f32 })
}

/// Follows `points` from one picture to another, near to where `guess` (pixels of the full picture) sends them, and back again.
pub(super) fn follow(before: &Grey, now: &Grey, points: &[Point2f], guess: &PictureTransform) -> opencv::Result<Vec<Pair>> {
    let guess = in_grey(guess, before.factor);
    let send = |point: &Point2f| guess.point(patrol_core::PixelPoint { x: point.x, y: point.y }).map(|to| Point2f::new(to.x, to.y));
    let inside = |to: &Point2f| (0.0..now.width as f32).contains(&to.x) && (0.0..now.height as f32).contains(&to.y);
    let sent: Vec<(Point2f, Point2f)> = points.iter().filter_map(|from| send(from).filter(inside).map(|to| (*from, to))).collect();
    if sent.is_empty() {
        return Ok(Vec::new());
    }
    let from: Vector<Point2f> = sent.iter().map(|(from, _)| *from).collect();
    let mut there: Vector<Point2f> = sent.iter().map(|(_, to)| *to).collect();
    let mut back = from.clone();
    let (mut found, mut found_back) = (Vector::<u8>::new(), Vector::<u8>::new());
    lucas_kanade(before, now, &from, &mut there, &mut found)?;
    lucas_kanade(now, before, &there, &mut back, &mut found_back)?;
    let mut pairs = Vec::with_capacity(sent.len());
    for (index, (from, _)) in sent.iter().enumerate() {
        let (to, back) = (there.get(index)?, back.get(index)?);
        let returned = (back.x - from.x).hypot(back.y - from.y) <= BACK_MAX_PX;
        if found.get(index)? == 1 && found_back.get(index)? == 1 && returned && inside(&to) {
            pairs.push(Pair { from: *from, to });
        }
    }
    Ok(pairs)
}

/// The motion that most pairs share: a similarity, or a homography where that explains clearly more.
pub(super) fn fit(pairs: &[Pair], grey: &Grey) -> opencv::Result<Option<Fit>> {
    if pairs.len() < 4 {
        return Ok(None);
    }
    opencv::core::set_rng_seed(SEED)?;
    let from: Vector<Point2f> = pairs.iter().map(|pair| pair.from).collect();
    let to: Vector<Point2f> = pairs.iter().map(|pair| pair.to).collect();
    let mut fits = Mat::default();
    let rounds = FIT_ROUNDS_MAX;
    let similar = calib3d::estimate_affine_partial_2d(&from, &to, &mut fits, RANSAC, FIT_PX, rounds, FIT_CONFIDENCE, FIT_REFINE_ROUNDS)?;
    let similar = matrix::<2>(&similar)?.map(|rows| PictureTransform::affine([rows[0], rows[1]]));
    let mut best = similar.and_then(|motion| judged(&refined(motion, pairs), pairs, grey, FIT_PX));
    if pairs.len() >= HOMOGRAPHY_POINTS_MIN {
        let plane = calib3d::find_homography_ext(&from, &to, RANSAC, FIT_PX, &mut fits, FIT_ROUNDS_MAX as i32, FIT_CONFIDENCE)?;
        let plane = matrix::<3>(&plane)?.and_then(PictureTransform::homography);
        let plane = plane.filter(|motion| is_sane(motion, grey)).and_then(|motion| judged(&motion, pairs, grey, FIT_PX));
        let gain = |plane: &Fit| best.as_ref().is_none_or(|best| plane.inliers as f32 >= HOMOGRAPHY_GAIN * best.inliers as f32 + 4.0);
        if let Some(plane) = plane.filter(|plane| gain(plane)) {
            best = Some(plane);
        }
    }
    Ok(best.filter(|best| is_sane(&in_grey(&best.motion, grey.factor), grey)))
}

/// The similarity of least squares over the pairs that fit `motion`, and again over those that fit that. Sampling stops at the first motion that most
/// pairs fit, which may lean towards a bus.
fn refined(mut motion: PictureTransform, pairs: &[Pair]) -> PictureTransform {
    for _ in 0..REFINE_ROUNDS {
        let fits = |pair: &&Pair| {
            let to = motion.point(patrol_core::PixelPoint { x: pair.from.x, y: pair.from.y });
            to.is_some_and(|to| (to.x - pair.to.x).hypot(to.y - pair.to.y) <= FIT_PX as f32)
        };
        let (mut n, mut from, mut to) = (0.0_f64, (0.0_f64, 0.0_f64), (0.0_f64, 0.0_f64));
        let as_f64 = |point: &Point2f| (f64::from(point.x), f64::from(point.y));
        for pair in pairs.iter().filter(fits) {
            let (p, q) = (as_f64(&pair.from), as_f64(&pair.to));
            n += 1.0;
            from = (from.0 + p.0, from.1 + p.1);
            to = (to.0 + q.0, to.1 + q.1);
        }
        let (from, to) = ((from.0 / n, from.1 / n), (to.0 / n, to.1 / n));
        let (mut along, mut across, mut spread) = (0.0_f64, 0.0_f64, 0.0_f64);
        for pair in pairs.iter().filter(fits) {
            let (p, q) = (as_f64(&pair.from), as_f64(&pair.to));
            let (p, q) = ((p.0 - from.0, p.1 - from.1), (q.0 - to.0, q.1 - to.1));
            along += p.0 * q.0 + p.1 * q.1;
            across += p.0 * q.1 - p.1 * q.0;
            spread += p.0 * p.0 + p.1 * p.1;
        }
        let (a, b) = (along / spread, across / spread);
        let next = [[a, -b, to.0 - a * from.0 + b * from.1], [b, a, to.1 - b * from.0 - a * from.1]];
        if n < 4.0 || next.iter().flatten().any(|value| !value.is_finite()) {
            break;
        }
        motion = PictureTransform::affine(next);
    }
    motion
}

/// How many pairs, and which part of the tiles, are where `motion` (pixels of the full picture) puts them, and not even a little aside.
pub(super) fn unmoved(motion: &PictureTransform, pairs: &[Pair], grey: &Grey) -> Option<Fit> {
    judged(&in_grey(motion, grey.factor), pairs, grey, UNMOVED_PX)
}

/// The shift of the whole picture, pixels of the full picture; `None` if none stands out.
pub(super) fn coarse_shift(before: &Small, now: &Small, window: &mut Mat) -> opencv::Result<Option<(f64, f64)>> {
    let size = Size::new(before.width as i32, before.height as i32);
    if window.size()? != size {
        imgproc::create_hanning_window(window, size, CV_32F)?;
    }
    // Copies: OpenCV 4.6 multiplies its input by the window in place when the size needs no padding.
    let copy = |small: &Small| Mat::new_rows_cols_with_data(size.height, size.width, &small.pixels)?.try_clone();
    let mut peak = 0.0;
    let shift = imgproc::phase_correlate(&copy(before)?, &copy(now)?, window, Some(&mut peak))?;
    let factor = before.factor as f64;
    Ok((peak >= PEAK_MIN && shift.x.is_finite() && shift.y.is_finite()).then_some((shift.x * factor, shift.y * factor)))
}

fn lucas_kanade(before: &Grey, now: &Grey, from: &Vector<Point2f>, to: &mut Vector<Point2f>, found: &mut Vector<u8>) -> opencv::Result<()> {
    let until = TermCriteria::new(opencv::core::TermCriteria_COUNT + opencv::core::TermCriteria_EPS, STEPS_MAX, STEP_MIN_PX)?;
    let window = Size::new(WINDOW, WINDOW);
    let guessed = video::OPTFLOW_USE_INITIAL_FLOW;
    video::calc_optical_flow_pyr_lk(&mat(before)?, &mat(now)?, from, to, found, &mut no_array(), window, LEVELS, until, guessed, 1e-4)
}

/// `motion` in pixels of the grey picture.
fn judged(motion: &PictureTransform, pairs: &[Pair], grey: &Grey, within_px: f64) -> Option<Fit> {
    let mut tiles = [(0_u32, 0_u32); TILES_ACROSS * TILES_DOWN];
    let mut inliers = 0;
    for pair in pairs {
        let to = motion.point(patrol_core::PixelPoint { x: pair.from.x, y: pair.from.y })?;
        let fits = u32::from((to.x - pair.to.x).hypot(to.y - pair.to.y) <= within_px as f32);
        let (all, good) = &mut tiles[tile(pair.from.x, pair.from.y, grey)];
        *all += 1;
        *good += fits;
        inliers += fits;
    }
    let used = tiles.iter().filter(|(all, _)| *all > 0).count();
    let good = tiles.iter().filter(|(all, good)| *all > 0 && 2 * good > *all).count();
    Some(Fit { motion: in_full(motion, grey.factor), inliers, tile_part: good as f32 / used.max(1) as f32 })
}

/// Whether ground could move so between two looks. Pixels of the grey picture.
fn is_sane(motion: &PictureTransform, grey: &Grey) -> bool {
    let (w, h) = (grey.width as f32, grey.height as f32);
    let scales = [(0.0, 0.0), (w, 0.0), (0.0, h), (w, h)].map(|(x, y)| motion.scale(patrol_core::PixelPoint { x, y }));
    scales.iter().all(|scale| scale.is_some_and(|scale| (1.0 / SCALE_MAX..=SCALE_MAX).contains(&scale)))
}

fn tile(x: f32, y: f32, grey: &Grey) -> usize {
    let part = |at: f32, side: usize, tiles: usize| ((at * tiles as f32 / side as f32) as usize).min(tiles - 1);
    part(y, grey.height, TILES_DOWN) * TILES_ACROSS + part(x, grey.width, TILES_ACROSS)
}

/// From the middle of the first pixel of a grey picture to the corner of the full picture.
fn full_from_grey(factor: usize) -> PictureTransform {
    let f = factor as f64;
    PictureTransform::affine([[f, 0.0, f / 2.0], [0.0, f, f / 2.0]])
}

fn grey_from_full(factor: usize) -> PictureTransform {
    let f = factor as f64;
    PictureTransform::affine([[1.0 / f, 0.0, -0.5], [0.0, 1.0 / f, -0.5]])
}

fn in_full(motion: &PictureTransform, factor: usize) -> PictureTransform {
    grey_from_full(factor).then(motion).then(&full_from_grey(factor))
}

fn in_grey(motion: &PictureTransform, factor: usize) -> PictureTransform {
    full_from_grey(factor).then(motion).then(&grey_from_full(factor))
}

fn mat(grey: &Grey) -> opencv::Result<opencv::boxed_ref::BoxedRef<'_, Mat>> {
    Mat::new_rows_cols_with_data(grey.height as i32, grey.width as i32, &grey.pixels)
}

/// `None`: OpenCV found no solution.
fn matrix<const ROWS: usize>(mat: &Mat) -> opencv::Result<Option<[[f64; 3]; ROWS]>> {
    if mat.rows() != ROWS as i32 || mat.cols() != 3 {
        return Ok(None);
    }
    let mut rows = [[0.0; 3]; ROWS];
    for (row, values) in rows.iter_mut().enumerate() {
        for (column, value) in values.iter_mut().enumerate() {
            *value = *mat.at_2d::<f64>(row as i32, column as i32)?;
        }
    }
    Ok(rows.iter().flatten().all(|value| value.is_finite()).then_some(rows))
}

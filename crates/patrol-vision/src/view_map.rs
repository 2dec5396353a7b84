//! How two views of one turning camera overlap: where the pixels of one stand in the other.
//!
//! The edges of one are sought in the other at many zooms (template matching), or, where it is known how one looks, at many turns (`view_turn`); the best place is
//! refined to a homography (ECC: Evangelidis and Psarakis, PAMI 2008). On rendered tours overlapping presets reach 0.90 and more in the first and 0.95 in the second, and the middle of a
//! person comes to within a pixel of where he is; others have at most 0.50 and 0.59.

use crate::luma;
use crate::view_turn::turned;
use opencv::core::{CV_32F, Mat, MatTraitConst as _, MatTraitManual as _, Point, Rect, Size, TermCriteria, no_array};
use opencv::{imgproc, video};
use patrol_core::{CameraView, Picture, PictureSize, PictureTransform, PixelPoint};

/// Pixels per row of a map.
const WIDTH: usize = 160;
/// Added to every step: half of them are noise and texture.
const STEP_FLOOR: f64 = 4.0;
/// Zooms that are tried lie this far apart, from a half to twice.
const ZOOMS_PER_OCTAVE: i32 = 6;
/// The middle of the smaller picture is sought: its edges may lie outside the other.
const EDGE_PART: f32 = 0.15;
const MATCHED_MIN: f64 = 0.7;
const REFINED_MIN: f64 = 0.85;
/// A turn and what it is refined to lie no further apart than this where both views show something, pixels of a map.
const STRAYS_MAX: f32 = 3.0;
const REFINE_STEPS: i32 = 60;
const REFINE_EPSILON: f64 = 1e-4;
const REFINE_BLUR: i32 = 5;

/// The edges of one view, small.
#[derive(Debug)]
pub struct ViewMap {
    edges: Mat,
    /// Pixels of the picture for one of the map.
    factor: f64,
    size: PictureSize,
}

impl ViewMap {
    /// `None`: the picture is smaller than a map, or OpenCV fails.
    pub fn take(picture: &Picture) -> Option<Self> {
        let size = picture.size();
        if (size.width as usize) < WIDTH || size.height < 48 {
            return None;
        }
        edges_of(picture).inspect_err(|error| tracing::error!(%error, "a view cannot be mapped")).ok()
    }

    /// Where the pixels of `other` stand in this view, and in how this `view` looks if that is known; `None`: nothing says that the two overlap.
    pub fn relate(&self, other: &Self, view: Option<&CameraView>) -> Option<PictureTransform> {
        if self.size != other.size {
            return None;
        }
        related(self, other, view).inspect_err(|error| tracing::debug!(%error, "views cannot be compared")).ok().flatten()
    }
}

fn edges_of(picture: &Picture) -> opencv::Result<ViewMap> {
    let size = picture.size();
    let (w, h) = (size.width as usize, size.height as usize);
    let mut grey = Mat::new_rows_cols_with_default(h as i32, w as i32, CV_32F, 0.0.into())?;
    for y in 0..h {
        luma::row_into(picture, y, grey.at_row_mut::<f32>(y as i32)?);
    }
    let factor = w as f64 / WIDTH as f64;
    let small = Size::new(WIDTH as i32, (h as f64 / factor) as i32);
    let (mut shrunk, mut across, mut down, mut steps, mut edges) =
        (Mat::default(), Mat::default(), Mat::default(), Mat::default(), Mat::default());
    imgproc::resize(&grey, &mut shrunk, small, 0.0, 0.0, imgproc::INTER_AREA)?;
    imgproc::sobel(&shrunk, &mut across, CV_32F, 1, 0, 3, 1.0, 0.0, opencv::core::BORDER_DEFAULT)?;
    imgproc::sobel(&shrunk, &mut down, CV_32F, 0, 1, 3, 1.0, 0.0, opencv::core::BORDER_DEFAULT)?;
    opencv::core::magnitude(&across, &down, &mut steps)?;
    let mut raised = Mat::default();
    opencv::core::add(&steps, &opencv::core::Scalar::all(STEP_FLOOR), &mut raised, &no_array(), -1)?;
    opencv::core::log(&raised, &mut steps)?;
    imgproc::gaussian_blur_def(&steps, &mut edges, Size::new(0, 0), 1.0)?;
    Ok(ViewMap { edges, factor, size })
}

/// The best similarity over all zooms.
struct Match {
    score: f64,
    /// Row by row: from `other` to `home`, pixels of maps.
    rows: [[f64; 3]; 2],
}

fn related(home: &ViewMap, other: &ViewMap, view: Option<&CameraView>) -> opencv::Result<Option<PictureTransform>> {
    if let Some(guess) = zoomed(home, other)?
        && let Some(refined) = refined(home, other, &guess)?
    {
        return Ok(Some(refined));
    }
    let turned = view.map_or(Ok(None), |view| turned(&home.edges, &other.edges, view))?;
    let Some(guess) = turned.and_then(PictureTransform::homography) else { return Ok(None) };
    let (refined, in_full) = (refined(home, other, &guess)?, in_full(&guess, home.factor));
    // Eight free numbers say little of what the two do not share: the turn, of which there are three, is what is taken. Parts that lie behind the picture have no place.
    let agrees =
        |turn: &PictureTransform| refined.is_some_and(|refined| strays(turn, &refined, home.size) <= STRAYS_MAX * home.factor as f32);
    Ok(in_full.filter(|turn| turn.corner_shift(home.size).is_finite() && agrees(turn)))
}

/// How far the two put apart what `turn` puts into the picture, pixels at most.
fn strays(turn: &PictureTransform, refined: &PictureTransform, size: PictureSize) -> f32 {
    let (w, h) = (size.width as f32, size.height as f32);
    let grid = (0..81).map(|at| PixelPoint { x: w * (at % 9) as f32 / 8.0, y: h * (at / 9) as f32 / 8.0 });
    let apart = grid.filter_map(|from| {
        let at = turn.point(from).filter(|at| (0.0..w).contains(&at.x) && (0.0..h).contains(&at.y))?;
        Some(refined.point(from).map_or(f32::INFINITY, |other| (other.x - at.x).hypot(other.y - at.y)))
    });
    apart.fold(0.0, f32::max)
}

/// The best place of the middle of the smaller view in the other.
fn zoomed(home: &ViewMap, other: &ViewMap) -> opencv::Result<Option<PictureTransform>> {
    let mut best: Option<Match> = None;
    for step in -ZOOMS_PER_OCTAVE..=ZOOMS_PER_OCTAVE {
        let zoom = 2.0_f64.powf(f64::from(step) / f64::from(ZOOMS_PER_OCTAVE));
        let found = if zoom >= 1.0 { matched(&home.edges, &other.edges, zoom)? } else { matched(&other.edges, &home.edges, 1.0 / zoom)? };
        let Some((score, scale, x, y)) = found else { continue };
        // Of the smaller picture in the larger one; turned round where `home` is the smaller.
        let rows =
            if zoom >= 1.0 { [[scale, 0.0, x], [0.0, scale, y]] } else { [[1.0 / scale, 0.0, -x / scale], [0.0, 1.0 / scale, -y / scale]] };
        if best.as_ref().is_none_or(|best| score > best.score) {
            best = Some(Match { score, rows });
        }
    }
    Ok(best.filter(|best| best.score >= MATCHED_MIN).map(|best| PictureTransform::affine(best.rows)))
}

/// From `guess` on, both in pixels of maps; the outcome in those of pictures.
fn refined(home: &ViewMap, other: &ViewMap, guess: &PictureTransform) -> opencv::Result<Option<PictureTransform>> {
    let Some(to_other) = guess.inverse() else { return Ok(None) };
    // ECC asks where pixels of the template, `home`, stand in the input.
    let guess: Vec<f32> = to_other.rows().iter().flatten().map(|value| *value as f32).collect();
    let mut warp = Mat::new_rows_cols_with_data(3, 3, &guess)?.try_clone()?;
    let until = TermCriteria::new(opencv::core::TermCriteria_COUNT + opencv::core::TermCriteria_EPS, REFINE_STEPS, REFINE_EPSILON)?;
    let likeness =
        video::find_transform_ecc(&home.edges, &other.edges, &mut warp, video::MOTION_HOMOGRAPHY, until, &no_array(), REFINE_BLUR)?;
    if likeness < REFINED_MIN {
        return Ok(None);
    }
    let value = |row: i32, column: i32| warp.at_2d::<f32>(row, column).map(|value| f64::from(*value));
    let mut rows = [[0.0; 3]; 3];
    for (row, line) in (0..).zip(&mut rows) {
        for (column, cell) in (0..).zip(line) {
            *cell = value(row, column)?;
        }
    }
    Ok(PictureTransform::homography(rows).and_then(|to_other| to_other.inverse()).and_then(|to_home| in_full(&to_home, home.factor)))
}

/// Seeks the middle of `small`, shrunk by `zoom`, in `big`; the score, scale and shift from `small` to `big`.
fn matched(big: &Mat, small: &Mat, zoom: f64) -> opencv::Result<Option<(f64, f64, f64, f64)>> {
    let mut shrunk = Mat::default();
    imgproc::resize(small, &mut shrunk, Size::new(0, 0), 1.0 / zoom, 1.0 / zoom, imgproc::INTER_AREA)?;
    let (w, h) = (shrunk.cols(), shrunk.rows());
    let (left, top) = ((w as f32 * EDGE_PART) as i32, (h as f32 * EDGE_PART) as i32);
    let middle = Rect::new(left, top, w - 2 * left, h - 2 * top);
    if middle.width < 8 || middle.height < 8 || middle.width > big.cols() || middle.height > big.rows() {
        return Ok(None);
    }
    let template = Mat::roi(&shrunk, middle)?.try_clone()?;
    let mut scores = Mat::default();
    imgproc::match_template_def(big, &template, &mut scores, imgproc::TM_CCOEFF_NORMED)?;
    let (mut score, mut at) = (0.0, Point::default());
    opencv::core::min_max_loc(&scores, None, Some(&mut score), None, Some(&mut at), &no_array())?;
    Ok(score.is_finite().then(|| (score, f64::from(w) / f64::from(small.cols()), f64::from(at.x - left), f64::from(at.y - top))))
}

/// A transform of map pixels as one of picture pixels.
fn in_full(map: &PictureTransform, factor: f64) -> Option<PictureTransform> {
    let mut rows = *map.rows();
    (rows[0][2], rows[1][2]) = (rows[0][2] * factor, rows[1][2] * factor);
    (rows[2][0], rows[2][1]) = (rows[2][0] / factor, rows[2][1] / factor);
    PictureTransform::homography(rows)
}

//! How a camera has turned and zoomed between two views that share little: by the three numbers that a turn has.
//!
//! A camera that stands where it stood sees through a homography that its tilts, the pan between them and the zoom decide (Hartley and Zisserman, *Multiple View
//! Geometry*, §8.4). Where one view is known, all of another are tried on a coarse grid, and the best is refined. On rendered tours views that share a quarter
//! reach 0.89 to 0.94, views of other streets 0.68 at most.

use opencv::core::{BORDER_CONSTANT, CV_64F, Mat, MatTraitConst as _, MatTraitConstManual as _, MatTraitManual as _, Scalar, Size};
use opencv::imgproc;
use patrol_core::CameraView;
use std::f64::consts::SQRT_2;

/// Pans and tilts that are tried, degrees from the known view, and how far apart.
const PAN_MAX: i32 = 54;
const TILT_MAX: i32 = 24;
const STEP: usize = 3;
/// Zooms lie this far apart, from a half to twice.
const ZOOMS_PER_OCTAVE: i32 = 6;
/// Pixels per row of the grid's pictures.
const COARSE: i32 = 48;
/// A view shares at least this part of the known one.
const SHARED_MIN: f64 = 0.12;
const ALIKE_MIN: f64 = 0.85;
/// The grid's step is halved so often.
const ROUNDS: i32 = 5;
/// What the other view does not show; edges are above 1.
const NOTHING: f64 = -1.0;

type Rows = [[f64; 3]; 3];

/// How the other view looks: degrees right of the known one, degrees below the horizon, and its focal length for one of the known view's.
#[derive(Debug, Clone, Copy)]
struct Turn {
    pan_deg: f64,
    tilt_deg: f64,
    zoom: f64,
}

/// Where pixels of `other` stand in `home`, whose `view` is known: edges of equal size. `None`: nothing says that the two overlap.
pub(crate) fn turned(home: &Mat, other: &Mat, view: &CameraView) -> opencv::Result<Option<Rows>> {
    let coarse = Size::new(COARSE, home.rows() * COARSE / home.cols().max(1));
    let shrunk = |map: &Mat| {
        let mut small = Mat::default();
        imgproc::resize(map, &mut small, coarse, 0.0, 0.0, imgproc::INTER_AREA).map(|()| small)
    };
    let (small_home, small_other) = (shrunk(home)?, shrunk(other)?);
    let mut warped = Mat::default();
    let mut best: Option<(f64, Turn)> = None;
    let mut consider = |best: &mut Option<(f64, Turn)>, home: &Mat, other: &Mat, turn: Turn| -> opencv::Result<()> {
        let score = alike(home, other, &turn.rows(view, home), &mut warped)?;
        if score.is_some_and(|score| best.as_ref().is_none_or(|(most, _)| score > *most)) {
            *best = score.map(|score| (score, turn));
        }
        Ok(())
    };
    for step in -ZOOMS_PER_OCTAVE..=ZOOMS_PER_OCTAVE {
        let zoom = 2.0_f64.powf(f64::from(step) / f64::from(ZOOMS_PER_OCTAVE));
        for pan in (-PAN_MAX..=PAN_MAX).step_by(STEP) {
            for tilt in (-TILT_MAX..=TILT_MAX).step_by(STEP) {
                let turn = Turn { pan_deg: f64::from(pan), tilt_deg: f64::from(view.tilt_deg) + f64::from(tilt), zoom };
                consider(&mut best, &small_home, &small_other, turn)?;
            }
        }
    }
    let Some((_, mut middle)) = best else { return Ok(None) };
    for round in 1..=ROUNDS {
        let (step, zoom_step) = (STEP as f64 * 0.5_f64.powi(round), SQRT_2.powf(0.5_f64.powi(round) / 3.0));
        best = None;
        for at in 0..27 {
            let to = |place: i32| f64::from(at / place % 3 - 1);
            let turn = Turn {
                pan_deg: middle.pan_deg + step * to(1),
                tilt_deg: middle.tilt_deg + step * to(3),
                zoom: middle.zoom * zoom_step.powf(to(9)),
            };
            consider(&mut best, home, other, turn)?;
        }
        let Some((_, better)) = best else { return Ok(None) };
        middle = better;
    }
    tracing::trace!(?best, "turned?");
    Ok(best.filter(|(score, _)| *score >= ALIKE_MIN).map(|(_, turn)| turn.rows(view, home)))
}

impl Turn {
    /// From pixels of this view to those of the known one, in pictures of the size of `map`.
    fn rows(&self, known: &CameraView, map: &Mat) -> Rows {
        let (w, h) = (f64::from(map.cols()), f64::from(map.rows()));
        let focal = w / 2.0 / (f64::from(known.hfov_deg).to_radians() / 2.0).tan();
        let from_world = world_to_camera(0.0, f64::from(known.tilt_deg));
        let to_world = transposed(&world_to_camera(self.pan_deg, self.tilt_deg));
        let lens = [[focal, 0.0, w / 2.0], [0.0, focal, h / 2.0], [0.0, 0.0, 1.0]];
        let own = focal * self.zoom;
        let ray = [[1.0 / own, 0.0, -w / 2.0 / own], [0.0, 1.0 / own, -h / 2.0 / own], [0.0, 0.0, 1.0]];
        product(&product(&lens, &from_world), &product(&to_world, &ray))
    }
}

/// Rows: right, down and ahead of a camera, in a world of right, down and ahead.
fn world_to_camera(pan_deg: f64, tilt_deg: f64) -> Rows {
    let ((pan_sin, pan_cos), (tilt_sin, tilt_cos)) = (pan_deg.to_radians().sin_cos(), tilt_deg.to_radians().sin_cos());
    [[pan_cos, 0.0, -pan_sin], [-pan_sin * tilt_sin, tilt_cos, -pan_cos * tilt_sin], [pan_sin * tilt_cos, tilt_sin, pan_cos * tilt_cos]]
}

fn transposed(m: &Rows) -> Rows {
    std::array::from_fn(|row| std::array::from_fn(|column| m[column][row]))
}

fn product(a: &Rows, b: &Rows) -> Rows {
    std::array::from_fn(|row| std::array::from_fn(|column| (0..3).map(|k| a[row][k] * b[k][column]).sum()))
}

/// Correlation of what both show; `None`: too little is shared.
fn alike(home: &Mat, other: &Mat, rows: &Rows, warped: &mut Mat) -> opencv::Result<Option<f64>> {
    let mut to_home = Mat::new_rows_cols_with_default(3, 3, CV_64F, Scalar::all(0.0))?;
    to_home.data_typed_mut::<f64>()?.copy_from_slice(rows.as_flattened());
    imgproc::warp_perspective(other, warped, &to_home, home.size()?, imgproc::INTER_LINEAR, BORDER_CONSTANT, Scalar::all(NOTHING))?;
    let (mut n, mut sum_a, mut sum_b, mut aa, mut bb, mut ab) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    let shown = home.data_typed::<f32>()?.iter().zip(warped.data_typed::<f32>()?).filter(|(_, seen)| **seen >= 0.0);
    for (a, b) in shown.map(|(a, b)| (f64::from(*a), f64::from(*b))) {
        n += 1.0;
        (sum_a, sum_b) = (sum_a + a, sum_b + b);
        (aa, bb, ab) = (aa + a * a, bb + b * b, ab + a * b);
    }
    if n < SHARED_MIN * home.total() as f64 {
        return Ok(None);
    }
    let spread = (aa - sum_a * sum_a / n) * (bb - sum_b * sum_b / n);
    Ok((spread > 0.0).then(|| (ab - sum_a * sum_b / n) / spread.sqrt()).filter(|score| score.is_finite()))
}

//! `marks` of a `[[camera]]`: its view from points of the ground that somebody saw in the picture and measured from the camera's foot.
//! They are turned into `height_m`, `tilt_deg`, `heading_deg` and `hfov_deg` as the file is read.

mod fit;
#[cfg(test)]
mod tests;

use super::cameras::{HEIGHT_M, HFOV_DEG, TILT_DEG};
use super::problem::Problems;
use super::written;
use fit::{Fit, Known, Mark, fit};
use patrol_core::{CameraView, PictureSize};
use serde::Deserialize;
use std::ops::RangeInclusive;

pub(super) const KEYS: [&str; 2] = ["marks", "marks_size"];
/// More than anybody measures.
const COUNT: RangeInclusive<usize> = 4..=64;
const SIDE_PX: RangeInclusive<u32> = 64..=32_768;
/// Farther off nobody measures from a camera's foot.
const GROUND_M: RangeInclusive<f64> = -10_000.0..=10_000.0;
/// Most that the marks may miss the view by, root mean square, as a part of the picture's width.
const RMS_MAX: f64 = 0.01;
/// Spread of the marks across their longest line below which they lie in one line: of the picture's width, and of their length on the ground.
const ACROSS_PICTURE_MIN: f64 = 0.01;
const ACROSS_GROUND_MIN: f64 = 0.02;
/// Spread along it below which they lie at one place.
const ALONG_PICTURE_MIN: f64 = 0.04;
const ALONG_GROUND_MIN_M: f64 = 0.1;
/// Standard error of the height or of the focal length, as a part of it: warned of from here, refused from there.
const PART_ERROR_WARNED: f64 = 0.1;
const PART_ERROR_MAX: f64 = 0.5;
/// A tilt this far beyond its range is an error of the marks, degrees: as much as a fixed camera's tilt errs anyway.
const TILT_SLACK_DEG: f64 = 1.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MarksTable {
    marks: Option<Vec<Mark>>,
    /// Width and height of the picture in which they were marked.
    marks_size: Option<[u32; 2]>,
    height_m: Option<f64>,
}

/// Puts the view in the place of the marks, in every `[[camera]]` that has some.
pub(super) fn resolve(root: &mut toml::Table, problems: &mut Problems) {
    let Some(toml::Value::Array(cameras)) = root.get_mut("camera") else { return };
    for (index, camera) in cameras.iter_mut().enumerate() {
        let toml::Value::Table(table) = camera else { continue };
        let mut marks: toml::Table = KEYS.iter().filter_map(|key| table.remove_entry(*key)).collect();
        if marks.is_empty() {
            continue;
        }
        let place = format!("camera[{index}]");
        let also: Vec<&str> = ["tilt_deg", "hfov_deg", "heading_deg"].into_iter().filter(|key| table.remove(*key).is_some()).collect();
        marks.extend(table.remove_entry("height_m"));
        if !also.is_empty() {
            problems.error(
                format!("{place}.marks"),
                format!("{} beside marks", also.join(", ")),
                "marks, or height_m, tilt_deg and hfov_deg",
                "the marks give them all; of these only height_m may stand beside marks",
            );
            continue;
        }
        let Some(marks) = written::section::<MarksTable>(marks.into(), &place, &[], problems) else { continue };
        if let Some(view) = view(&marks, &place, problems) {
            let values =
                [("height_m", view.height_m), ("tilt_deg", view.tilt_deg), ("heading_deg", view.heading_deg), ("hfov_deg", view.hfov_deg)];
            table.extend(values.map(|(key, value)| (key.to_owned(), toml::Value::Float(value.into()))));
        }
    }
}

/// The view that the marks give; `None`: they give none, which is noted.
fn view(table: &MarksTable, place: &str, problems: &mut Problems) -> Option<CameraView> {
    let (marks_place, errors_before) = (format!("{place}.marks"), problems.errors());
    let (Some(marks), Some(size)) = (&table.marks, table.marks_size) else {
        let (missing, wanted) = if table.marks.is_none() {
            ("marks", "at least four marks, each { px = [x, y], ground_m = [east, north] }")
        } else {
            ("marks_size", "width and height of the picture in which they were marked, such as [1920, 1080]")
        };
        problems.error(format!("{place}.{missing}"), "nothing", wanted, "");
        return None;
    };
    for side in size {
        problems.in_range(format!("{place}.marks_size"), &side, &SIDE_PX, "pixels");
    }
    if let Some(height_m) = table.height_m {
        problems.in_range(format!("{place}.height_m"), &(height_m as f32), &HEIGHT_M, "metres");
    }
    if problems.errors() == errors_before {
        check_each(marks, size, &marks_place, problems);
    }
    problems.in_range(&marks_place, &marks.len(), &COUNT, "marks: six, near and far, left and right, are good");
    if problems.errors() > errors_before {
        return None;
    }
    let size = PictureSize::new(size[0], size[1]);
    if let Some(found) = degenerate(marks, f64::from(size.width)) {
        problems.error(&marks_place, found, "marks near and far, left and right", "too many views show these alike");
        return None;
    }
    let known = Known { height_m: table.height_m, tilt_deg: None };
    let fitted = fit(marks, size, known).map(|found| within_tilt(found, marks, size, known));
    let rms_max_px = RMS_MAX * f64::from(size.width);
    let Some(found) = fitted.filter(|found| found.rms_px <= rms_max_px) else {
        let found = fitted
            .map_or("marks that no view shows".to_owned(), |found| format!("marks that miss the best view by {:.0} px", found.rms_px));
        let wanted = format!("at most {rms_max_px:.0} px (root mean square), 1 % of the picture's width");
        problems.error(&marks_place, found, wanted, suspect(marks, size, known));
        return None;
    };
    is_told(&found, &marks_place, problems).then(|| found.view())
}

fn check_each(marks: &[Mark], size: [u32; 2], place: &str, problems: &mut Problems) {
    for (index, mark) in marks.iter().enumerate() {
        let [x, y] = mark.px;
        if !(0.0..=f64::from(size[0])).contains(&x) || !(0.0..=f64::from(size[1])).contains(&y) {
            let wanted = format!("x and y within marks_size, {} x {}", size[0], size[1]);
            problems.error(format!("{place}[{index}].px"), format!("{x}, {y}"), wanted, "was it marked in a picture of another size?");
        }
        for metres in mark.ground_m {
            problems.in_range(format!("{place}[{index}].ground_m"), &metres, &GROUND_M, "metres east and north of the camera's foot");
        }
        if let Some(first) = marks[..index].iter().position(|other| other.px == mark.px || other.ground_m == mark.ground_m) {
            problems.error(
                format!("{place}[{index}]"),
                format!("the point or the pixel of marks[{first}] again"),
                "a point of its own",
                "",
            );
        }
    }
}

/// In words, when the marks lie at one place or in one line, in the picture or on the ground.
fn degenerate(marks: &[Mark], width_px: f64) -> Option<String> {
    let picture = spread(marks.iter().map(|mark| mark.px));
    let ground = spread(marks.iter().map(|mark| mark.ground_m));
    if picture.0 < ALONG_PICTURE_MIN * width_px || ground.0 < ALONG_GROUND_MIN_M {
        return Some(format!("marks at one place, spread over {:.0} px and {:.1} m", picture.0, ground.0));
    }
    (picture.1 < ACROSS_PICTURE_MIN * width_px || ground.1 < ACROSS_GROUND_MIN * ground.0)
        .then(|| format!("marks in one line, {:.0} px and {:.1} m beside it", picture.1, ground.1))
}

/// Standard deviation along the points' longest direction, and across it.
fn spread(points: impl Iterator<Item = [f64; 2]> + Clone) -> (f64, f64) {
    let n = points.clone().count() as f64;
    let mean = points.clone().fold([0.0; 2], |sum, [x, y]| [sum[0] + x / n, sum[1] + y / n]);
    let mut moments = [0.0; 3];
    for [x, y] in points {
        let (dx, dy) = (x - mean[0], y - mean[1]);
        moments = [moments[0] + dx * dx / n, moments[1] + dx * dy / n, moments[2] + dy * dy / n];
    }
    // Eigenvalues of the 2 × 2 covariance.
    let (half, root) = (f64::midpoint(moments[0], moments[2]), ((moments[0] - moments[2]) / 2.0).hypot(moments[1]));
    ((half + root).sqrt(), (half - root).max(0.0).sqrt())
}

/// A camera that looks straight down is soon fitted a little beyond that: then the best view with the tilt at the end of its range.
fn within_tilt(found: Fit, marks: &[Mark], size: PictureSize, known: Known) -> Fit {
    let nearest_deg = found.tilt_deg.clamp(f64::from(*TILT_DEG.start()), f64::from(*TILT_DEG.end()));
    let beyond_deg = (found.tilt_deg - nearest_deg).abs();
    if beyond_deg == 0.0 || beyond_deg > TILT_SLACK_DEG {
        return found;
    }
    let mut held = fit(marks, size, Known { tilt_deg: Some(nearest_deg), ..known }).unwrap_or(found);
    // How well the marks tell height from zoom is what it was before the tilt was held.
    (held.height_error, held.focal_error) = (found.height_error, found.focal_error);
    held
}

/// What is probably wrong with marks that no view shows.
fn suspect(marks: &[Mark], size: PictureSize, known: Known) -> String {
    let rms_max_px = RMS_MAX * f64::from(size.width);
    let exchanged: Vec<Mark> = marks.iter().map(|mark| Mark { ground_m: [mark.ground_m[1], mark.ground_m[0]], ..*mark }).collect();
    if fit(&exchanged, size, known).is_some_and(|found| found.rms_px <= rms_max_px && is_told(&found, "", &mut Problems::default())) {
        return "are east and north exchanged? The first number is metres east".to_owned();
    }
    // Least squares spread one wrong mark over all: it is the one without which the others agree.
    let without = (0..marks.len()).filter_map(|index| {
        let others: Vec<Mark> = marks.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, mark)| *mark).collect();
        let found = fit(&others, size, known)?;
        Some((index, found.rms_px, found.miss_px(&marks[index])))
    });
    match without.min_by(|a, b| a.1.total_cmp(&b.1)) {
        Some((index, rms_px, Some(miss_px))) if rms_px <= rms_max_px => {
            format!("marks[{index}] is worst, {miss_px:.0} px from where the others put it: a wrong mark, or a lens with strong distortion")
        }
        Some((index, rms_px, _)) => format!(
            "marks[{index}] is worst, but without it the others still miss by {rms_px:.0} px: several wrong or rough marks, or a lens with strong distortion"
        ),
        None => "metres are counted east and north from the camera's foot".to_owned(),
    }
}

/// Whether the marks tell the height, and give a view that can be.
fn is_told(found: &Fit, place: &str, problems: &mut Problems) -> bool {
    const WANTED: &str = "marks that tell height from zoom: near and far, left and right";
    const HINT: &str = "measure the camera's height and write height_m beside marks";
    let (view, error) = (found.view(), found.height_error.max(found.focal_error));
    if error > PART_ERROR_MAX {
        problems.error(place, "marks that are shown alike from low with a wide view and from high with a narrow one", WANTED, HINT);
        return false;
    }
    let results = [
        ("height", view.height_m, HEIGHT_M, "metres"),
        ("tilt", view.tilt_deg, TILT_DEG, "degrees"),
        ("field of view", view.hfov_deg, HFOV_DEG, "degrees"),
    ];
    if let Some((what, value, range, unit)) = results.into_iter().find(|(_, value, range, _)| !range.contains(value)) {
        let wanted = format!("{} to {} {unit}", range.start(), range.end());
        problems.error(place, format!("marks that give a {what} of {value:.1} {unit}"), wanted, HINT);
        return false;
    }
    if error > PART_ERROR_WARNED {
        let [height, focal] = [found.height_error, found.focal_error].map(|part| part * 100.0);
        problems.warning(
            place,
            format!("a height of {:.1} m ± {height:.0} % and a focal length ± {focal:.0} %", view.height_m),
            WANTED,
            HINT,
        );
    }
    true
}

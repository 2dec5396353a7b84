//! The figures by how a picture was taken and by how large people are: where a detector fails.

use super::score::{Figures, Judged, figures, judge, ranked};
use super::sheets::{Image, Rect, Sheet, Truth};
use serde::Serialize;
use std::fmt::{self, Write as _};

/// Metres a band of altitude is high.
const ALTITUDE_STEP: i64 = 20;
/// Edges of the bands of the camera's angle, degrees below the horizon. The last band has its upper edge.
const ANGLES: [f64; 5] = [0.0, 30.0, 50.0, 70.0, 90.0];
const SIZES: [&str; 4] = ["<10", "10-16", "16-24", ">24"];

/// One list a property; empty, and not written, where the truth does not have it. Bands have their lower edge.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Breakdown {
    /// Metres above ground.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) altitude: Vec<Band>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) time: Vec<Band>,
    /// Degrees below the horizon; pictures outside of 0 to 90 are in no band.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) angle: Vec<Band>,
    /// Square root of the box's area in pixels. People of other sizes count as ignored, and so do detections of other sizes that match nobody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) size: Vec<Band>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Band {
    pub(super) range: String,
    #[serde(flatten)]
    pub(super) figures: Figures,
}

impl Breakdown {
    /// Heading (Chinese, English) and bands of every property that the truth has.
    pub(super) fn parts(&self) -> Vec<(&'static str, &'static str, &[Band])> {
        let all = [
            ("高度 (米)", "altitude (m)", self.altitude.as_slice()),
            ("昼夜", "time", self.time.as_slice()),
            ("俯角 (度)", "angle (degrees)", self.angle.as_slice()),
            ("框的大小 (像素)", "size (px)", self.size.as_slice()),
        ];
        all.into_iter().filter(|(_, _, bands)| !bands.is_empty()).collect()
    }

    /// Aligned lines, a block a property.
    pub(super) fn lines(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        for (_, heading, bands) in self.parts() {
            writeln!(text, "\n{heading:<26} {:>8} {:>8} {:>8} {:>8} {:>8}", "ap50", "@0.1fp", "@1fp", "people", "pictures")?;
            for Band { range, figures } in bands {
                let [ap50, few, one] = [figures.ap50, figures.recall_at_0_1_fp, figures.recall_at_1_fp].map(share);
                writeln!(text, "{range:<26} {ap50:>8} {few:>8} {one:>8} {:>8} {:>8}", figures.people, figures.pictures)?;
            }
        }
        Ok(text)
    }
}

/// Three digits; a dash where there is no denominator.
pub(super) fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

pub(super) fn break_down(truth: &Truth, sheets: &[Sheet], judged: &[Vec<Judged>]) -> Breakdown {
    let by = |band: &dyn Fn(&Image) -> Option<(i64, String)>| by_picture(truth, sheets, judged, band);
    Breakdown {
        altitude: by(&|image| image.altitude_m.map(altitude_band)),
        time: by(&|image| image.night.map(|night| (i64::from(night != 0), if night == 0 { "day" } else { "night" }.to_owned()))),
        angle: by(&|image| image.camera_angle.and_then(angle_band)),
        size: by_size(sheets),
    }
}

fn altitude_band(metres: f64) -> (i64, String) {
    let from = (metres / ALTITUDE_STEP as f64).floor() as i64 * ALTITUDE_STEP;
    (from, format!("{from}-{}", from + ALTITUDE_STEP))
}

fn angle_band(degrees: f64) -> Option<(i64, String)> {
    if !(ANGLES[0]..=ANGLES[ANGLES.len() - 1]).contains(&degrees) {
        return None;
    }
    let at = ANGLES.partition_point(|edge| *edge <= degrees).min(ANGLES.len() - 1);
    Some((at as i64, format!("{}-{}", ANGLES[at - 1], ANGLES[at])))
}

/// Place among [`SIZES`].
fn size_band([_, _, w, h]: &Rect) -> usize {
    match (w * h).sqrt() {
        side if side < 10.0 => 0,
        side if side < 16.0 => 1,
        side if side <= 24.0 => 2,
        _ => 3,
    }
}

/// `band` gives a picture's band, and the place of the band among the others.
fn by_picture(truth: &Truth, sheets: &[Sheet], judged: &[Vec<Judged>], band: &dyn Fn(&Image) -> Option<(i64, String)>) -> Vec<Band> {
    let mut pictures: std::collections::BTreeMap<(i64, String), Vec<usize>> = std::collections::BTreeMap::new();
    for (index, image) in truth.images.iter().enumerate() {
        if let Some(band) = band(image) {
            pictures.entry(band).or_default().push(index);
        }
    }
    let band = |((_, range), pictures): ((i64, String), Vec<usize>)| {
        let people = pictures.iter().flat_map(|&index| &sheets[index].targets).filter(|target| !target.region).count();
        let ranked = ranked(pictures.iter().flat_map(|&index| &judged[index]));
        Band { range, figures: figures(&ranked, people, pictures.len()) }
    };
    pictures.into_iter().map(band).collect()
}

/// Matched anew for each size, as COCO does for areas. All pictures count: a false alarm of this size can stand on any.
fn by_size(sheets: &[Sheet]) -> Vec<Band> {
    let people_of = |band: usize| {
        let targets = sheets.iter().flat_map(|sheet| &sheet.targets);
        targets.filter(|target| !target.region && size_band(&target.bbox) == band).count()
    };
    let band = |(band, range): (usize, &&str)| {
        let people = people_of(band);
        let judged: Vec<Vec<Judged>> = sheets.iter().map(|sheet| judge(sheet, |bbox| size_band(bbox) == band)).collect();
        Band { range: (*range).to_owned(), figures: figures(&ranked(judged.iter().flatten()), people, sheets.len()) }
    };
    SIZES.iter().enumerate().map(band).filter(|band| band.figures.people > 0).collect()
}

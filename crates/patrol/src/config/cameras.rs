//! Cameras: place, promise, source, and the detectors that look. Tables of the pipeline file and rows of the register are checked alike.

use super::detectors::Known;
use super::interior;
use super::place::Place;
use super::plan::{CameraPlan, DetectorPlan};
use super::problem::Problems;
use super::register::Register;
use super::site_class::{DEFAULT_SITE_PRIOR, prior_of_class};
use super::source::{self, SourcePlan, quoted};
use super::written::CameraTable;
use patrol_core::{Camera, CameraId, CameraView, Crs, Modality, Position, Promise};
use patrol_vision::thermal::ThermalConfig;
use serde::de::value::{Error as NameError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

pub(super) const HEIGHT_M: RangeInclusive<f32> = 0.5..=1000.0;
pub(super) const TILT_DEG: RangeInclusive<f32> = 0.0..=90.0;
pub(super) const HFOV_DEG: RangeInclusive<f32> = 1.0..=170.0;
/// Clockwise from north; west is 270 to some and -90 to others.
const HEADING_DEG: RangeInclusive<f32> = -360.0..=360.0;
const POSITION_ERROR_M: RangeInclusive<f32> = 0.0..=10_000.0;
const LOOK_EVERY_S: RangeInclusive<f64> = 0.0..=3600.0;
const LOOK_LIMIT_MAX_S: f64 = 86_400.0;
const RESCAN_EVERY_S: RangeInclusive<f64> = 1.0..=120.0;
/// Files are named after ids, and no file system here takes longer names than 255 bytes.
const ID_MAX_BYTES: usize = 128;

/// A camera of the register that does not run: its place is not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// `cameras.csv:12`.
    pub(crate) place: String,
    /// When the row has one that can be an id.
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    /// No camera may be there: it does not run on after a reload either.
    pub(crate) forbidden: bool,
    /// The row is not of the register's shape: other cameras may have got lost in it.
    pub(crate) misshapen: bool,
}

/// What the pipeline file and its register say of cameras.
#[derive(Default)]
pub(super) struct Cameras {
    pub(super) plans: Vec<CameraPlan>,
    pub(super) left_out: Vec<LeftOut>,
}

/// Checks every camera. A fault in a `[[camera]]` table costs the pipeline, one in a row of the register that camera.
pub(super) fn plans(
    tables: Vec<Option<CameraTable>>,
    register: Option<Register>,
    folder: &Path,
    detectors: &[DetectorPlan],
    known: &Known,
    problems: &mut Problems,
) -> Cameras {
    let (mut cameras, mut seen) = (Cameras::default(), Seen::default());
    for (index, table) in tables.into_iter().enumerate() {
        let Some(table) = table else { continue };
        let place = Place::of_table(index);
        let checked = check(&table, &place, folder, detectors, known, problems);
        seen.check(&table, checked.plan.as_ref(), &place, problems);
        if let Some(plan) = checked.plan {
            seen.note(&plan, &place);
            cameras.plans.push(plan);
        }
    }
    let Some(register) = register else { return cameras };
    for row in register.rows {
        let place = Place::of_row(&register.name, row.line, &register.headings);
        let mut problems_of_row = row.problems;
        let mut left_out = LeftOut {
            place: place.base().to_owned(),
            // Of a row out of shape anything may stand in these cells, addresses and other rows too.
            id: row.id.filter(|id| is_id(id)),
            name: if row.misshapen || row.name.contains("://") { String::new() } else { row.name },
            forbidden: false,
            misshapen: row.misshapen,
        };
        if let Some(table) = row.table {
            let checked = check(&table, &place, &register.folder, detectors, known, &mut problems_of_row);
            seen.check(&table, checked.plan.as_ref(), &place, &mut problems_of_row);
            left_out.forbidden = checked.forbidden;
            if let Some(plan) = checked.plan.filter(|_| problems_of_row.errors() == 0) {
                seen.note(&plan, &place);
                cameras.plans.push(plan);
                problems.append_of_camera(problems_of_row);
                continue;
            }
        }
        problems.append_of_camera(problems_of_row);
        cameras.left_out.push(left_out);
    }
    cameras
}

fn is_id(text: &str) -> bool {
    (1..=ID_MAX_BYTES).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && !text.starts_with('.')
}

struct Checked {
    /// To be used only when no error was noted.
    plan: Option<CameraPlan>,
    forbidden: bool,
}

fn check(
    table: &CameraTable,
    place: &Place<'_>,
    folder: &Path,
    detectors: &[DetectorPlan],
    known: &Known,
    problems: &mut Problems,
) -> Checked {
    let id = &table.id;
    if !is_id(id) {
        problems.error(place.at("id"), quoted(id), "letters, digits, '-', '_' and '.'", "files are named after it");
    }
    let forbidden = interior::is_forbidden(table, place, problems);
    check_code(table, place, problems);
    if let Some(grid) = table.grid.as_ref().filter(|grid| grid.len() != 15 || !grid.bytes().all(|byte| byte.is_ascii_digit())) {
        let hint = if is_scientific(grid) { SCIENTIFIC_HINT } else { "the city may not find the place by it" };
        problems.warning(place.at("grid"), quoted(grid), "15 digits of the unit grid", hint);
    }
    let source = source::plan(table, place, folder, problems);
    let (detectors, camera) = (chosen_detectors(table, place, detectors, known, problems), camera(table, place, problems));
    let plan = source.map(|source| CameraPlan {
        camera,
        source,
        detectors,
        thermal: thermal(table, place, problems),
        source_place: place.at("source"),
    });
    Checked { plan, forbidden }
}

/// How a thermal camera shows warmth, as far as somebody wrote it down.
fn thermal(table: &CameraTable, place: &Place<'_>, problems: &mut Problems) -> ThermalConfig {
    let given =
        [("polarity", table.polarity.is_some()), ("palette", table.palette.is_some()), ("mask_overlays", table.mask_overlays.is_some())];
    if table.modality != Modality::Thermal {
        for (key, _) in given.into_iter().filter(|(_, given)| *given) {
            problems.error(place.at(key), "a value", "none: the camera is not thermal", "take it out");
        }
        return ThermalConfig::default();
    }
    ThermalConfig {
        polarity: named(table.polarity.as_ref(), &place.at("polarity"), "auto, white-hot or black-hot", problems),
        palette: named(
            table.palette.as_ref(),
            &place.at("palette"),
            "auto, grey, or a palette's name such as iron or rainbow-hc",
            problems,
        ),
        mask_overlays: table.mask_overlays.unwrap_or(true),
    }
}

/// One of an enumeration's names; its default when none is given, and when it is no name, which is noted.
fn named<T: DeserializeOwned + Default>(text: Option<&String>, place: &str, wanted: &str, problems: &mut Problems) -> T {
    let Some(text) = text else { return T::default() };
    let name: StrDeserializer<'_, NameError> = text.as_str().into_deserializer();
    T::deserialize(name).unwrap_or_else(|_| {
        problems.error(place, quoted(text), wanted, "");
        T::default()
    })
}

/// A spreadsheet took the code for a number and kept 15 digits of it.
fn is_scientific(code: &str) -> bool {
    code.contains(['E', 'e']) && code.parse::<f64>().is_ok()
}

const SCIENTIFIC_HINT: &str = "a spreadsheet made a number of it: format the column as text and enter the code again";

fn check_code(table: &CameraTable, place: &Place<'_>, problems: &mut Problems) {
    let Some(code) = &table.code else { return };
    if code.len() != 20 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        let hint = if is_scientific(code) { SCIENTIFIC_HINT } else { "" };
        problems.error(place.at("code"), quoted(code), "20 digits (GB/T 28181 Annex E)", hint);
    } else if !code[10..13].starts_with('1') {
        // Annex E: types 111–199 are devices; 200 and above are platforms, groups and users.
        let found = format!("{code:?}, of type {}", &code[10..13]);
        problems.warning(place.at("code"), found, "the code of a camera, of type 131 or 132", "the code of a platform or a group?");
    }
}

/// What must be its own for each camera, and where it stood first.
#[derive(Default)]
struct Seen {
    /// By the id in lower case: the id as written, and its place.
    ids: HashMap<String, (String, String)>,
    codes: HashMap<String, String>,
    urls: HashMap<String, String>,
}

impl Seen {
    fn check(&self, table: &CameraTable, plan: Option<&CameraPlan>, place: &Place<'_>, problems: &mut Problems) {
        let id = &table.id;
        if let Some((other, first)) = self.ids.get(&id.to_ascii_lowercase()) {
            let found = if other == id {
                format!("{id:?} for the second time, first in {first}")
            } else {
                format!("{id:?}, which differs from {other:?} in {first} only in case")
            };
            problems.error(place.at("id"), found, "an id of its own", "files are named after it, and some disks do not tell case");
        }
        if let Some((code, first)) = table.code.as_ref().and_then(|code| Some((code, self.codes.get(code)?))) {
            let found = format!("{code:?} for the second time, first in {first}");
            problems.error(place.at("code"), found, "a code of its own", "the city would look for the person at the other camera");
        }
        if let Some(SourcePlan::Rtsp(rtsp)) = plan.map(|plan| &plan.source)
            && let Some(first) = [Some(&rtsp.url), rtsp.main_url.as_ref()].into_iter().flatten().find_map(|url| self.urls.get(url))
        {
            let found = format!("{}, the same stream as {first}", rtsp.shown());
            problems.warning(
                place.at("source"),
                found,
                "an address of its own",
                "of two places one is not seen, and is told of all the same",
            );
        }
    }

    fn note(&mut self, plan: &CameraPlan, place: &Place<'_>) {
        let (id, base) = (plan.camera.id.as_str(), place.base().to_owned());
        self.ids.entry(id.to_ascii_lowercase()).or_insert_with(|| (id.to_owned(), base.clone()));
        if let Some(code) = &plan.camera.code {
            self.codes.entry(code.clone()).or_insert_with(|| base.clone());
        }
        if let SourcePlan::Rtsp(rtsp) = &plan.source {
            for url in [Some(&rtsp.url), rtsp.main_url.as_ref()].into_iter().flatten() {
                self.urls.entry(url.clone()).or_insert_with(|| base.clone());
            }
        }
    }
}

fn chosen_detectors(
    table: &CameraTable,
    place: &Place<'_>,
    detectors: &[DetectorPlan],
    known: &Known,
    problems: &mut Problems,
) -> Vec<usize> {
    let (place, place_hint) = (place.at("detectors"), place.detectors_hint());
    if table.detectors.is_empty() {
        problems.error(&place, "nothing", "at least one name of a [[detector]]", place_hint);
    }
    let all_usable = known.check(&table.detectors, &place, problems);
    let mut chosen = Vec::new();
    for (index, name) in table.detectors.iter().enumerate() {
        if table.detectors[..index].contains(name) {
            problems.error(&place, format!("{} twice", quoted(name)), "every detector once", "");
        } else if let Some(Some(index)) = known.by_name.get(name) {
            chosen.push(*index);
        }
    }
    for index in &chosen {
        if let DetectorPlan::Scripted { camera, .. } = &detectors[*index]
            && *camera != table.id
        {
            problems.error(&place, format!("a scripted detector for {}", quoted(camera)), "one that reads the truth of this camera", "");
        }
    }
    let modality_of = |index: &usize| detectors[*index].modality().unwrap_or(table.modality);
    let is_hot_spot = |index: &usize| matches!(detectors[*index], DetectorPlan::HotSpot(_));
    let fits = chosen.iter().any(|index| modality_of(index) == table.modality);
    if table.modality == Modality::Visible && chosen.iter().any(is_hot_spot) {
        problems.warning(place, "hot-spot on a visible camera", "a thermal camera", "hot-spot looks for warmth");
    } else if !chosen.is_empty() && all_usable && !fits {
        let (found, wanted) = match table.modality {
            Modality::Thermal => ("only models for visible light on a thermal camera", "hot-spot, or a card for thermal pictures"),
            Modality::Visible => ("only models for thermal pictures on a visible camera", "a card for visible light"),
        };
        problems.warning(place, found, wanted, "people will be missed");
    }
    chosen
}

fn camera(table: &CameraTable, place: &Place<'_>, problems: &mut Problems) -> Camera {
    problems.in_range(place.at("position_error_m"), &table.position_error_m, &POSITION_ERROR_M, "metres");
    let position = match (table.longitude, table.latitude) {
        (Some(0.0), Some(0.0)) => {
            problems.warning(
                place.at("longitude, latitude"),
                "0, 0",
                "WGS-84 degrees, or neither",
                "counted as unknown: it lies in the sea",
            );
            None
        }
        (Some(lon), Some(lat)) if (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat) => {
            Some(Position { lon, lat, crs: Crs::Wgs84, error_m: table.position_error_m })
        }
        (None, None) => None,
        (lon, lat) => {
            let swapped = lon.is_some_and(|lon| (-90.0..=90.0).contains(&lon)) && lat.is_some_and(|lat| lat.abs() > 90.0);
            let hint = if swapped { "are the two exchanged?" } else { "" };
            problems.error(place.at("longitude, latitude"), format!("{lon:?}, {lat:?}"), "both, WGS-84 degrees, or neither", hint);
            None
        }
    };
    problems.in_range(place.at("heading_deg"), &table.heading_deg, &HEADING_DEG, "degrees");
    let given = [
        ("height_m", table.height_m, HEIGHT_M, "metres"),
        ("tilt_deg", table.tilt_deg, TILT_DEG, "degrees"),
        ("hfov_deg", table.hfov_deg, HFOV_DEG, "degrees"),
    ];
    for (key, value, range, unit) in &given {
        if let Some(value) = value {
            problems.in_range(place.at(key), value, range, unit);
        }
    }
    let view = match (table.height_m, table.tilt_deg, table.hfov_deg) {
        (Some(height_m), Some(tilt_deg), Some(hfov_deg)) => {
            Some(CameraView { height_m, tilt_deg, heading_deg: table.heading_deg, hfov_deg })
        }
        (None, None, None) => None,
        _ => {
            problems.error(
                place.at("height_m, tilt_deg, hfov_deg"),
                "only some of them",
                "all three, or none",
                "without them sizes are learnt from walkers",
            );
            None
        }
    };
    Camera {
        id: CameraId::new(&table.id),
        name: if table.name.is_empty() { table.id.clone() } else { table.name.clone() },
        code: table.code.clone(),
        modality: table.modality,
        promise: promise(table, place, problems),
        position,
        view,
        address: table.address.clone(),
        street: table.street.clone(),
        grid: table.grid.clone(),
        site_prior: table.site_class.as_deref().map_or(DEFAULT_SITE_PRIOR, |code| prior_of_class(code, place, problems)),
    }
}

fn promise(table: &CameraTable, place: &Place<'_>, problems: &mut Problems) -> Promise {
    let every_s = table.look_every_s;
    let limit_s = table.look_limit_s.unwrap_or(every_s * 3.0);
    if problems.in_range(place.at("look_every_s"), &every_s, &LOOK_EVERY_S, "seconds") && !(every_s..=LOOK_LIMIT_MAX_S).contains(&limit_s) {
        problems.error(
            place.at("look_limit_s"),
            limit_s.to_string(),
            format!("look_every_s, here {every_s}, to {LOOK_LIMIT_MAX_S} seconds"),
            "",
        );
    }
    problems.in_range(place.at("rescan_every_s"), &table.rescan_every_s, &RESCAN_EVERY_S, "seconds");
    // What is no length of time has its error above; the plan is not used then.
    let seconds = |s: f64| Duration::try_from_secs_f64(s).unwrap_or_default();
    Promise { look_every: seconds(every_s), look_limit: seconds(limit_s), rescan_every: seconds(table.rescan_every_s) }
}

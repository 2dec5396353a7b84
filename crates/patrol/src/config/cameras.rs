//! Cameras: place, promise, source, and the detectors that look.

use super::detectors::Known;
use super::plan::{CameraPlan, DetectorPlan};
use super::problem::Problems;
use super::written::CameraTable;
use patrol_core::{Camera, CameraId, CameraView, Crs, Modality, Position, Promise};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

const FOLDER_FPS: RangeInclusive<f64> = 0.01..=120.0;
const HEIGHT_M: RangeInclusive<f32> = 0.5..=1000.0;
const TILT_DEG: RangeInclusive<f32> = 0.0..=90.0;
const HFOV_DEG: RangeInclusive<f32> = 1.0..=170.0;
/// Clockwise from north; west is 270 to some and -90 to others.
const HEADING_DEG: RangeInclusive<f32> = -360.0..=360.0;
const POSITION_ERROR_M: RangeInclusive<f32> = 0.0..=10_000.0;
const LOOK_EVERY_S: RangeInclusive<f64> = 0.0..=3600.0;
const LOOK_LIMIT_MAX_S: f64 = 86_400.0;
const RESCAN_EVERY_S: RangeInclusive<f64> = 1.0..=120.0;

pub(super) fn plans(
    tables: Vec<Option<CameraTable>>,
    folder: &Path,
    detectors: &[DetectorPlan],
    known: &Known,
    problems: &mut Problems,
) -> Vec<CameraPlan> {
    let mut plans: Vec<CameraPlan> = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let Some(table) = table else { continue };
        let place = format!("camera[{index}]");
        check_id(&table.id, &place, &plans, problems);
        if table.interior_forbidden {
            problems.error(
                format!("{place}.interior_forbidden"),
                "true",
                "no camera inside a guest room, dormitory, bathroom, toilet or changing room",
                "such a feed is refused by law (State Council Order 799, article 8); remove the camera",
            );
        }
        if let Some(code) = table.code.as_ref().filter(|code| code.len() != 20 || !code.bytes().all(|byte| byte.is_ascii_digit())) {
            problems.error(format!("{place}.code"), format!("{code:?}"), "20 digits (GB/T 28181 Annex E)", "");
        }
        check_source(&table, &place, folder, problems);
        plans.push(CameraPlan {
            detectors: chosen_detectors(&table, &place, detectors, known, problems),
            source: folder.join(&table.source),
            fps: table.fps,
            camera: camera(&table, &place, problems),
        });
    }
    plans
}

fn check_id(id: &str, place: &str, before: &[CameraPlan], problems: &mut Problems) {
    let wanted = "letters, digits, '-', '_' and '.'";
    if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) || id.starts_with('.') {
        problems.error(format!("{place}.id"), format!("{id:?}"), wanted, "files are named after it");
    }
    if let Some(other) = before.iter().map(|plan| plan.camera.id.as_str()).find(|other| other.eq_ignore_ascii_case(id)) {
        let found =
            if other == id { format!("{id:?} for the second time") } else { format!("{id:?}, which differs from {other:?} only in case") };
        problems.error(format!("{place}.id"), found, "an id of its own", "files are named after it, and some disks do not tell case");
    }
}

/// When `source` is the address of a live feed: what of it may be shown, scheme and host. Users, passwords and paths stay hidden.
pub(crate) fn live_address(source: &Path) -> Option<String> {
    let text = source.to_string_lossy();
    let (scheme, rest) = text.split_once("://")?;
    // A password may itself hold '/' or '@': all up to the last '@' is taken for it.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let (host, more) = rest.find(['/', '?', '#']).map_or((rest, ""), |end| (&rest[..end], "/…"));
    Some(format!("{scheme}://{host}{more}"))
}

fn check_source(table: &CameraTable, place: &str, folder: &Path, problems: &mut Problems) {
    let fps_good = table.fps.is_none_or(|fps| problems.in_range(format!("{place}.fps"), &fps, &FOLDER_FPS, "pictures per second"));
    if let Some(shown) = live_address(&table.source) {
        problems.error(
            format!("{place}.source"),
            format!("the address {shown}"),
            "a video file or a folder of pictures",
            "not built yet: live feeds come later; give a video file or a folder",
        );
        return;
    }
    let source = folder.join(&table.source);
    match source.metadata() {
        Err(error) => problems.warning(
            format!("{place}.source"),
            format!("{}: {error}", source.display()),
            "a video file, a picture or a folder of pictures",
            "`run` starts without it and tries again for ever",
        ),
        Ok(found) if found.is_dir() && table.fps.is_none() && fps_good => {
            problems.error(format!("{place}.fps"), "nothing", "pictures per second of the folder, 0.01 to 120", "");
        }
        Ok(_) => {}
    }
}

fn chosen_detectors(table: &CameraTable, place: &str, detectors: &[DetectorPlan], known: &Known, problems: &mut Problems) -> Vec<usize> {
    let place = format!("{place}.detectors");
    if table.detectors.is_empty() {
        problems.error(&place, "an empty list", "at least one name of a [[detector]]", "");
    }
    let (mut chosen, mut all_usable) = (Vec::new(), true);
    for (index, name) in table.detectors.iter().enumerate() {
        if table.detectors[..index].contains(name) {
            problems.error(&place, format!("{name:?} twice"), "every detector once", "");
            continue;
        }
        match known.by_name.get(name) {
            Some(Some(index)) => chosen.push(*index),
            Some(None) => all_usable = false,
            None => {
                all_usable = false;
                if !known.some_nameless {
                    let names: Vec<&str> = known.by_name.keys().map(String::as_str).collect();
                    let names = if names.is_empty() { "none is there".to_owned() } else { names.join(", ") };
                    problems.error(&place, format!("{name:?}"), format!("the name of a [[detector]]: {names}"), "");
                }
            }
        }
    }
    let modality_of = |index: &usize| match &detectors[*index] {
        DetectorPlan::HotSpot(_) => Modality::Thermal,
        DetectorPlan::Onnx { card, .. } => card.modality,
    };
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

fn camera(table: &CameraTable, place: &str, problems: &mut Problems) -> Camera {
    problems.in_range(format!("{place}.position_error_m"), &table.position_error_m, &POSITION_ERROR_M, "metres");
    let position = match (table.longitude, table.latitude) {
        (Some(lon), Some(lat)) if (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat) => {
            Some(Position { lon, lat, crs: Crs::Wgs84, error_m: table.position_error_m })
        }
        (None, None) => None,
        (lon, lat) => {
            problems.error(format!("{place}.longitude, latitude"), format!("{lon:?}, {lat:?}"), "both, WGS-84 degrees, or neither", "");
            None
        }
    };
    problems.in_range(format!("{place}.heading_deg"), &table.heading_deg, &HEADING_DEG, "degrees");
    let given = [
        ("height_m", table.height_m, HEIGHT_M, "metres"),
        ("tilt_deg", table.tilt_deg, TILT_DEG, "degrees"),
        ("hfov_deg", table.hfov_deg, HFOV_DEG, "degrees"),
    ];
    for (key, value, range, unit) in &given {
        if let Some(value) = value {
            problems.in_range(format!("{place}.{key}"), value, range, unit);
        }
    }
    let view = match (table.height_m, table.tilt_deg, table.hfov_deg) {
        (Some(height_m), Some(tilt_deg), Some(hfov_deg)) => {
            Some(CameraView { height_m, tilt_deg, heading_deg: table.heading_deg, hfov_deg })
        }
        (None, None, None) => None,
        _ => {
            problems.error(
                format!("{place}.height_m, tilt_deg, hfov_deg"),
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

fn promise(table: &CameraTable, place: &str, problems: &mut Problems) -> Promise {
    let every_s = table.look_every_s;
    let limit_s = table.look_limit_s.unwrap_or(every_s * 3.0);
    if problems.in_range(format!("{place}.look_every_s"), &every_s, &LOOK_EVERY_S, "seconds")
        && !(every_s..=LOOK_LIMIT_MAX_S).contains(&limit_s)
    {
        problems.error(
            format!("{place}.look_limit_s"),
            limit_s.to_string(),
            format!("look_every_s, here {every_s}, to {LOOK_LIMIT_MAX_S} seconds"),
            "",
        );
    }
    problems.in_range(format!("{place}.rescan_every_s"), &table.rescan_every_s, &RESCAN_EVERY_S, "seconds");
    // What is no length of time has its error above; the plan is not used then.
    let seconds = |s: f64| Duration::try_from_secs_f64(s).unwrap_or_default();
    Promise { look_every: seconds(every_s), look_limit: seconds(limit_s), rescan_every: seconds(table.rescan_every_s) }
}

/// A place of unknown class counts as a main road (`integration.md` §1.7).
const DEFAULT_SITE_PRIOR: f32 = 0.3;

/// How likely people in need shelter at a place of GB/T 28181 Annex O class `code` (`integration.md` §1.7); longest prefix first.
fn site_prior(code: &str) -> Option<f32> {
    const PRIORS: [(&str, f32); 23] = [
        ("00203", 1.0),
        ("00401", 1.0),
        ("00402", 1.0),
        ("00602", 0.9),
        ("00605", 0.9),
        ("00604", 0.9),
        ("01202", 0.7),
        ("01204", 0.7),
        ("01205", 0.7),
        ("01301", 0.8),
        ("00501", 0.5),
        ("02201", 0.5),
        ("00201", 0.3),
        ("007", 0.7),
        ("001", 0.6),
        ("008", 0.5),
        ("018", 0.4),
        ("020", 0.2),
        ("019", 0.2),
        ("017", 0.2),
        ("011", 0.2),
        ("013", 0.8),
        ("012", 0.7),
    ];
    PRIORS.iter().find(|(prefix, _)| code.starts_with(prefix)).map(|(_, prior)| *prior)
}

fn prior_of_class(code: &str, place: &str, problems: &mut Problems) -> f32 {
    let (place, digits) = (format!("{place}.site_class"), code.bytes().all(|byte| byte.is_ascii_digit()));
    if !digits || !(3..=7).contains(&code.len()) {
        problems.error(place, format!("{code:?}"), "3 to 7 digits of GB/T 28181 Annex O, such as \"00203\" for an underpass", "");
        return DEFAULT_SITE_PRIOR;
    }
    site_prior(code).unwrap_or_else(|| {
        let counted = format!("counted as a main road ({DEFAULT_SITE_PRIOR}): leads here rank lower than at a place of shelter");
        problems.warning(place, format!("{code:?}, a class without a prior"), "a class of Annex O where people shelter", counted);
        DEFAULT_SITE_PRIOR
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_live_address_only_scheme_and_host_are_shown() {
        for (source, shown) in [
            ("rtsp://admin:p/ss@w@10.0.0.7:554/ch1?token=x", Some("rtsp://10.0.0.7:554/…")),
            ("rtsp://10.0.0.7", Some("rtsp://10.0.0.7")),
            ("rtsp://10.0.0.7?user=admin", Some("rtsp://10.0.0.7/…")),
            ("folder/video.mp4", None),
        ] {
            assert_eq!(live_address(Path::new(source)).as_deref(), shown, "{source}");
        }
    }
}

//! The pipeline file as written. Every table refuses keys it does not know.

use super::faults::FaultsTable;
use super::marks;
use super::problem::Problems;
use patrol_core::{AlertLevel, Modality};
use patrol_vision::HotSpotConfig;
use patrol_vision::card::TilesWhen;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::path::PathBuf;

/// The whole file, table by table; a table that could not be read is `None` and its problems are noted.
#[derive(Debug, Default)]
pub(crate) struct PipelineFile {
    /// Path of the register of cameras; relative to the pipeline file.
    pub(crate) register: Option<PathBuf>,
    pub(crate) register_defaults: Option<RegisterTable>,
    pub(crate) site: Option<Site>,
    pub(crate) weather: Option<WeatherTable>,
    /// `Err`: it could not be read; its name, when that could.
    pub(crate) detectors: Vec<Result<DetectorTable, Option<String>>>,
    pub(crate) pose: Option<PoseTable>,
    pub(crate) cameras: Vec<Option<CameraTable>>,
    pub(crate) faults: Option<FaultsTable>,
    pub(crate) desk: Option<DeskTable>,
    pub(crate) store: Option<StoreTable>,
    pub(crate) console: Option<ConsoleTable>,
    pub(crate) city: Option<CityTable>,
    pub(crate) run: Option<RunTable>,
    /// Everything but the cameras, as it stands in the file: what differs at a reload needs a restart.
    pub(crate) sections: toml::Table,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Site {
    /// Shown to people, e.g. 示范区救助站.
    #[serde(default)]
    pub(crate) name: String,
    /// Administrative region code the city uses, e.g. `310101`.
    #[serde(default)]
    pub(crate) region: String,
    /// Our own 20-digit platform code.
    #[serde(default)]
    pub(crate) system_code: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WeatherTable {
    pub(crate) air_c: Option<f32>,
    pub(crate) wind_kmh: Option<f32>,
    #[serde(default)]
    pub(crate) precip_mm_h: f32,
    #[serde(default)]
    pub(crate) wet_ground: bool,
    #[serde(default)]
    pub(crate) alert: AlertLevel,
    /// Mean minimum of each month in °C, January first: assumed when the weather is missing or older than 3 h.
    pub(crate) month_min_c: Option<[f32; 12]>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetectorTable {
    pub(crate) name: String,
    /// `onnx` or `hot-spot`; in scenes also `scripted`.
    pub(crate) kind: String,
    /// Name of a folder under `models/`, or path of a card.
    pub(crate) model: Option<String>,
    pub(crate) min_score: Option<f32>,
    /// `cpu` (default) or `cuda`.
    pub(crate) device: Option<String>,
    /// Whether a missing CUDA device may be replaced by the CPU.
    pub(crate) fallback: Option<bool>,
    /// Of `cuda`: how many pictures are examined at once at most. Default: 1.
    pub(crate) batch_max: Option<usize>,
    /// `fp32`: the card's FP32 file, where `file` is quantised. Default: `file` on the CPU, FP32 on CUDA.
    pub(crate) precision: Option<String>,
    /// When larger pictures are cut into tiles, where the model's card knows at which size people are found. Default: as the card says.
    pub(crate) tiles: Option<TilesWhen>,
    #[serde(default)]
    pub(crate) hot_spot: Option<HotSpotConfig>,
    /// Of `scripted`: a scene's truth, relative to the pipeline file, and the camera in it.
    pub(crate) truth: Option<PathBuf>,
    pub(crate) camera: Option<String>,
}

/// What the rows of the register take where they name none.
#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterTable {
    /// Names of `[[detector]]` tables for thermal cameras.
    #[serde(default)]
    pub(crate) thermal: Vec<String>,
    /// Names of `[[detector]]` tables for visible cameras.
    #[serde(default)]
    pub(crate) visible: Vec<String>,
}

/// One camera as written, in a `[[camera]]` table or in a row of the register.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CameraTable {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    /// 20 digits, GB/T 28181 Annex E.
    pub(crate) code: Option<String>,
    /// `rtsp://host[:port]/path`, or a video file, a folder of pictures or one picture, relative to the file that names it.
    pub(crate) source: SourceText,
    /// Pictures per second of a folder.
    pub(crate) fps: Option<f64>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<SecretTable>,
    /// `tcp-then-udp` (default), `tcp` or `udp`.
    pub(crate) transport: Option<String>,
    /// The camera's smaller stream: same login, same transport.
    pub(crate) sub_source: Option<SourceText>,
    /// The stream that looks read, `main` or `sub`; default: `sub` when there is one. A person far off may be too small on it: then `main`.
    pub(crate) looks_from: Option<String>,
    pub(crate) modality: Modality,
    /// Thermal: `auto` (default), `white-hot` or `black-hot`.
    pub(crate) polarity: Option<String>,
    /// Thermal: `auto` (default), `grey`, or the name of a palette.
    pub(crate) palette: Option<String>,
    /// Thermal: fill text, logos and scale bars before detectors look; default true.
    pub(crate) mask_overlays: Option<bool>,
    /// Names of `[[detector]]` tables.
    pub(crate) detectors: Vec<String>,
    pub(crate) longitude: Option<f64>,
    pub(crate) latitude: Option<f64>,
    /// Error radius of the camera's own position, metres.
    #[serde(default = "default_position_error_m")]
    pub(crate) position_error_m: f32,
    pub(crate) height_m: Option<f32>,
    #[serde(default)]
    pub(crate) heading_deg: f32,
    pub(crate) tilt_deg: Option<f32>,
    pub(crate) hfov_deg: Option<f32>,
    /// `CapturePositionType` of GB/T 28181 Annex O, e.g. `00203`: sets the site prior.
    pub(crate) site_class: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) street: Option<String>,
    pub(crate) grid: Option<String>,
    #[serde(default)]
    pub(crate) indoor: bool,
    /// What the camera stands inside of, such as `underpass`.
    pub(crate) interior: Option<String>,
    /// Inside a guest room, dormitory, bathroom, toilet or changing room: refused (Order 799, art. 8).
    #[serde(default)]
    pub(crate) interior_forbidden: bool,
    #[serde(default = "default_look_every_s")]
    pub(crate) look_every_s: f64,
    pub(crate) look_limit_s: Option<f64>,
    #[serde(default = "default_rescan_every_s")]
    pub(crate) rescan_every_s: f64,
}

/// A source as written, which may hold a password that does not belong there: never shown as it is.
#[derive(Deserialize, Clone, PartialEq, Eq)]
#[serde(transparent)]
pub(crate) struct SourceText(pub(crate) String);

impl fmt::Debug for SourceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceText(***)")
    }
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeskTable {
    /// What happens to an A that nobody decides: `ring` (default) or `push`.
    pub(crate) on_timeout: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreTable {
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsoleTable {
    pub(crate) listen: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CityTable {
    pub(crate) base: String,
    /// Mapping file; relative to the pipeline file.
    pub(crate) mapping: PathBuf,
    pub(crate) app_key: String,
    pub(crate) secret: SecretTable,
    /// Address where the city calls back; none: no callbacks.
    pub(crate) callback_listen: Option<String>,
    /// Public base address of evidence pictures, when the city may fetch them.
    pub(crate) media_base: Option<String>,
}

/// `{ env = "NAME" }` or `{ file = "path" }`: a secret itself never stands in the file. When one does all the same, no error shows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SecretTable {
    pub(crate) env: Option<String>,
    pub(crate) file: Option<PathBuf>,
}

impl<'de> Deserialize<'de> for SecretTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Serde's own words for a value of the wrong kind would quote it.
        let refused = || D::Error::custom("no reference to a secret (not shown); { env = \"NAME\" } or { file = \"path\" } is one");
        let toml::Value::Table(table) = toml::Value::deserialize(deserializer)? else { return Err(refused()) };
        let mut secret = Self::default();
        for (key, value) in table {
            match (key.as_str(), value) {
                ("env", toml::Value::String(name)) => secret.env = Some(name),
                ("file", toml::Value::String(path)) => secret.file = Some(path.into()),
                _ => return Err(refused()),
            }
        }
        Ok(secret)
    }
}

/// A network that says how those hold themselves whom cameras in visible light show.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PoseTable {
    /// Name of a folder under `models/`, or the path of a card, of the layout `joints`.
    pub(crate) model: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunTable {
    /// Threads that look; default: one per core.
    pub(crate) workers: Option<usize>,
    /// Memory for the newest packets of all RTSP cameras together, MiB: clips are cut from them.
    pub(crate) rings_mib: Option<u64>,
    /// What decodes RTSP cameras of which every picture is decoded.
    pub(crate) decoders: Option<DecodersTable>,
}

/// Names of GStreamer's elements, for a GPU or a chip that decodes; default: libavcodec on the CPU.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecodersTable {
    pub(crate) h264: Option<String>,
    pub(crate) h265: Option<String>,
    /// Whether what is missing may be replaced by the CPU.
    #[serde(default)]
    pub(crate) fallback: bool,
}

pub(super) fn default_position_error_m() -> f32 {
    5.0
}
pub(super) fn default_look_every_s() -> f64 {
    1.0
}
pub(super) fn default_rescan_every_s() -> f64 {
    60.0
}

/// What a reload reads again.
const CAMERA_KEYS: [&str; 3] = ["camera", "cameras", "register"];

/// Reads the file's text. Problems are added; what could be read is returned all the same. `None`: it is no TOML.
pub(crate) fn read(text: &str, problems: &mut Problems) -> Option<PipelineFile> {
    let mut root: toml::Table = match text.parse() {
        Ok(root) => root,
        Err(error) => {
            problems.error("pipeline", first_line(&error.to_string()), "TOML", "mend the syntax there; nothing else could be checked");
            return None;
        }
    };
    let mut sections = root.clone();
    for key in CAMERA_KEYS {
        sections.remove(key);
    }
    marks::resolve(&mut root, problems);
    let file = PipelineFile {
        register: table(&mut root, "cameras", problems),
        register_defaults: table(&mut root, "register", problems),
        site: table(&mut root, "site", problems),
        weather: table(&mut root, "weather", problems),
        detectors: tables(&mut root, "detector", &[], problems),
        pose: table(&mut root, "pose", problems),
        cameras: tables(&mut root, "camera", &marks::KEYS, problems).into_iter().map(Result::ok).collect(),
        faults: table(&mut root, "faults", problems),
        desk: table(&mut root, "desk", problems),
        store: table(&mut root, "store", problems),
        console: table(&mut root, "console", problems),
        city: table(&mut root, "city", problems),
        run: table(&mut root, "run", problems),
        sections,
    };
    for key in root.keys() {
        let known = ["site", "weather", "detector", "pose", "camera", "cameras", "register", "desk", "store", "console", "city", "run"];
        problems.error(key, "an unknown key", format!("one of {}", known.join(", ")), nearest(key, known.into_iter()));
    }
    Some(file)
}

fn table<T: DeserializeOwned>(root: &mut toml::Table, key: &str, problems: &mut Problems) -> Option<T> {
    root.remove(key).and_then(|value| section(value, key, &[], problems))
}

/// Every table of a list; `Err` holds the `name` of one that could not be read. `read_before`: keys that were read and taken out.
fn tables<T: DeserializeOwned>(
    root: &mut toml::Table,
    key: &str,
    read_before: &[&str],
    problems: &mut Problems,
) -> Vec<Result<T, Option<String>>> {
    let name_of = |value: &toml::Value| value.get("name").and_then(toml::Value::as_str).map(str::to_owned);
    match root.remove(key) {
        None => Vec::new(),
        Some(toml::Value::Array(values)) => {
            let one = |(index, value): (usize, toml::Value)| {
                let name = name_of(&value);
                section(value, &format!("{key}[{index}]"), read_before, problems).ok_or(name)
            };
            values.into_iter().enumerate().map(one).collect()
        }
        Some(other) => {
            problems.error(key, other.type_str(), format!("a list of tables, each written as [[{key}]]"), "");
            vec![Err(name_of(&other))]
        }
    }
}

/// Deserialises one table; each unknown key is noted and taken out, so that one typo does not hide the next problem.
pub(super) fn section<T: DeserializeOwned>(
    mut value: toml::Value,
    place: &str,
    read_before: &[&str],
    problems: &mut Problems,
) -> Option<T> {
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(section) => return Some(section),
            Err(error) => error,
        };
        let path = error.path().to_string();
        let kind = kind_at(&value, error.path());
        let message = error.into_inner().to_string();
        let message = first_line(&message);
        let Some((key, expected)) = unknown_field(&message) else {
            let place = if path == "." { place.to_owned() } else { format!("{place}.{path}") };
            let (found, wanted) = found_and_wanted(&message, kind);
            problems.error(place, found, wanted, "see pipelines/ for complete examples");
            return None;
        };
        let expected: Vec<&str> = expected.iter().map(String::as_str).chain(read_before.iter().copied()).collect();
        let at = if path == "." { place.to_owned() } else { format!("{place}.{path}") };
        let at = if at.ends_with(&format!(".{key}")) || at == key { at } else { format!("{at}.{key}") };
        problems.error(&at, "an unknown key", format!("one of {}", expected.join(", ")), nearest(&key, expected.iter().copied()));
        if !remove_key(&mut value, &key) {
            return None;
        }
    }
}

/// Takes `key` out of the first table that has it, looking from the outside in.
fn remove_key(value: &mut toml::Value, key: &str) -> bool {
    match value {
        toml::Value::Table(table) => table.remove(key).is_some() || table.iter_mut().any(|(_, inner)| remove_key(inner, key)),
        toml::Value::Array(values) => values.iter_mut().any(|inner| remove_key(inner, key)),
        _ => false,
    }
}

/// The kind of what stands at `path`. Never the value: it may be a password.
fn kind_at<'a>(root: &'a toml::Value, path: &serde_path_to_error::Path) -> Option<&'a str> {
    use serde_path_to_error::Segment;
    let value = path.iter().try_fold(root, |value, segment| match segment {
        Segment::Seq { index } => value.get(*index),
        Segment::Map { key } => value.get(key.as_str()),
        Segment::Enum { .. } | Segment::Unknown => Some(value),
    });
    value.map(toml::Value::type_str)
}

/// Serde's complaint about a value in the words of all others: what was found, and what is wanted instead. `kind`: of what is written there, where that is known.
fn found_and_wanted(message: &str, kind: Option<&str>) -> (String, String) {
    if let Some(key) = message.strip_prefix("missing field ") {
        return (format!("no {key}"), "this key, too".into());
    }
    let Some((complaint, expected)) = message.split_once(", expected ") else { return (message.to_owned(), "another value".into()) };
    let found = match (complaint, kind) {
        // What TOML's reader says of whatever is no text where a word out of a list should be.
        ("invalid type: unit variant", Some(kind)) => format!("{kind} without quotes"),
        _ => complaint.to_owned(),
    };
    let wanted = match expected {
        "string only" | "a string" | "a borrowed string" | "path string" => "a text in quotes",
        "f32" | "f64" => "a number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more, not too large",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        expected if expected.starts_with("struct ") => "a table",
        expected => expected,
    };
    (found, wanted.to_owned())
}

/// The key and the list of known keys out of serde's message: ``unknown field `a`, expected one of `b`, `c` ``.
fn unknown_field(message: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    let expected = rest.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Some((key.to_owned(), expected))
}

/// "did you mean", when a known key is near enough to be a slip of the hand.
pub(super) fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|candidate| (strsim::jaro_winkler(key, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(String::new(), |(_, candidate)| format!("did you mean `{candidate}`?"))
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let mut problems = Problems::default();
        let text = r#"
            colour = 1
            [site]
            nmae = "x"
            [[camera]]
            id = "a"
            source = "a.mp4"
            modality = "thermal"
            detectors = []
            hieght_m = 6
            look_evry_s = 2
            [console]
            listen = 8460
        "#;
        let file = read(text, &mut problems).expect("TOML");
        let places: Vec<&str> = problems.0.iter().map(|problem| problem.place.as_str()).collect();
        assert_eq!(places, ["site.nmae", "camera[0].hieght_m", "camera[0].look_evry_s", "console.listen", "colour"]);
        assert_eq!(problems.0[1].hint, "did you mean `height_m`?");
        assert_eq!(file.cameras[0].as_ref().map(|camera| camera.id.as_str()), Some("a"), "what could be read is kept");
    }

    #[test]
    fn a_value_of_another_kind_is_told_with_what_is_wanted() {
        let told = |line: &str| {
            let mut problems = Problems::default();
            let text = format!("[[detector]]\nname = \"d\"\nkind = \"onnx\"\nmodel = \"m\"\n{line}\n");
            read(&text, &mut problems).expect("TOML");
            let problem = problems.0.first().expect("a problem");
            (problem.place.clone(), problem.found.clone(), problem.wanted.clone())
        };
        let of = |place: &str, found: &str, wanted: &str| (place.to_owned(), found.to_owned(), wanted.to_owned());
        assert_eq!(told("tiles = false"), of("detector[0].tiles", "boolean without quotes", "a text in quotes"));
        assert_eq!(told("tiles = \"no\""), of("detector[0].tiles", "unknown variant `no`", "one of `always`, `in-full`, `never`"));
        assert_eq!(told("min_score = \"high\""), of("detector[0].min_score", "invalid type: string \"high\"", "a number"));
        let mut problems = Problems::default();
        read("[[camera]]\nid = \"a\"\n", &mut problems).expect("TOML");
        assert_eq!((problems.0[0].found.as_str(), problems.0[0].wanted.as_str()), ("no `source`", "this key, too"));
    }
}

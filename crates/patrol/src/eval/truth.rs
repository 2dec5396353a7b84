//! `truth.json`: what was really there (design §7). Folders come from anyone: fields that are not known here are passed over.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// A scene's truth. Times are seconds since the run's start.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Truth {
    #[serde(default)]
    pub(crate) cameras: BTreeMap<String, TruthCamera>,
    #[serde(default)]
    pub(crate) people: Vec<TruthPerson>,
    /// What is warm or looks like a person and is none; what is written otherwise than [`TruthOther`] is passed over.
    #[serde(default, deserialize_with = "those_understood")]
    pub(crate) others: Vec<TruthOther>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TruthOther {
    /// `lamp`, `bonnet`, `mannequin`, `dog` …
    pub(crate) kind: String,
    pub(crate) camera: String,
    /// x, y, width, height in pixels.
    #[serde(rename = "box")]
    pub(crate) bbox: [f64; 4],
    /// Absent: always there.
    #[serde(default)]
    pub(crate) from_s: Option<f64>,
    #[serde(default)]
    pub(crate) to_s: Option<f64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct TruthCamera {
    #[serde(default)]
    pub(crate) position: Option<LonLat>,
    /// Width and height in pixels of the pictures that `box` is measured in.
    #[serde(default)]
    pub(crate) size: Option<[f64; 2]>,
}

/// WGS-84, written `[lon, lat]` or `{"lon", "lat"}`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(from = "LonLatWritten")]
pub(crate) struct LonLat {
    pub(crate) lon: f64,
    pub(crate) lat: f64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum LonLatWritten {
    Pair(f64, f64),
    Named { lon: f64, lat: f64 },
}

impl From<LonLatWritten> for LonLat {
    fn from(written: LonLatWritten) -> Self {
        match written {
            LonLatWritten::Pair(lon, lat) | LonLatWritten::Named { lon, lat } => Self { lon, lat },
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TruthPerson {
    #[serde(deserialize_with = "text_or_number")]
    pub(crate) id: String,
    /// Until when he was down; absent: as long as he is seen so.
    #[serde(default)]
    pub(crate) down_to_s: Option<f64>,
    #[serde(default)]
    pub(crate) seen: Vec<Seen>,
}

/// A person in one picture.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Seen {
    pub(crate) camera: String,
    pub(crate) t_s: f64,
    /// x, y, width, height in pixels.
    #[serde(rename = "box")]
    pub(crate) bbox: [f64; 4],
    #[serde(default)]
    pub(crate) posture: String,
    /// Metres east and north of the foot of that camera.
    #[serde(default)]
    pub(crate) ground_m: Option<[f64; 2]>,
    /// 0–1, or whether at all; absent counts as seen.
    #[serde(default = "wholly", deserialize_with = "part_or_flag")]
    pub(crate) visible: f64,
}

/// What a posture asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Lying, curled or slumped.
    Down,
    Sitting,
    None,
}

impl Seen {
    pub(crate) fn need(&self) -> Need {
        match self.posture.as_str() {
            "lying" | "curled" | "slumped" => Need::Down,
            "sitting" => Need::Sitting,
            _ => Need::None,
        }
    }
}

fn wholly() -> f64 {
    1.0
}

fn part_or_flag<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Flag(bool),
        Part(f64),
    }
    Ok(match Written::deserialize(from)? {
        Written::Flag(flag) => f64::from(u8::from(flag)),
        Written::Part(part) => part,
    })
}

fn those_understood<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<TruthOther>, D::Error> {
    let written = Vec::<serde_json::Value>::deserialize(from)?;
    Ok(written.into_iter().filter_map(|other| serde_json::from_value(other).ok()).collect())
}

fn text_or_number<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Number(i64),
    }
    Ok(match Written::deserialize(from)? {
        Written::Text(text) => text,
        Written::Number(number) => number.to_string(),
    })
}

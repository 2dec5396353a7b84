//! What the cold score needs to know of the weather.

use crate::time::WallTime;
use serde::{Deserialize, Serialize};

/// Level of the weather warning in force; sets the tier thresholds (`integration.md` §6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertLevel {
    #[default]
    None,
    Blue,
    Yellow,
    Orange,
    Red,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weather {
    /// Air temperature, °C.
    pub air_c: f32,
    /// Wind at 10 m, km/h; unknown counts as 5 (`integration.md` §6.6).
    #[serde(default)]
    pub wind_kmh: Option<f32>,
    /// Precipitation, mm/h.
    #[serde(default)]
    pub precip_mm_h: f32,
    /// Wet ground without shelter although nothing falls now.
    #[serde(default)]
    pub wet_ground: bool,
    #[serde(default)]
    pub alert: AlertLevel,
    /// When it was observed; older than 3 h counts as missing.
    #[serde(default)]
    pub observed_at: WallTime,
}

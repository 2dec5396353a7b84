//! What the cold score needs to know of the weather.

use crate::time::WallTime;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::RangeInclusive;

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

/// A number of the weather that cannot be true.
#[derive(Debug, Clone, PartialEq)]
pub struct WeatherProblem {
    /// Name of the field.
    pub key: &'static str,
    pub found: f32,
    /// Range and unit.
    pub wanted: String,
}

impl fmt::Display for WeatherProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, wanted {}", self.key, self.found, self.wanted)
    }
}

impl Weather {
    /// Air temperatures that are believed, °C: a little beyond the coldest (-53) and the hottest (52) measured in China.
    pub const AIR_C: RangeInclusive<f32> = -60.0..=60.0;
    /// Wind that is believed, km/h: up to the strongest gust ever measured, 408 on Barrow Island in 1996.
    pub const WIND_KMH: RangeInclusive<f32> = 0.0..=410.0;
    /// Precipitation that is believed, mm/h: beyond the most that ever fell within an hour, about 400.
    pub const PRECIP_MM_H: RangeInclusive<f32> = 0.0..=500.0;

    /// Every number that is not finite or that no weather ever had: it would bend every score, and must be refused where it enters.
    pub fn problems(&self) -> Vec<WeatherProblem> {
        [
            ("air_c", Some(self.air_c), Self::AIR_C, "°C"),
            ("wind_kmh", self.wind_kmh, Self::WIND_KMH, "km/h"),
            ("precip_mm_h", Some(self.precip_mm_h), Self::PRECIP_MM_H, "mm/h"),
        ]
        .into_iter()
        .filter_map(|(key, value, range, unit)| {
            let found = value.filter(|value| !range.contains(value))?;
            Some(WeatherProblem { key, found, wanted: format!("{} to {} {unit}", range.start(), range.end()) })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_weather_has_are_named() {
        let good =
            Weather { air_c: -4.0, wind_kmh: None, precip_mm_h: 0.0, wet_ground: false, alert: AlertLevel::None, observed_at: WallTime(0) };
        assert!(good.problems().is_empty());
        let bad = Weather { air_c: f32::NAN, wind_kmh: Some(-50.0), precip_mm_h: f32::INFINITY, ..good };
        let keys: Vec<_> = bad.problems().iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["air_c", "wind_kmh", "precip_mm_h"]);
        let hot = Weather { air_c: 4000.0, ..good };
        assert_eq!(hot.problems()[0].to_string(), "air_c is 4000, wanted -60 to 60 °C");
    }
}

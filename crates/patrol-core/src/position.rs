//! Places on the Earth and on a camera's local ground plane, always with an error radius.

use serde::{Deserialize, Serialize};

/// The coordinate system a longitude and latitude are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Crs {
    #[serde(rename = "WGS84")]
    Wgs84,
    /// The shifted system of Chinese web maps, 300–700 m off in cities. Only at the edge, never inside.
    #[serde(rename = "GCJ02")]
    Gcj02,
}

/// A place on the Earth with its coordinate system and error radius (1 σ, metres).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Position {
    pub lon: f64,
    pub lat: f64,
    pub crs: Crs,
    pub error_m: f32,
}

/// A point on the ground in metres east and north of the foot of the camera, with its error radius (1 σ).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroundPoint {
    pub east_m: f32,
    pub north_m: f32,
    pub error_m: f32,
}

impl GroundPoint {
    pub fn distance_m(&self, other: &Self) -> f32 {
        (self.east_m - other.east_m).hypot(self.north_m - other.north_m)
    }
}

/// Metres per degree of latitude, and of longitude at the equator (`integration.md` §5.5).
const METRES_PER_DEGREE_LAT: f64 = 111_133.0;
const METRES_PER_DEGREE_LON: f64 = 111_319.0;

impl Position {
    /// This position moved by metres east and north; flat-Earth, good to centimetres within a kilometre.
    pub fn offset(&self, ground: &GroundPoint) -> Self {
        Self {
            lon: self.lon + f64::from(ground.east_m) / (METRES_PER_DEGREE_LON * self.lat.to_radians().cos()),
            lat: self.lat + f64::from(ground.north_m) / METRES_PER_DEGREE_LAT,
            crs: self.crs,
            error_m: self.error_m.hypot(ground.error_m),
        }
    }
    /// Distance in metres between two positions of the same system, flat-Earth.
    pub fn distance_m(&self, other: &Self) -> f64 {
        let mid = f64::midpoint(self.lat, other.lat).to_radians();
        ((self.lon - other.lon) * METRES_PER_DEGREE_LON * mid.cos()).hypot((self.lat - other.lat) * METRES_PER_DEGREE_LAT)
    }
    /// The same place in GCJ-02 (unchanged outside China or when already GCJ-02). Public formula, `integration.md` §4.7.
    pub fn to_gcj02(&self) -> Self {
        match self.crs {
            Crs::Gcj02 => *self,
            Crs::Wgs84 => {
                let (lon, lat) = gcj02_from_wgs84(self.lon, self.lat);
                Self { lon, lat, crs: Crs::Gcj02, error_m: self.error_m }
            }
        }
    }
    /// The same place in WGS-84. Five fixed-point rounds leave less than 1e-9°.
    pub fn to_wgs84(&self) -> Self {
        match self.crs {
            Crs::Wgs84 => *self,
            Crs::Gcj02 => {
                let (mut lon, mut lat) = (self.lon, self.lat);
                for _ in 0..5 {
                    let (x, y) = gcj02_from_wgs84(lon, lat);
                    lon -= x - self.lon;
                    lat -= y - self.lat;
                }
                Self { lon, lat, crs: Crs::Wgs84, error_m: self.error_m }
            }
        }
    }
}

fn gcj02_from_wgs84(lon: f64, lat: f64) -> (f64, f64) {
    use std::f64::consts::PI;
    const A: f64 = 6_378_245.0;
    const EE: f64 = 0.006_693_421_622_965_943;
    if !(72.004..=137.8347).contains(&lon) || !(0.8293..=55.8271).contains(&lat) {
        return (lon, lat);
    }
    let (x, y) = (lon - 105.0, lat - 35.0);
    let waves = (20.0 * (6.0 * x * PI).sin() + 20.0 * (2.0 * x * PI).sin()) * 2.0 / 3.0;
    let d_lat = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt()
        + waves
        + (20.0 * (y * PI).sin() + 40.0 * (y / 3.0 * PI).sin()) * 2.0 / 3.0
        + (160.0 * (y / 12.0 * PI).sin() + 320.0 * (y * PI / 30.0).sin()) * 2.0 / 3.0;
    let d_lon = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * x.abs().sqrt()
        + waves
        + (20.0 * (x * PI).sin() + 40.0 * (x / 3.0 * PI).sin()) * 2.0 / 3.0
        + (150.0 * (x / 12.0 * PI).sin() + 300.0 * (x / 30.0 * PI).sin()) * 2.0 / 3.0;
    let lat_rad = lat.to_radians();
    let m = 1.0 - EE * lat_rad.sin().powi(2);
    let s = m.sqrt();
    (lon + d_lon * 180.0 / (A / s * lat_rad.cos() * PI), lat + d_lat * 180.0 / (A * (1.0 - EE) / (m * s) * PI))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gcj02_matches_the_published_vectors_and_returns() {
        for (lon, lat, want_lon, want_lat) in [
            (116.404, 39.915, 116.410_244_499_169, 39.916_404_281_502),
            (121.4737, 31.2304, 121.478_223_059_277, 31.228_457_737_577),
            (106.5516, 29.5630, 106.555_317_649_800, 29.560_151_273_667),
        ] {
            let here = Position { lon, lat, crs: Crs::Wgs84, error_m: 1.0 };
            let there = here.to_gcj02();
            assert!((there.lon - want_lon).abs() < 1e-9 && (there.lat - want_lat).abs() < 1e-9, "{there:?}");
            let back = there.to_wgs84();
            assert!((back.lon - lon).abs() < 1e-9 && (back.lat - lat).abs() < 1e-9, "{back:?}");
        }
        let paris = Position { lon: 2.35, lat: 48.85, crs: Crs::Wgs84, error_m: 1.0 };
        assert_eq!((paris.to_gcj02().lon, paris.to_gcj02().lat), (2.35, 48.85));
    }
}

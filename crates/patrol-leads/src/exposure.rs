//! How badly the cold treats a person: the exposure score of `integration.md` §6.6 and the overrides of design §5.

use crate::local_time::{SHANGHAI_OFFSET_S, local_time};
use patrol_core::lead::Score;
use patrol_core::{AlertLevel, Posture, Sighting, Tier, WallTime, Weather};
use std::time::Duration;

/// Weather older than this counts as missing (design §5).
pub const WEATHER_MAX_AGE: Duration = Duration::from_hours(3);
/// Unknown wind counts as this, km/h (`integration.md` §6.6).
const WIND_UNKNOWN_KMH: f32 = 5.0;
/// Range in which the 2001 index is defined (`integration.md` §6.1).
const WIND_CHILL_AIR_MAX_C: f64 = 10.0;
const WIND_CHILL_WIND_MIN_KMH: f64 = 4.8;
/// More than this is rain or snow, mm/h; wet takes 5 °C off (`integration.md` §6.6).
const PRECIP_WET_MM_H: f32 = 0.1;
const WET_PENALTY_C: f64 = 5.0;
/// Earliest a lead is made, minutes (design §5).
const DUE_DOWN_MIN: f32 = 2.0;
const DUE_SITTING_MIN: f32 = 10.0;

/// What the score needs to know of a person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExposureInput {
    pub posture: Posture,
    /// Minutes in the present posture class; of someone who neither lies nor sits, minutes without motion.
    pub minutes: f32,
    /// Minutes without motion.
    pub motionless_min: f32,
    /// 0 still … 1 walking.
    pub movement: f32,
    /// 0 uncovered … 1 under a quilt or tent.
    pub cover: f32,
    /// 0–1, `integration.md` §1.7.
    pub site_prior: f32,
}

impl ExposureInput {
    pub fn of(sighting: &Sighting, site_prior: f32) -> Self {
        let at = sighting.captured.at;
        let motionless_min = sighting.still_since.map_or(0.0, |since| at.minutes_since(since).max(0.0) as f32);
        let minutes = if sighting.posture.is_down() || sighting.posture == Posture::Sitting {
            at.minutes_since(sighting.posture_since).max(0.0) as f32
        } else {
            motionless_min
        };
        Self { posture: sighting.posture, minutes, motionless_min, movement: sighting.movement, cover: sighting.cover, site_prior }
    }
}

/// 2001 North-American wind chill, °C; outside its range the air temperature (`integration.md` §6.1).
pub fn wind_chill_c(air_c: f32, wind_kmh: f32) -> f32 {
    wind_chill(f64::from(air_c), f64::from(wind_kmh)) as f32
}

fn wind_chill(air_c: f64, wind_kmh: f64) -> f64 {
    if air_c > WIND_CHILL_AIR_MAX_C || wind_kmh <= WIND_CHILL_WIND_MIN_KMH {
        return air_c;
    }
    let v = wind_kmh.powf(0.16);
    13.12 + 0.6215 * air_c - 11.37 * v + 0.3965 * air_c * v
}

/// Weight of a posture, and the gate that multiplies the whole score. Walking counts as standing: it differs by `movement`.
fn posture_terms(posture: Posture) -> (f64, f64) {
    match posture {
        Posture::Lying | Posture::Curled => (1.0, 1.0),
        Posture::Slumped => (0.7, 0.95),
        Posture::Unknown => (0.6, 0.85),
        Posture::Sitting => (0.5, 0.8),
        Posture::Standing | Posture::Walking => (0.1, 0.45),
    }
}

/// Least S of tiers A, B, C under a warning (`integration.md` §6.6).
fn thresholds(alert: AlertLevel) -> [f64; 3] {
    match alert {
        AlertLevel::None => [70.0, 50.0, 35.0],
        AlertLevel::Blue => [67.0, 47.0, 32.0],
        AlertLevel::Yellow => [63.0, 43.0, 29.0],
        AlertLevel::Orange => [58.0, 38.0, 26.0],
        AlertLevel::Red => [52.0, 33.0, 22.0],
    }
}

/// The exposure score with all its components; `assumed` says that `weather` is the colder assumption of [`effective_weather`].
pub fn score(input: &ExposureInput, weather: &Weather, assumed: bool) -> Score {
    let air_c = f64::from(weather.air_c);
    let chill_c = wind_chill(air_c, f64::from(weather.wind_kmh.unwrap_or(WIND_UNKNOWN_KMH)));
    let w_c = air_c.min(chill_c);
    let wet = weather.precip_mm_h > PRECIP_WET_MM_H || weather.wet_ground;
    let w_eff_c = if wet { w_c - WET_PENALTY_C } else { w_c };
    let cold = ((12.0 - w_eff_c) / 27.0).clamp(0.0, 1.0);
    let tau_min = 40.0 - 25.0 * cold;
    let minutes = f64::from(input.minutes.max(0.0));
    let duration = (1.0 - (-minutes / tau_min).exp()) * (1.0 - f64::from(input.movement.clamp(0.0, 1.0)));
    let shelter = 1.0 - f64::from(input.cover.clamp(0.0, 1.0));
    let context = (0.5 * f64::from(input.site_prior.clamp(0.0, 1.0)) + 0.5 * shelter).min(1.0);
    let (posture, posture_gate) = posture_terms(input.posture);
    let value = if cold > 0.0 { 100.0 * posture_gate * (0.45 * cold + 0.25 * duration + 0.20 * posture + 0.10 * context) } else { 0.0 };
    let [a, b, c] = thresholds(weather.alert);
    let tier_by_score = match value {
        v if v >= a => Tier::A,
        v if v >= b => Tier::B,
        v if v >= c => Tier::C,
        _ => Tier::D,
    };
    let (tier, overrides) = raised(tier_by_score, input, w_eff_c);
    Score {
        value: value as f32,
        wind_chill_c: chill_c as f32,
        w_c: w_c as f32,
        w_eff_c: w_eff_c as f32,
        cold: cold as f32,
        duration: duration as f32,
        posture: posture as f32,
        context: context as f32,
        posture_gate: posture_gate as f32,
        tier_by_score,
        tier,
        overrides,
        weather: *weather,
        weather_assumed: assumed,
    }
}

/// Overrides of design §5, in their order; each one that raises the tier is recorded.
fn raised(by_score: Tier, input: &ExposureInput, w_eff_c: f64) -> (Tier, Vec<String>) {
    let (mut tier, mut names) = (by_score, Vec::new());
    let rules = [
        (10.0, f64::INFINITY, Tier::C, "still-10-min"),
        (20.0, 6.0, Tier::B, "still-20-min-at-or-below-6-c"),
        (20.0, 0.0, Tier::A, "still-20-min-at-or-below-0-c"),
    ];
    for (minutes, at_most_c, least, name) in rules {
        if input.posture.is_down() && input.motionless_min >= minutes && w_eff_c <= at_most_c && least < tier {
            tier = least;
            names.push(name.to_owned());
        }
    }
    (tier, names)
}

/// The weather to score with. Missing, unreadable or older than 3 h: the colder of the last known and the month's mean minimum, and `true`.
pub fn effective_weather(latest: Option<&Weather>, month_min_c: &[f32; 12], now: WallTime) -> (Weather, bool) {
    let known = latest.filter(|weather| weather.air_c.is_finite());
    if let Some(weather) = known
        && now.since(weather.observed_at) <= WEATHER_MAX_AGE
    {
        return (*weather, false);
    }
    let mean_min_c = month_min_c[(local_time(now, SHANGHAI_OFFSET_S).month as usize - 1).min(11)];
    let last = known.copied().unwrap_or(Weather {
        air_c: mean_min_c,
        wind_kmh: None,
        precip_mm_h: 0.0,
        wet_ground: false,
        alert: AlertLevel::None,
        observed_at: WallTime::default(),
    });
    (Weather { air_c: last.air_c.min(mean_min_c), ..last }, true)
}

/// Whether a lead may be made now: after 2 min lying, curled or slumped, or 10 min sitting (or of unknown posture without motion), or at once by an A.
///
/// Tier D is for the log: the desk keeps such a lead as a `CANDIDATE` that nobody is shown.
pub fn lead_due(sighting: &Sighting, score: &Score) -> bool {
    let input = ExposureInput::of(sighting, 0.0);
    is_due(input.posture, input.minutes, score.tier)
}

pub(crate) fn is_due(posture: Posture, minutes: f32, tier: Tier) -> bool {
    match posture {
        _ if tier == Tier::A => true,
        Posture::Lying | Posture::Curled | Posture::Slumped => minutes >= DUE_DOWN_MIN,
        Posture::Sitting | Posture::Unknown => minutes >= DUE_SITTING_MIN,
        Posture::Standing | Posture::Walking => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weather(air_c: f32, wind_kmh: f32, wet: bool, alert: AlertLevel) -> Weather {
        Weather { air_c, wind_kmh: Some(wind_kmh), precip_mm_h: 0.0, wet_ground: wet, alert, observed_at: WallTime::default() }
    }

    fn input(posture: Posture, minutes: f32) -> ExposureInput {
        ExposureInput { posture, minutes, motionless_min: 0.0, movement: 0.0, cover: 0.0, site_prior: 0.0 }
    }

    #[test]
    fn wind_chill_matches_the_vectors() {
        for (air, wind, want) in [
            (0.0, 10.0, -3.31),
            (0.0, 30.0, -6.47),
            (-5.0, 20.0, -11.55),
            (-10.0, 30.0, -19.52),
            (-20.0, 30.0, -32.57),
            (5.0, 20.0, 1.07),
            (-3.0, 15.0, -8.12),
        ] {
            assert!((wind_chill_c(air, wind) - want).abs() <= 0.005, "{air} {wind}: {}", wind_chill_c(air, wind));
        }
        assert_eq!((wind_chill_c(11.0, 40.0), wind_chill_c(-5.0, 4.0)), (11.0, -5.0), "outside its range the air temperature");
    }

    /// Rows V1–V10 of `integration.md` §6.6 to the printed digits; before overrides.
    #[test]
    fn the_ten_vectors() {
        use AlertLevel::{Blue, None, Orange, Red, Yellow};
        use Posture::{Curled, Lying, Sitting, Slumped, Standing};
        type Row = (f32, f32, bool, Posture, f32, f32, f32, f32, AlertLevel, [&'static str; 5], Tier);
        let rows: [Row; 10] = [
            (-2.0, 5.0, false, Lying, 10.0, 0.0, 0.0, 1.0, None, ["-3.86", "-3.86", "0.5873", "0.3263", "64.6"], Tier::B),
            (4.0, 20.0, true, Lying, 6.0, 0.05, 0.0, 0.0, None, ["-0.19", "-5.19", "0.6368", "0.2095", "58.9"], Tier::B),
            (-8.0, 30.0, false, Lying, 3.0, 0.0, 0.0, 1.0, Orange, ["-16.91", "-16.91", "1.0000", "0.1813", "79.5"], Tier::A),
            (-8.0, 15.0, false, Lying, 60.0, 0.0, 1.0, 1.0, Red, ["-14.28", "-14.28", "0.9733", "0.9783", "93.3"], Tier::A),
            (8.0, 8.0, false, Sitting, 15.0, 0.3, 0.0, 0.0, None, ["6.66", "6.66", "0.1979", "0.2437", "24.0"], Tier::D),
            (15.0, 5.0, false, Lying, 30.0, 0.0, 0.0, 0.0, None, ["15.00", "15.00", "0.0000", "0.5276", "0.0"], Tier::D),
            (-5.0, 15.0, false, Standing, 12.0, 0.6, 0.0, 0.0, Blue, ["-10.58", "-10.58", "0.8363", "0.1867", "22.2"], Tier::D),
            (0.0, 10.0, false, Lying, 20.0, 0.0, 0.0, 0.0, None, ["-3.31", "-3.31", "0.5672", "0.5391", "64.0"], Tier::B),
            (-12.0, 25.0, false, Slumped, 25.0, 0.1, 0.0, 1.0, Yellow, ["-21.33", "-21.33", "1.0000", "0.7300", "82.9"], Tier::A),
            (6.0, 4.0, true, Curled, 45.0, 0.0, 1.0, 1.0, None, ["6.00", "1.00", "0.4074", "0.7789", "62.8"], Tier::B),
        ];
        for (row, (air, wind, wet, posture, minutes, movement, cover, site_prior, alert, want, tier)) in rows.into_iter().enumerate() {
            let input = ExposureInput { posture, minutes, motionless_min: 0.0, movement, cover, site_prior };
            let s = score(&input, &weather(air, wind, wet, alert), false);
            let found = [
                format!("{:.2}", s.w_c),
                format!("{:.2}", s.w_eff_c),
                format!("{:.4}", s.cold),
                format!("{:.4}", s.duration),
                format!("{:.1}", s.value),
            ];
            assert_eq!(found, want, "V{}", row + 1);
            assert_eq!((s.tier_by_score, s.tier), (tier, tier), "V{}", row + 1);
        }
    }

    #[test]
    fn overrides_raise_in_their_order_and_are_recorded() {
        let still = |posture, minutes| ExposureInput { motionless_min: minutes, ..input(posture, minutes) };
        let check = |air: f32, posture, minutes, tier, names: &[&str]| {
            let s = score(&still(posture, minutes), &weather(air, 0.0, false, AlertLevel::None), false);
            assert_eq!(
                (s.tier, s.overrides.iter().map(String::as_str).collect::<Vec<_>>()),
                (tier, names.to_vec()),
                "{air} °C {posture:?} {minutes} min"
            );
        };
        check(25.0, Posture::Lying, 9.9, Tier::D, &[]);
        check(25.0, Posture::Lying, 10.0, Tier::C, &["still-10-min"]);
        check(25.0, Posture::Sitting, 60.0, Tier::D, &[]);
        check(6.0, Posture::Curled, 20.0, Tier::B, &["still-20-min-at-or-below-6-c"]);
        check(6.1, Posture::Slumped, 20.0, Tier::C, &[]);
        check(0.0, Posture::Slumped, 20.0, Tier::A, &["still-20-min-at-or-below-6-c", "still-20-min-at-or-below-0-c"]);
        let moving = ExposureInput { motionless_min: 0.0, ..input(Posture::Lying, 30.0) };
        assert_eq!(
            score(&moving, &weather(25.0, 0.0, false, AlertLevel::None), false).tier,
            Tier::D,
            "movement stops the override's clock"
        );
    }

    #[test]
    fn missing_weather_is_the_colder_assumption_and_never_a_zero_score() {
        let month_min_c = [-9.0, -6.0, 0.0, 7.0, 13.0, 18.0, 22.0, 21.0, 15.0, 8.0, 0.0, -6.0];
        let now = WallTime::from_unix_secs(1_767_553_200); // 2026-01-05 03:00 +08:00
        let at = |air_c, hours: u64| Weather {
            observed_at: now - Duration::from_secs(hours * 3_600),
            ..weather(air_c, 10.0, false, AlertLevel::Blue)
        };
        let (fresh, assumed) = effective_weather(Some(&at(5.0, 3)), &month_min_c, now);
        assert_eq!((fresh.air_c, assumed), (5.0, false));
        let (stale, assumed) = effective_weather(Some(&at(20.0, 4)), &month_min_c, now);
        assert_eq!((stale.air_c, stale.alert, assumed), (-9.0, AlertLevel::Blue, true));
        let (colder, _) = effective_weather(Some(&at(-20.0, 4)), &month_min_c, now);
        assert_eq!(colder.air_c, -20.0);
        let (none, assumed) = effective_weather(None, &month_min_c, now);
        assert_eq!((none.air_c, assumed), (-9.0, true));
        assert!(score(&input(Posture::Lying, 5.0), &none, true).value > 0.0);
        let (nonsense, assumed) = effective_weather(Some(&at(f32::NAN, 0)), &month_min_c, now);
        assert_eq!((nonsense.air_c, assumed), (-9.0, true));
    }

    #[test]
    fn a_lead_is_due_after_two_minutes_down_ten_sitting_or_at_once_by_an_a() {
        assert!(!is_due(Posture::Lying, 1.9, Tier::B) && is_due(Posture::Lying, 2.0, Tier::B));
        assert!(!is_due(Posture::Sitting, 9.9, Tier::B) && is_due(Posture::Sitting, 10.0, Tier::C));
        assert!(is_due(Posture::Slumped, 0.0, Tier::A));
        assert!(!is_due(Posture::Standing, 60.0, Tier::C));
    }
}

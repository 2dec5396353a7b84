//! Local calendar without a tz database: China keeps one zone, +08:00, without summer time.

use patrol_core::WallTime;

/// Offset of Asia/Shanghai from UTC, seconds.
pub const SHANGHAI_OFFSET_S: i32 = 28_800;

/// A local calendar date and time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    pub year: i64,
    /// 1–12.
    pub month: u32,
    /// 1–31.
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
}

/// The calendar of `at` with the given offset from UTC. Days to civil date by Howard Hinnant's public algorithm.
pub fn local_time(at: WallTime, offset_s: i32) -> LocalTime {
    let seconds = at.unix_secs() + i64::from(offset_s);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    LocalTime {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month: month as u32,
        day: (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32,
        hour: (of_day / 3_600) as u32,
        minute: (of_day % 3_600 / 60) as u32,
    }
}

/// The next time at or after `from` at which the local clock shows `hour`:00.
pub fn next_local_hour(from: WallTime, hour: u32, offset_s: i32) -> WallTime {
    let local = from.unix_secs() + i64::from(offset_s);
    let mut at = local.div_euclid(86_400) * 86_400 + i64::from(hour) * 3_600;
    if at < local {
        at += 86_400;
    }
    WallTime::from_unix_secs(at - i64::from(offset_s))
}

/// `02:10` on the local clock.
pub fn clock_text(at: WallTime, offset_s: i32) -> String {
    let local = local_time(at, offset_s);
    format!("{:02}:{:02}", local.hour, local.minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_date_changes_at_local_midnight() {
        // 2026-01-04T16:00:00Z is midnight of the 5th in Shanghai.
        let midnight = WallTime::from_unix_secs(1_767_542_400);
        let before = local_time(WallTime::from_unix_secs(1_767_542_399), SHANGHAI_OFFSET_S);
        let after = local_time(midnight, SHANGHAI_OFFSET_S);
        assert_eq!((before.year, before.month, before.day, before.hour, before.minute), (2026, 1, 4, 23, 59));
        assert_eq!((after.year, after.month, after.day, after.hour), (2026, 1, 5, 0));
        let leap = local_time(WallTime::from_unix_secs(1_709_164_800), 0);
        assert_eq!((leap.year, leap.month, leap.day), (2024, 2, 29));
        assert_eq!(next_local_hour(midnight, 4, SHANGHAI_OFFSET_S).seconds_since(midnight), 4.0 * 3_600.0);
        assert_eq!(clock_text(midnight, SHANGHAI_OFFSET_S), "00:00");
    }
}

//! Wall times as the city reads and writes them: RFC 3339 with +08:00.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, civil};
use patrol_core::WallTime;

/// China has one time and no summer time.
const CHINA: Offset = Offset::constant(8);

/// `2026-01-05T02:12:40+08:00`, whole seconds.
pub(crate) fn rfc3339(at: WallTime) -> String {
    let timestamp = Timestamp::from_second(at.unix_secs()).unwrap_or_default();
    let local = CHINA.to_datetime(timestamp);
    local.strftime("%Y-%m-%dT%H:%M:%S+08:00").to_string()
}

/// RFC 3339, or `2026-01-05 02:31:10` taken as China time, or a Unix time in seconds or milliseconds.
pub(crate) fn parse_text(text: &str) -> Option<WallTime> {
    let text = text.trim();
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return i64::try_from(timestamp.as_nanosecond()).ok().map(WallTime);
    }
    if let Ok(number) = text.parse::<i64>() {
        return parse_number(number);
    }
    let local: civil::DateTime = text.parse().ok()?;
    let timestamp = local.to_zoned(TimeZone::fixed(CHINA)).ok()?.timestamp();
    i64::try_from(timestamp.as_nanosecond()).ok().map(WallTime)
}

/// Unix seconds, or milliseconds when too large for seconds before the year 5138.
pub(crate) fn parse_number(number: i64) -> Option<WallTime> {
    let millis = if number.unsigned_abs() < 100_000_000_000 { number.checked_mul(1000)? } else { number };
    millis.checked_mul(1_000_000).map(WallTime)
}

/// An HTTP date (RFC 9110 §5.6.7), e.g. `Sun, 04 Jan 2026 18:13:41 GMT`.
pub(crate) fn parse_http_date(text: &str) -> Option<WallTime> {
    let timestamp = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    i64::try_from(timestamp.as_nanosecond()).ok().map(WallTime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
            #[test]
            fn no_text_makes_the_parsers_panic(text in "[0-9TZ:+., GMTa-zA-Z-]{0,40}", number: i64) {
    let padded = format!(" {text}  ");
                prop_assert_eq!((parse_text(&padded), parse_http_date(&padded)), (parse_text(&text), parse_http_date(&text)));
                prop_assert!(parse_text(&number.to_string()).is_none_or(|at| at.0 % 1_000_000 == 0), "seconds or milliseconds");
            }
        }

    #[test]
    fn times_are_written_and_read_in_china_time() {
        let at = WallTime::from_unix_secs(1_767_550_361);
        assert_eq!(rfc3339(at), "2026-01-05T02:12:41+08:00");
        for text in ["2026-01-05T02:12:41+08:00", "2026-01-04T18:12:41Z", "2026-01-05 02:12:41", "1767550361", "1767550361000"] {
            assert_eq!(parse_text(text), Some(at), "{text}");
        }
        assert_eq!(parse_http_date("Sun, 04 Jan 2026 18:12:41 GMT"), Some(at));
        assert_eq!(parse_text(&i64::MIN.to_string()), None);
        for text in ["", "now", "2026-13-05T00:00:00Z", "99999999999999999999", "9223372036854775807"] {
            assert_eq!(parse_text(text), None, "{text}");
        }
    }
}

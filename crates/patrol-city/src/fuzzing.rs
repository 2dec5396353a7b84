//! What is read of the city, for `fuzz/`.

use crate::verdict::judge;
use patrol_core::WallTime;

/// An answer: two bytes of status, the header `Retry-After` up to a zero byte, the body.
pub fn answer(bytes: &[u8]) {
    let [high, low, rest @ ..] = bytes else { return };
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let retry_after = std::str::from_utf8(parts.next().unwrap_or_default()).ok();
    judge(u16::from_be_bytes([*high, *low]), retry_after, parts.next().unwrap_or_default(), WallTime::from_unix_secs(1_767_225_600));
}

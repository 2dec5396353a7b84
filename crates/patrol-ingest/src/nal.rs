//! As much of H.264 and H.265 as it takes to see where decoding can begin, and whether a picture is there from its beginning.

use crate::ring::VideoCodec;

/// The first slice that arrived of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FirstSlice {
    /// No slice before it is missing.
    pub(crate) at_start: bool,
    /// The picture refers to none before it, and none after it does: IDR in H.264; IDR, BLA and CRA in H.265, whose leading pictures a
    /// decoder that begins here leaves out.
    pub(crate) key: bool,
}

/// Looks at the first slice of an access unit in Annex B; `None` when it has none and therefore is no picture.
///
/// H.264 slice headers begin with `first_mb_in_slice`, whose Exp-Golomb code for 0 is a single 1 (ITU-T H.264 §7.3.3, §9.1); H.265
/// ones with `first_slice_segment_in_pic_flag` (ITU-T H.265 §7.3.6.1). Types of NAL units: Table 7-1 of both.
pub(crate) fn first_slice(codec: VideoCodec, unit: &[u8]) -> Option<FirstSlice> {
    let mut rest = unit;
    while let Some(at) = rest.windows(3).position(|window| window == [0, 0, 1]) {
        rest = &rest[at + 3..];
        let (kind, flags) = match (codec, rest) {
            (VideoCodec::H264, [header, flags, ..]) => (header & 0x1f, flags),
            (VideoCodec::H265, [header, _, flags, ..]) => ((header >> 1) & 0x3f, flags),
            _ => continue,
        };
        let key = match (codec, kind) {
            (VideoCodec::H264, 1 | 2) | (VideoCodec::H265, 0..16) => false,
            (VideoCodec::H264, 5) | (VideoCodec::H265, 16..24) => true,
            _ => continue,
        };
        return Some(FirstSlice { at_start: flags & 0x80 != 0, key });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A picture is the same behind an access unit delimiter and whatever a damaged packet has left before its start code.
        #[test]
        fn no_bytes_make_it_panic_and_what_goes_before_changes_nothing(unit in prop::collection::vec(prop_oneof![Just(0u8), Just(1u8), any::<u8>()], 0..200)) {
            for (codec, delimiter) in [(VideoCodec::H264, &[0u8, 0, 1, 0x09, 0xf0][..]), (VideoCodec::H265, &[0, 0, 1, 0x46, 1, 0x50][..])] {
                let plain = first_slice(codec, &[&[0, 0, 1][..], &unit].concat());
                prop_assert_eq!(first_slice(codec, &[delimiter, &[0, 0, 1], &unit].concat()), plain);
            }
        }
    }

    #[test]
    fn the_first_slice_tells() {
        let check = |codec, unit: &[u8], expected: Option<(bool, bool)>| {
            assert_eq!(first_slice(codec, unit).map(|slice| (slice.at_start, slice.key)), expected, "{unit:?}");
        };
        check(VideoCodec::H264, &[0, 0, 0, 1, 0x67, 0x42, 0, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 0x88], Some((true, true)));
        check(VideoCodec::H264, &[0, 0, 1, 0x41, 0x40, 0, 0, 1, 0x41, 0x80], Some((false, false)));
        check(VideoCodec::H264, &[0, 0, 1, 0x09, 0xf0], None);
        check(VideoCodec::H264, &[0, 0, 1, 0x65], None);
        check(VideoCodec::H265, &[0, 0, 1, 0x40, 1, 0x80, 0, 0, 1, 0x26, 1, 0x80], Some((true, true)));
        check(VideoCodec::H265, &[0, 0, 1, 0x2a, 1, 0xa0], Some((true, true)));
        check(VideoCodec::H265, &[0, 0, 1, 0x02, 1, 0x40], Some((false, false)));
        check(VideoCodec::H265, &[], None);
    }
}

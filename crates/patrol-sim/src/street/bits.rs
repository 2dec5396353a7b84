//! Bits of H.264: Exp-Golomb codes (ITU-T H.264 §9.1) and the bytes that keep start codes out of a NAL unit (§7.4.1).

/// Reads an RBSP; `None` past its end.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bits read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | u32::from(self.flag()?)))
    }

    pub(super) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some(((1u64 << zeros) - 1) as u32 + self.bits(zeros)?)
    }

    pub(super) fn se(&mut self) -> Option<i32> {
        let code = self.ue()?;
        let magnitude = code.div_ceil(2) as i32;
        Some(if code % 2 == 1 { magnitude } else { -magnitude })
    }
}

/// Writes an RBSP.
#[derive(Debug, Clone, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    count: usize,
}

impl BitWriter {
    pub(super) fn flag(&mut self, bit: bool) {
        if self.count.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if bit && let Some(last) = self.bytes.last_mut() {
            *last |= 0x80 >> (self.count % 8);
        }
        self.count += 1;
    }

    pub(super) fn bits(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            self.flag(value >> bit & 1 == 1);
        }
    }

    pub(super) fn ue(&mut self, value: u32) {
        let code = u64::from(value) + 1;
        let length = code.ilog2();
        self.bits(0, length);
        for bit in (0..=length).rev() {
            self.flag(code >> bit & 1 == 1);
        }
    }

    pub(super) fn se(&mut self, value: i32) {
        self.ue(if value > 0 { 2 * value.unsigned_abs() - 1 } else { 2 * value.unsigned_abs() });
    }

    /// Copies the bits `from..to` of `bytes`.
    pub(super) fn copy(&mut self, bytes: &[u8], from: usize, to: usize) {
        for at in from..to.min(bytes.len() * 8) {
            self.flag(bytes[at / 8] >> (7 - at % 8) & 1 == 1);
        }
    }

    /// `rbsp_trailing_bits()`: a one, then zeros to the end of the byte.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.flag(true);
        self.bytes
    }
}

/// Number of bits before `rbsp_trailing_bits()`.
pub(super) fn payload_bits(rbsp: &[u8]) -> usize {
    let Some(last) = rbsp.iter().rposition(|byte| *byte != 0) else { return 0 };
    last * 8 + 7 - rbsp[last].trailing_zeros() as usize
}

/// The RBSP of a NAL unit whose header has one byte.
pub(super) fn rbsp_of(nal: &[u8]) -> Vec<u8> {
    let mut rbsp = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for byte in nal.iter().skip(1) {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        rbsp.push(*byte);
    }
    rbsp
}

/// A NAL unit with the one-byte `header`.
pub(super) fn nal_of(header: u8, rbsp: &[u8]) -> Vec<u8> {
    let mut nal = Vec::with_capacity(rbsp.len() + 8);
    nal.push(header);
    let mut zeros = 0;
    for byte in rbsp {
        if zeros >= 2 && *byte <= 3 {
            nal.push(3);
            zeros = 0;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        nal.push(*byte);
    }
    nal
}

/// The NAL units of a byte stream (Annex B), without start codes and trailing zeros.
pub(super) fn nals_of(stream: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at + 3 <= stream.len() {
        if stream[at..at + 3] == [0, 0, 1] {
            starts.push(at + 3);
            at += 3;
        } else {
            at += 1;
        }
    }
    let ends = starts.iter().skip(1).map(|start| start - 3).chain([stream.len()]);
    let trimmed = |nal: &'_ [u8]| nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    starts.iter().zip(ends).map(|(start, end)| &stream[*start..end]).map(|nal| &nal[..trimmed(nal)]).filter(|nal| !nal.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let mut writer = BitWriter::default();
        writer.bits(5, 3);
        for value in [0, 1, 2, 7, 8, 254, 65_535, u32::MAX - 1] {
            writer.ue(value);
        }
        for value in [0, 1, -1, 2, -2, 26, -26, 40_000] {
            writer.se(value);
        }
        let bits = writer.count;
        let rbsp = writer.finish();
        assert_eq!(payload_bits(&rbsp), bits);
        let mut reader = BitReader::new(&rbsp);
        assert_eq!(reader.bits(3), Some(5));
        for value in [0, 1, 2, 7, 8, 254, 65_535, u32::MAX - 1] {
            assert_eq!(reader.ue(), Some(value));
        }
        for value in [0, 1, -1, 2, -2, 26, -26, 40_000] {
            assert_eq!(reader.se(), Some(value));
        }
    }

    #[test]
    fn no_start_code_inside_a_nal_unit() {
        let rbsp = [0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 3, 9, 0, 0, 4, 0x80];
        let nal = nal_of(0x65, &rbsp);
        assert!(!nal.windows(3).any(|three| three[..2] == [0, 0] && three[2] < 3));
        assert_eq!(rbsp_of(&nal), rbsp);
        let stream: Vec<u8> = [&[0, 0, 0, 1][..], &nal, &[0, 0, 1, 0x41, 0x9A, 0x80, 0]].concat();
        assert_eq!(nals_of(&stream), [&nal[..], &[0x41, 0x9A, 0x80]]);
    }
}

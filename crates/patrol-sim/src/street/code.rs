//! The block code: who sent a picture, which one it is and when it was taken, written into the picture itself.
//!
//! The top 16 rows of a picture are cells of 16 × 16 pixels, each of four blocks of 8 × 8: one bit each, white is 1, in the order top left, top right,
//! bottom left, bottom right. From the left:
//!
//! | cells | hold |
//! | --- | --- |
//! | 0 | grey |
//! | 1–2 | `1001 0110`: here begins a code |
//! | 3–26 | 96 bits, most significant first: camera (12), frame (24), capture time in ms since 1970 UTC (44), CRC-16/CCITT-FALSE of the ten bytes before (16) |
//! | 27 | `0110` |
//! | rest | grey |
//!
//! The 16 rows below are grey: no prediction reaches across them.

/// Height of the cells, pixels.
pub(super) const CODE_ROWS: usize = 16;
/// Height of code and grey guard, pixels.
pub(super) const STRIP_ROWS: usize = 2 * CODE_ROWS;
/// Narrowest picture that holds a code.
pub const CODE_WIDTH_MIN: u32 = 29 * CODE_ROWS as u32;
/// Number of cells with bits.
const CELLS: usize = 27;
const BEGIN: [u8; 2] = [0b1001, 0b0110];
/// Its right column is white above black: what follows is predicted mid-grey.
const END: u8 = 0b0110;
/// Grey of the strip outside the cells.
pub(super) const GREY: u8 = 128;

/// What a picture says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockCode {
    /// 0–4095. 4095 in clips whose code is not made at send time (H.265): `frame` is then the place in the clip and the time 0.
    pub camera: u16,
    /// Counts the camera's pictures from its start, sent or not; modulo 2²⁴.
    pub frame: u32,
    /// When it was taken.
    pub unix_ms: u64,
}

impl BlockCode {
    /// The cells that hold bits, four each.
    pub(super) fn cells(&self) -> [u8; CELLS] {
        let value =
            u128::from(self.camera & 0xFFF) << 68 | u128::from(self.frame & 0xFF_FFFF) << 44 | u128::from(self.unix_ms & 0xFFF_FFFF_FFFF);
        let mut bytes = [0; 12];
        bytes[..10].copy_from_slice(&value.to_be_bytes()[6..]);
        let crc = crc16(&bytes[..10]);
        bytes[10..].copy_from_slice(&crc.to_be_bytes());
        let mut cells = [END; CELLS];
        cells[..2].copy_from_slice(&BEGIN);
        for (number, byte) in bytes.iter().enumerate() {
            cells[2 + 2 * number] = byte >> 4;
            cells[3 + 2 * number] = byte & 15;
        }
        cells
    }

    /// Draws strip and code into the luma of a picture; too small a picture is left as it is.
    pub(super) fn draw(&self, luma: &mut [u8], width: usize) {
        if width < CODE_WIDTH_MIN as usize || luma.len() < STRIP_ROWS * width {
            return;
        }
        luma[..STRIP_ROWS * width].fill(GREY);
        for (number, cell) in self.cells().iter().enumerate() {
            for y in 0..CODE_ROWS {
                for x in 0..CODE_ROWS {
                    let bit = 3 - (y / 8 * 2 + x / 8);
                    luma[y * width + (number + 1) * CODE_ROWS + x] = if cell >> bit & 1 == 1 { 255 } else { 0 };
                }
            }
        }
    }
}

/// CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

/// Reads the code of a picture from its luma plane. `None`: there is none, or its check fails.
pub fn read_code(luma: &[u8], stride: usize, width: usize, height: usize) -> Option<BlockCode> {
    if width < CODE_WIDTH_MIN as usize || height < CODE_ROWS || stride < width || luma.len() < stride * (CODE_ROWS - 1) + width {
        return None;
    }
    // The middle 4 × 4 pixels of a block: what a codec does at edges does not count.
    let bit = |x: usize, y: usize| -> u32 {
        let sum: u32 = (y + 2..y + 6).flat_map(|y| &luma[y * stride + x + 2..y * stride + x + 6]).map(|value| u32::from(*value)).sum();
        u32::from(sum >= 16 * 128)
    };
    let cell = |number: usize| -> u32 {
        let x = (number + 1) * CODE_ROWS;
        bit(x, 0) << 3 | bit(x + 8, 0) << 2 | bit(x, 8) << 1 | bit(x + 8, 8)
    };
    if [cell(0), cell(1), cell(CELLS - 1)] != [BEGIN[0], BEGIN[1], END].map(u32::from) {
        return None;
    }
    let value = (2..CELLS - 1).fold(0u128, |value, number| value << 4 | u128::from(cell(number)));
    let bytes = value.to_be_bytes();
    (crc16(&bytes[4..14]) == value as u16).then(|| {
        let value = value >> 16;
        BlockCode { camera: (value >> 68) as u16, frame: (value >> 44) as u32 & 0xFF_FFFF, unix_ms: value as u64 & 0xFFF_FFFF_FFFF }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: BlockCode = BlockCode { camera: 0xABC, frame: 0x12_3456, unix_ms: 1_768_750_200_123 };

    #[test]
    fn a_drawn_code_is_read_back_and_a_damaged_one_is_refused() {
        let (width, stride) = (640, 704);
        let mut luma = vec![77; stride * 64];
        let mut drawn = vec![77; width * 64];
        CODE.draw(&mut drawn, width);
        for (to, from) in luma.chunks_exact_mut(stride).zip(drawn.chunks_exact(width)) {
            to[..width].copy_from_slice(from);
        }
        assert_eq!(read_code(&luma, stride, width, 64), Some(CODE));
        for y in 0..8 {
            for x in 0..8 {
                luma[y * stride + 10 * 16 + x] ^= 0xFF;
            }
        }
        assert_eq!(read_code(&luma, stride, width, 64), None);
        assert_eq!(read_code(&[0; 100], 640, 640, 512), None);
    }

    #[test]
    fn the_check_is_the_published_one() {
        // The check value of CRC-16/CCITT-FALSE in the catalogue of parametrised CRC algorithms.
        assert_eq!(crc16(b"123456789"), 0x29B1);
    }
}

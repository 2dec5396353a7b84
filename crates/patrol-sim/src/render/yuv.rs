//! Red, green and blue to I420 in limited range: ITU-R BT.601 up to 576 lines, BT.709 above, as decoders assume of untagged video.

use patrol_core::PictureSize;

/// Weights of red and blue in luma.
fn weights(size: PictureSize) -> (f32, f32) {
    if size.height > 576 { (0.2126, 0.0722) } else { (0.299, 0.114) }
}

fn luma_of(rgb: &[u8], (kr, kb): (f32, f32)) -> f32 {
    f32::from(rgb[0]) * kr + f32::from(rgb[1]) * (1.0 - kr - kb) + f32::from(rgb[2]) * kb
}

/// Replaces `out` by the luma plane.
pub(super) fn luma(rgb: &[u8], size: PictureSize, out: &mut Vec<u8>) {
    let weights = weights(size);
    out.clear();
    out.extend(rgb.chunks_exact(3).map(|pixel| (16.5 + luma_of(pixel, weights) * (219.0 / 255.0)) as u8));
}

/// Replaces `out` by three planes; chroma is the mean of each 2 × 2 pixels. Sizes are even.
pub(super) fn i420(rgb: &[u8], size: PictureSize, out: &mut Vec<u8>) {
    luma(rgb, size, out);
    let (kr, kb) = weights(size);
    let width = size.width as usize;
    let quads = (width / 2) * (size.height as usize / 2);
    let mut red_difference = Vec::with_capacity(quads);
    out.reserve(2 * quads);
    for y in (0..size.height as usize).step_by(2) {
        for x in (0..width).step_by(2) {
            let at = |dx: usize, dy: usize| &rgb[((y + dy) * width + x + dx) * 3..][..3];
            let quad = [at(0, 0), at(1, 0), at(0, 1), at(1, 1)];
            let mean = |channel: usize| quad.iter().map(|pixel| f32::from(pixel[channel])).sum::<f32>() / 4.0;
            let luma = quad.iter().map(|pixel| luma_of(pixel, (kr, kb))).sum::<f32>() / 4.0;
            let chroma = |value: f32, k: f32| (128.5 + (value - luma) / (2.0 * (1.0 - k)) * (224.0 / 255.0)) as u8;
            out.push(chroma(mean(2), kb));
            red_difference.push(chroma(mean(0), kr));
        }
    }
    out.extend_from_slice(&red_difference);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_those_of_the_standard() {
        let size = PictureSize::new(2, 2);
        let convert = |colour: [u8; 3]| {
            let mut out = Vec::new();
            i420(&colour.repeat(4), size, &mut out);
            [out[0], out[4], out[5]]
        };
        // 75 % bars aside: full red, blue, white, black and mid grey of BT.601.
        assert_eq!(convert([255, 0, 0]), [81, 90, 240]);
        assert_eq!(convert([0, 0, 255]), [41, 240, 110]);
        assert_eq!(convert([255; 3]), [235, 128, 128]);
        assert_eq!(convert([0; 3]), [16, 128, 128]);
        assert_eq!(convert([128; 3]), [126, 128, 128]);
    }
}

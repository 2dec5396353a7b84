//! From a decoded picture to a model's input in one pass: crop, resize, colour, normalise, planar. And to coloured rows, for what is encoded.
//!
//! Each output row is made from the source rows it covers (16-bit sums), then along x, then coloured and normalised into the tensor.
//! Nothing of the picture's size is ever stored; tables and rows are kept between pictures.

use crate::card::{ChannelOrder, InputSpec, Letterbox};
use crate::luma::{LUMA_RGB, StretchFinder};
use crate::resample::{Axis, columns_into, rows_into, rows16_into};
use crate::vectors::widest;
use patrol_core::{Modality, Picture, PictureSize, PixelBox, PixelFormat};

/// Pictures higher than this are taken as ITU-R BT.709, others as BT.601: what decoders assume of untagged video.
const BT601_HEIGHT_MAX: u32 = 576;
/// Limited-range luma: black, and the factor to full range (ITU-R BT.601 §2.5.3).
const LUMA_BLACK: f32 = 16.0;
const LUMA_GAIN: f32 = 255.0 / 219.0;

/// Where the picture lies in the model's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Model pixels per picture pixel.
    pub scale_x: f32,
    pub scale_y: f32,
    /// Upper left corner of the picture in the model's input.
    pub left: f32,
    pub top: f32,
    /// Upper left corner of the crop in the picture.
    pub crop_x: f32,
    pub crop_y: f32,
}

impl Placement {
    pub fn picture_from_model(&self, model: &PixelBox) -> PixelBox {
        PixelBox {
            x: (model.x - self.left) / self.scale_x + self.crop_x,
            y: (model.y - self.top) / self.scale_y + self.crop_y,
            w: model.w / self.scale_x,
            h: model.h / self.scale_y,
        }
    }
}

/// Geometries kept: the tiles of a few cameras that take turns.
const GEOMETRIES_MAX: usize = 64;

/// Tables for one size, format, crop and scale.
#[derive(Debug)]
struct Geometry {
    size: PictureSize,
    format: PixelFormat,
    crop: PixelBox,
    scale_max: f32,
    shift: u32,
    placement: Placement,
    /// Extent and corner of the picture inside the tensor, whole pixels.
    width: usize,
    height: usize,
    left: usize,
    top: usize,
    x: Axis,
    y: Axis,
    chroma_x: Axis,
    chroma_y: Axis,
    /// First column and row of the picture, where it is taken as it is.
    copied: Option<(usize, usize)>,
}

/// Makes the input of one model. Give it the same tensor every time: the padding is written only when the geometry changes.
#[derive(Debug)]
pub struct Preparer {
    input: InputSpec,
    /// Last used at the end.
    geometries: Vec<Geometry>,
    stretch: StretchFinder,
    sums: Vec<u16>,
    sums16: Vec<u32>,
    rows: [Vec<f32>; 3],
}

impl Preparer {
    pub fn new(input: &InputSpec) -> Self {
        Self {
            input: input.clone(),
            geometries: Vec::new(),
            stretch: StretchFinder::default(),
            sums: Vec::new(),
            sums16: Vec::new(),
            rows: [const { Vec::new() }; 3],
        }
    }

    /// Values in the tensor: channels · height · width.
    pub fn tensor_len(&self) -> usize {
        (self.input.channels * self.input.height * self.input.width) as usize
    }

    /// Fills `tensor` (channels, height, width) from `crop`, or the whole picture, as large as it fits. Thermal video is read from its luma alone.
    pub fn fill(&mut self, picture: &Picture, crop: Option<&PixelBox>, modality: Modality, tensor: &mut [f32]) -> Placement {
        self.fill_at(picture, crop, f32::INFINITY, 0, modality, tensor)
    }

    /// As [`Preparer::fill`], with at most `scale_max` pixels of the model for one of the picture, and at least `shift` pixels of padding to the left and
    /// above.
    pub fn fill_at(
        &mut self,
        picture: &Picture,
        crop: Option<&PixelBox>,
        scale_max: f32,
        shift: u32,
        modality: Modality,
        tensor: &mut [f32],
    ) -> Placement {
        let size = picture.size();
        let whole = PixelBox::new(0.0, 0.0, size.width as f32, size.height as f32);
        // A crop of less than a pixel, or outside, is the whole picture: an empty input would find nobody.
        let crop = crop.map(|crop| crop.clipped(size)).filter(|crop| crop.is_finite() && crop.w >= 1.0 && crop.h >= 1.0).unwrap_or(whole);
        let same = |known: &Geometry| {
            known.size == size
                && known.format == picture.format()
                && known.crop == crop
                && (known.scale_max, known.shift) == (scale_max, shift)
        };
        let known = self.geometries.iter().rposition(same);
        if known.is_none_or(|at| at + 1 < self.geometries.len()) {
            // What the picture before has left around this one goes.
            self.pad(tensor);
        }
        let geometry = if let Some(at) = known {
            self.geometries.remove(at)
        } else {
            if self.geometries.len() == GEOMETRIES_MAX {
                self.geometries.remove(0);
            }
            geometry(&self.input, size, picture.format(), crop, (scale_max, shift))
        };
        self.make_room(size, &geometry);
        let grey = self.input.channels == 1 || modality == Modality::Thermal;
        let range = self.stretch.find(picture);
        for y in 0..geometry.height {
            self.colours(picture, &geometry, y, grey, range.gain(), f32::from(range.black));
            self.write_row(&geometry, y, tensor);
        }
        let placement = geometry.placement;
        self.geometries.push(geometry);
        placement
    }

    fn make_room(&mut self, size: PictureSize, geometry: &Geometry) {
        self.sums.resize(self.sums.len().max(size.width as usize * 3), 0);
        self.sums16.resize(self.sums16.len().max(size.width as usize), 0);
        for row in &mut self.rows {
            row.resize(geometry.width, 0.0);
        }
    }

    /// Fills `self.rows` with red, green and blue, 0–255 (all three the same when grey).
    fn colours(&mut self, picture: &Picture, geometry: &Geometry, y: usize, grey: bool, gain: f32, black: f32) {
        let width = picture.size().width as usize;
        let [r, g, b] = &mut self.rows;
        match picture.format() {
            PixelFormat::Gray8 => luma_into(picture, geometry, y, &mut self.sums[..width], r),
            PixelFormat::Gray16Le => {
                let plane = picture.rows(0);
                rows16_into(&geometry.y, y, |row| plane.row(row), &mut self.sums16[..width]);
                columns_into::<1, _>(&geometry.x, &self.sums16[..width], 0, r);
                for value in r.iter_mut() {
                    *value = ((*value - black) * gain).clamp(0.0, 255.0);
                }
            }
            PixelFormat::Rgb8 => {
                let plane = picture.rows(0);
                rows_into(&geometry.y, y, |row| plane.row(row), &mut self.sums[..width * 3]);
                columns_into::<3, _>(&geometry.x, &self.sums[..width * 3], 0, r);
                columns_into::<3, _>(&geometry.x, &self.sums[..width * 3], 1, g);
                columns_into::<3, _>(&geometry.x, &self.sums[..width * 3], 2, b);
                if grey {
                    for ((r, g), b) in r.iter_mut().zip(&*g).zip(&*b) {
                        *r = LUMA_RGB[0] * *r + LUMA_RGB[1] * *g + LUMA_RGB[2] * *b;
                    }
                } else {
                    return;
                }
            }
            PixelFormat::I420 | PixelFormat::Nv12 => {
                luma_into(picture, geometry, y, &mut self.sums[..width], r);
                if grey {
                    for value in r.iter_mut() {
                        *value = ((*value - LUMA_BLACK) * LUMA_GAIN).clamp(0.0, 255.0);
                    }
                } else {
                    let chroma = width.div_ceil(2);
                    if picture.format() == PixelFormat::I420 {
                        for (plane, out) in [(1, &mut *g), (2, &mut *b)] {
                            let plane = picture.rows(plane);
                            rows_into(&geometry.chroma_y, y, |row| plane.row(row), &mut self.sums[..chroma]);
                            columns_into::<1, _>(&geometry.chroma_x, &self.sums[..chroma], 0, out);
                        }
                    } else {
                        let plane = picture.rows(1);
                        rows_into(&geometry.chroma_y, y, |row| plane.row(row), &mut self.sums[..chroma * 2]);
                        columns_into::<2, _>(&geometry.chroma_x, &self.sums[..chroma * 2], 0, g);
                        columns_into::<2, _>(&geometry.chroma_x, &self.sums[..chroma * 2], 1, b);
                    }
                    rgb_from_yuv(picture.size().height, r, g, b);
                    return;
                }
            }
        }
        if self.input.channels == 3 {
            g.copy_from_slice(r);
            b.copy_from_slice(r);
        }
    }

    fn write_row(&self, geometry: &Geometry, y: usize, tensor: &mut [f32]) {
        let (model_width, model_height) = (self.input.width as usize, self.input.height as usize);
        for channel in 0..self.input.channels as usize {
            let source = if self.input.order == ChannelOrder::Bgr { &self.rows[2 - channel] } else { &self.rows[channel] };
            let start = (channel * model_height + geometry.top + y) * model_width + geometry.left;
            let (gain, offset) = self.normalisation(channel);
            let row = &mut tensor[start..start + geometry.width];
            widest(|| {
                for (out, value) in row.iter_mut().zip(source) {
                    *out = value * gain + offset;
                }
            });
        }
    }

    /// `(pixel · scale − mean) / std` as gain and offset.
    fn normalisation(&self, channel: usize) -> (f32, f32) {
        (self.input.scale / self.input.std[channel], -self.input.mean[channel] / self.input.std[channel])
    }

    fn pad(&self, tensor: &mut [f32]) {
        let plane = (self.input.width * self.input.height) as usize;
        for (channel, values) in tensor.chunks_mut(plane).enumerate() {
            let (gain, offset) = self.normalisation(channel);
            values.fill(self.input.pad_value * gain + offset);
        }
    }
}

/// One row of the first plane: copied at native scale, where the thermal networks work.
fn luma_into(picture: &Picture, geometry: &Geometry, y: usize, sums: &mut [u16], out: &mut [f32]) {
    if let Some((left, top)) = geometry.copied {
        for (out, &level) in out.iter_mut().zip(&picture.row(0, top + y)[left..]) {
            *out = f32::from(level);
        }
        return;
    }
    let plane = picture.rows(0);
    rows_into(&geometry.y, y, |row| plane.row(row), sums);
    columns_into::<1, _>(&geometry.x, sums, 0, out);
}

/// Limited-range YUV to full-range RGB, in place: `y` becomes red, `u` green, `v` blue.
fn rgb_from_yuv(height: u32, y: &mut [f32], u: &mut [f32], v: &mut [f32]) {
    // Rows of the inverse matrices, ITU-R BT.601 and BT.709, for 8-bit limited range.
    let (rv, gu, gv, bu) = if height > BT601_HEIGHT_MAX { (1.7927, 0.2132, 0.5329, 2.1124) } else { (1.5960, 0.3918, 0.8130, 2.0172) };
    widest(|| {
        for ((y, u), v) in y.iter_mut().zip(u).zip(v) {
            let luma = (*y - LUMA_BLACK) * LUMA_GAIN;
            let (cb, cr) = (*u - 128.0, *v - 128.0);
            *y = (luma + rv * cr).clamp(0.0, 255.0);
            *u = (luma - gu * cb - gv * cr).clamp(0.0, 255.0);
            *v = (luma + bu * cb).clamp(0.0, 255.0);
        }
    });
}

fn geometry(input: &InputSpec, size: PictureSize, format: PixelFormat, crop: PixelBox, (scale_max, shift): (f32, u32)) -> Geometry {
    let (wide, high) = (input.width.saturating_sub(shift).max(1), input.height.saturating_sub(shift).max(1));
    let scale = (wide as f32 / crop.w).min(high as f32 / crop.h).min(scale_max);
    // Rounded down as the training code of YOLOX does; the small constant keeps exact ratios exact.
    let fitted = |extent: f32, limit: u32| ((extent * scale + 1e-3) as u32).clamp(1, limit) as usize;
    let (width, height) = (fitted(crop.w, wide), fitted(crop.h, high));
    let (left, top) = match input.letterbox {
        Letterbox::TopLeft => ((input.width - wide) as usize, (input.height - high) as usize),
        Letterbox::Center => ((input.width as usize - width) / 2, (input.height as usize - height) / 2),
    };
    let mut geometry = Geometry { scale_max, shift, left, top, ..stretched(size, format, crop, (width, height)) };
    (geometry.placement.left, geometry.placement.top) = (left as f32, top as f32);
    geometry
}

/// `crop` as an output of this width and height, whatever its proportions, without padding.
fn stretched(size: PictureSize, format: PixelFormat, crop: PixelBox, (width, height): (usize, usize)) -> Geometry {
    let (w, h) = (size.width as usize, size.height as usize);
    let half = |whole: usize| whole.div_ceil(2);
    let (x, y) = (Axis::new(w, crop.x, crop.w, width), Axis::new(h, crop.y, crop.h, height));
    let placement =
        Placement { scale_x: width as f32 / crop.w, scale_y: height as f32 / crop.h, left: 0.0, top: 0.0, crop_x: crop.x, crop_y: crop.y };
    Geometry {
        copied: x.copied_from().zip(y.copied_from()),
        size,
        format,
        crop,
        scale_max: f32::INFINITY,
        shift: 0,
        placement,
        width,
        height,
        left: 0,
        top: 0,
        x,
        y,
        chroma_x: Axis::new(half(w), crop.x / 2.0, crop.w / 2.0, width),
        chroma_y: Axis::new(half(h), crop.y / 2.0, crop.h / 2.0, height),
    }
}

/// A part of a picture in colours, row by row: for what is encoded while it is made, so that nothing of its size is stored on the way. Its tables are its own.
pub(crate) struct RgbRows<'a> {
    picture: &'a Picture,
    preparer: Preparer,
    geometry: Geometry,
    gain: f32,
    black: f32,
}

impl<'a> RgbRows<'a> {
    /// What of `region` lies in the picture, resized to `width` × `height`. The colours of a thermal palette are kept.
    pub(crate) fn new(picture: &'a Picture, region: &PixelBox, width: u32, height: u32) -> Self {
        let mut preparer = Preparer::new(&InputSpec::plain(width, height, ChannelOrder::Rgb));
        let geometry = stretched(picture.size(), picture.format(), region.clipped(picture.size()), (width as usize, height as usize));
        preparer.make_room(picture.size(), &geometry);
        let range = preparer.stretch.find(picture);
        Self { picture, preparer, geometry, gain: range.gain(), black: f32::from(range.black) }
    }

    /// Red, green and blue of row `y`, 0–255.
    pub(crate) fn row(&mut self, y: usize) -> &mut [Vec<f32>; 3] {
        self.preparer.colours(self.picture, &self.geometry, y, false, self.gain, self.black);
        &mut self.preparer.rows
    }
}

//! The fused pass gives what a plain slow resize and conversion gives, for every format, size and crop.

use crate::scene::sized;
use patrol_core::{Modality, Picture, PictureSize, PixelBox, PixelFormat};
use patrol_vision::card::{ChannelOrder, InputSpec, Letterbox};
use patrol_vision::prepare::Preparer;
use proptest::prelude::*;

fn input(order: ChannelOrder, letterbox: Letterbox) -> InputSpec {
    InputSpec {
        scale: 1.0 / 255.0,
        mean: [0.4, 0.5, 0.6],
        std: [0.2, 0.25, 0.5],
        pad_value: 114.0,
        letterbox,
        ..InputSpec::plain(96, 64, order)
    }
}

/// One sample of a plane as the plain resize wants it.
type Sample<'a> = &'a dyn Fn(usize, usize) -> f32;

/// Exactly what one output pixel covers: the mean over the area above two source pixels each, else bilinear.
fn axis(source: usize, from: f32, step: f32, output: usize) -> Vec<(usize, f32)> {
    let clamp = |index: f32| index.clamp(0.0, (source - 1) as f32) as usize;
    if step > 2.0 {
        let (left, right) = (from + output as f32 * step, from + (output + 1) as f32 * step);
        (left.floor() as i64..right.ceil() as i64)
            .map(|i| (clamp(i as f32), ((i + 1) as f32).min(right) - (i as f32).max(left)))
            .map(|(i, w)| (i, w / step))
            .collect()
    } else {
        let centre = from + (output as f32 + 0.5) * step - 0.5;
        let part = centre - centre.floor();
        vec![(clamp(centre.floor()), 1.0 - part), (clamp(centre.floor() + 1.0), part)]
    }
}

fn plain(sample: Sample<'_>, (w, h): (usize, usize), crop: &PixelBox, step: (f32, f32), (x, y): (usize, usize)) -> f32 {
    let columns = axis(w, crop.x, step.0, x);
    axis(h, crop.y, step.1, y).iter().map(|(row, wy)| wy * columns.iter().map(|(column, wx)| wx * sample(*column, *row)).sum::<f32>()).sum()
}

/// The pixel of a picture at an output position, red, green, blue 0–255.
fn reference(picture: &Picture, crop: &PixelBox, step: (f32, f32), at: (usize, usize)) -> [f32; 3] {
    let (w, h) = (picture.size().width as usize, picture.size().height as usize);
    let whole = (w, h);
    match picture.format() {
        PixelFormat::Gray8 => [plain(&|x, y| f32::from(picture.row(0, y)[x]), whole, crop, step, at); 3],
        PixelFormat::Rgb8 => [0, 1, 2].map(|c| plain(&|x, y| f32::from(picture.row(0, y)[3 * x + c]), whole, crop, step, at)),
        PixelFormat::Gray16Le => unreachable!("stretched: tested apart"),
        PixelFormat::I420 | PixelFormat::Nv12 => {
            let half = (w.div_ceil(2), h.div_ceil(2));
            let small = PixelBox::new(crop.x / 2.0, crop.y / 2.0, crop.w / 2.0, crop.h / 2.0);
            let chroma = |index: usize, x: usize, y: usize| match picture.format() {
                PixelFormat::I420 => f32::from(picture.row(1 + index, y)[x]),
                _ => f32::from(picture.row(1, y)[2 * x + index]),
            };
            let luma = (plain(&|x, y| f32::from(picture.row(0, y)[x]), whole, crop, step, at) - 16.0) * 255.0 / 219.0;
            let [u, v] = [0, 1].map(|c| plain(&|x, y| chroma(c, x, y), half, &small, (step.0 / 2.0, step.1 / 2.0), at) - 128.0);
            [luma + 1.596 * v, luma - 0.3918 * u - 0.813 * v, luma + 2.0172 * u].map(|value| value.clamp(0.0, 255.0))
        }
    }
}

fn noise_picture(size: PictureSize, format: PixelFormat, seed: u32) -> Picture {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let planes = (0..format.planes())
        .map(|plane| {
            let (row, rows) = format.plane_extent(plane, size);
            (0..row * rows)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 17;
                    state ^= state << 5;
                    (state >> 8) as u8
                })
                .collect()
        })
        .collect();
    sized(size, format, planes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_fused_pass_is_the_plain_one(
        w in 7_u32..400, h in 7_u32..300, seed in 1_u32..1000,
        format in prop::sample::select(vec![PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Gray8, PixelFormat::Rgb8]),
        order in prop::sample::select(vec![ChannelOrder::Rgb, ChannelOrder::Bgr]),
        letterbox in prop::sample::select(vec![Letterbox::TopLeft, Letterbox::Center]),
        part in prop::option::of((0.0_f32..0.5, 0.0_f32..0.5, 0.3_f32..0.5)),
    ) {
        let picture = noise_picture(PictureSize::new(w, h), format, seed);
        let crop = part.map(|(x, y, s)| PixelBox::new(x * w as f32, y * h as f32, s * w as f32, s * h as f32));
        let spec = input(order, letterbox);
        let mut preparer = Preparer::new(&spec);
        let mut tensor = vec![0.0; preparer.tensor_len()];
        let placement = preparer.fill(&picture, crop.as_ref(), Modality::Visible, &mut tensor);
        let crop = crop.unwrap_or(PixelBox::new(0.0, 0.0, w as f32, h as f32));
        let (inner_w, inner_h) = ((crop.w * placement.scale_x).round() as usize, (crop.h * placement.scale_y).round() as usize);
        let step = (crop.w / inner_w as f32, crop.h / inner_h as f32);
        for (index, value) in tensor.iter().enumerate() {
            let (channel, y, x) = (index / (96 * 64), index / 96 % 64, index % 96);
            let inside = x >= placement.left as usize && x < placement.left as usize + inner_w && y >= placement.top as usize && y < placement.top as usize + inner_h;
            let wanted = if inside {
                let at = (x - placement.left as usize, y - placement.top as usize);
                reference(&picture, &crop, step, at)[if order == ChannelOrder::Bgr { 2 - channel } else { channel }]
            } else {
                114.0
            };
            let found = (value * spec.std[channel] + spec.mean[channel]) * 255.0;
            // 8-bit weights along two axes; chroma errors are doubled by the matrix.
            prop_assert!((found - wanted).abs() < 4.5, "{x} {y} {channel}: {found} {wanted}");
        }
    }
}

#[test]
fn the_mean_error_of_fixed_point_is_a_fraction_of_a_grey_level() {
    let picture = noise_picture(PictureSize::new(391, 233), PixelFormat::Gray8, 5);
    let spec = input(ChannelOrder::Rgb, Letterbox::TopLeft);
    let mut preparer = Preparer::new(&spec);
    let mut tensor = vec![0.0; preparer.tensor_len()];
    let placement = preparer.fill(&picture, None, Modality::Visible, &mut tensor);
    let crop = PixelBox::new(0.0, 0.0, 391.0, 233.0);
    let (w, h) = ((391.0 * placement.scale_x).round() as usize, (233.0 * placement.scale_y).round() as usize);
    let mut sum = 0.0;
    for y in 0..h {
        for x in 0..w {
            let wanted = reference(&picture, &crop, (391.0 / w as f32, 233.0 / h as f32), (x, y))[0];
            sum += ((tensor[y * 96 + x] * 0.2 + 0.4) * 255.0 - wanted).abs();
        }
    }
    assert!(sum / ((w * h) as f32) < 0.4, "{}", sum / ((w * h) as f32));
}

#[test]
fn boxes_come_back_through_letterbox_and_crop() {
    let picture = noise_picture(PictureSize::new(300, 300), PixelFormat::Gray8, 1);
    let mut preparer = Preparer::new(&input(ChannelOrder::Rgb, Letterbox::Center));
    let mut tensor = vec![0.0; preparer.tensor_len()];
    let placement = preparer.fill(&picture, Some(&PixelBox::new(100.0, 50.0, 128.0, 128.0)), Modality::Visible, &mut tensor);
    assert_eq!(placement.picture_from_model(&PixelBox::new(16.0, 0.0, 64.0, 64.0)), PixelBox::new(100.0, 50.0, 128.0, 128.0));
}

#[test]
fn thermal_video_is_read_from_its_luma() {
    let size = PictureSize::new(96, 64);
    let colourful = sized(size, PixelFormat::I420, vec![vec![126; 96 * 64], vec![30; 48 * 32], vec![220; 48 * 32]]);
    let mut preparer = Preparer::new(&input(ChannelOrder::Rgb, Letterbox::TopLeft));
    let mut tensor = vec![0.0; preparer.tensor_len()];
    preparer.fill(&colourful, None, Modality::Thermal, &mut tensor);
    let spec = input(ChannelOrder::Rgb, Letterbox::TopLeft);
    for channel in 0..3 {
        let found = (tensor[channel * 96 * 64 + 777] * spec.std[channel] + spec.mean[channel]) * 255.0;
        assert!((found - 110.0 * 255.0 / 219.0).abs() < 0.1, "{found}");
    }
}

#[test]
fn raw_counts_are_stretched_to_grey() {
    let size = PictureSize::new(96, 64);
    let counts = (0..96 * 64).flat_map(|index| (7000_u16 + (index % 96) as u16 * 10).to_le_bytes()).collect();
    let mut preparer = Preparer::new(&input(ChannelOrder::Gray, Letterbox::TopLeft));
    let mut tensor = vec![0.0; preparer.tensor_len()];
    preparer.fill(&sized(size, PixelFormat::Gray16Le, vec![counts]), None, Modality::Thermal, &mut tensor);
    let grey = |x: usize| (tensor[96 * 30 + x] * 0.2 + 0.4) * 255.0;
    assert!(grey(0) < 3.0 && grey(95) > 252.0 && (grey(48) - 128.0).abs() < 6.0, "{} {} {}", grey(0), grey(48), grey(95));
}

#[test]
fn at_native_scale_every_level_arrives_as_it_is() {
    let picture = noise_picture(PictureSize::new(200, 150), PixelFormat::Gray8, 5);
    let mut preparer = Preparer::new(&input(ChannelOrder::Gray, Letterbox::TopLeft));
    let mut tensor = vec![0.0; preparer.tensor_len()];
    for (left, top) in [(37, 21), (0, 0), (200 - 96, 150 - 64)] {
        preparer.fill_at(&picture, Some(&PixelBox::new(left as f32, top as f32, 96.0, 64.0)), 1.0, 0, Modality::Thermal, &mut tensor);
        for (index, value) in tensor.iter().enumerate() {
            let wanted = f32::from(picture.row(0, top + index / 96)[left + index % 96]);
            let found = (value * 0.2 + 0.4) * 255.0;
            assert!((found - wanted).abs() < 0.01, "{left} {top} {index}: {found}, wanted {wanted}");
        }
    }
}

#[test]
fn a_shifted_picture_is_whole_and_its_boxes_come_back() {
    let size = PictureSize::new(180, 120);
    let picture = noise_picture(size, PixelFormat::Gray8, 6);
    let mut preparer = Preparer::new(&input(ChannelOrder::Gray, Letterbox::TopLeft));
    let mut tensor = vec![0.0; preparer.tensor_len()];
    let padding = (input(ChannelOrder::Gray, Letterbox::TopLeft).pad_value / 255.0 - 0.4) / 0.2;
    for shift in [6, 0, 3] {
        let placement = preparer.fill_at(&picture, None, f32::INFINITY, shift, Modality::Thermal, &mut tensor);
        let padded = |index: usize| (tensor[index] - padding).abs() < 1e-4;
        let (columns, rows) = ((0..shift as usize).map(|x| x + 40 * 96), (0..shift as usize).map(|y| y * 96 + 40));
        assert!(columns.chain(rows).all(padded), "{shift}");
        // The whole picture lies between the padding and the input's end.
        let whole = PixelBox::new(0.0, 0.0, 180.0, 120.0);
        let end = (placement.left + 180.0 * placement.scale_x, placement.top + 120.0 * placement.scale_y);
        assert!(end.0 < 96.01 && end.1 < 64.01 && placement.left >= shift as f32 && placement.top >= shift as f32, "{placement:?}");
        let model = PixelBox::new(placement.left, placement.top, 180.0 * placement.scale_x, 120.0 * placement.scale_y);
        assert!(placement.picture_from_model(&model).iou(&whole) > 0.9999, "{placement:?}");
    }
}

//! Picture files: formats, order, time slots, and what is broken.

use crate::{open_error, options, run};
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, RgbImage, Rgba, RgbaImage};
use patrol_core::{PictureSize, PixelFormat};
use patrol_ingest::{OpenOptions, open, read_picture};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;

fn at_fps(fps: f64) -> OpenOptions {
    OpenOptions { pictures_fps: Some(fps), ..options() }
}

fn counts(base: u16) -> ImageBuffer<Luma<u16>, Vec<u16>> {
    ImageBuffer::from_fn(20, 10, |x, y| Luma([base + (y * 20 + x) as u16]))
}

#[test]
fn sixteen_bit_counts_come_out_as_written() {
    let folder = tempfile::tempdir().expect("a folder");
    for index in 0..12_u16 {
        counts(30_000 + index * 100).save(folder.path().join(format!("flight_{index}.tiff"))).expect("a tiff");
    }
    std::fs::write(folder.path().join("notes.txt"), "not a picture").expect("a writable folder");
    std::fs::write(folder.path().join(".hidden.png"), "not a picture").expect("a writable folder");
    std::fs::create_dir(folder.path().join("more.png")).expect("a writable folder");
    let seen = run(open(folder.path(), &at_fps(2.0)).expect("a folder of pictures"));
    assert_eq!((seen.pictures.len(), seen.undecodable.len()), (12, 0));
    for (index, picture) in seen.pictures.iter().enumerate() {
        assert_eq!((picture.format(), picture.size()), (PixelFormat::Gray16Le, PictureSize::new(20, 10)));
        assert_eq!(picture.media_time.as_secs_f64(), index as f64 / 2.0);
        assert_eq!(picture.captured.error_ms, 250);
        let row = picture.row(0, 9);
        assert_eq!(u16::from_le_bytes([row[38], row[39]]), 30_000 + index as u16 * 100 + 199);
    }
}

#[test]
fn every_kind_of_file_has_its_format() {
    let folder = tempfile::tempdir().expect("a folder");
    let grey = DynamicImage::ImageLuma8(GrayImage::from_fn(8, 6, |x, y| Luma([(x * 10 + y) as u8])));
    let colour = DynamicImage::ImageRgb8(RgbImage::from_fn(8, 6, |x, y| image::Rgb([x as u8, y as u8, 200])));
    let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(8, 6, Rgba([1, 2, 3, 0])));
    let check = |name: &str, image: &DynamicImage, format: PixelFormat| {
        let path = folder.path().join(name);
        image.save(&path).expect("a picture");
        let picture = read_picture(&path).expect("a picture");
        assert_eq!((picture.format(), picture.size()), (format, PictureSize::new(8, 6)), "{name}");
        picture
    };
    assert_eq!(check("a.png", &grey, PixelFormat::Gray8).row(0, 5), [5, 15, 25, 35, 45, 55, 65, 75]);
    check("a.jpg", &grey, PixelFormat::Gray8);
    check("b.JPEG", &colour, PixelFormat::Rgb8);
    assert_eq!(check("b.png", &colour, PixelFormat::Rgb8).row(0, 1)[..6], [0, 1, 200, 1, 1, 200]);
    check("b.webp", &colour, PixelFormat::Rgb8);
    check("b.tif", &colour, PixelFormat::Rgb8);
    // WebP knows no grey: three equal channels are grey all the same.
    check("g.webp", &DynamicImage::ImageRgb8(RgbImage::from_pixel(8, 6, image::Rgb([7, 7, 7]))), PixelFormat::Gray8);
    assert_eq!(check("c.png", &clear, PixelFormat::Rgb8).row(0, 0)[..3], [1, 2, 3]);
    check("d.png", &DynamicImage::ImageLuma16(ImageBuffer::from_pixel(8, 6, Luma([40_000]))), PixelFormat::Gray16Le);
    check("e.png", &DynamicImage::ImageRgb16(ImageBuffer::from_pixel(8, 6, image::Rgb([256, 25_600, 60_000]))), PixelFormat::Rgb8);
}

#[test]
fn the_content_counts_not_the_ending() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("really-a-png.jpg");
    GrayImage::new(8, 6).save_with_format(&path, ImageFormat::Png).expect("a picture");
    assert_eq!(read_picture(&path).expect("a picture").format(), PixelFormat::Gray8);
}

#[test]
fn a_broken_picture_keeps_its_slot() {
    let folder = tempfile::tempdir().expect("a folder");
    for index in [1, 2, 4, 10] {
        GrayImage::new(8, 6).save(folder.path().join(format!("{index}.png"))).expect("a picture");
    }
    std::fs::write(folder.path().join("3.png"), "这不是图片").expect("a writable folder");
    let seen = run(open(folder.path(), &at_fps(1.0)).expect("a folder of pictures"));
    let times: Vec<f64> = seen.pictures.iter().map(|picture| picture.media_time.as_secs_f64()).collect();
    assert_eq!(times, [0.0, 1.0, 3.0, 4.0]);
    assert_eq!(seen.undecodable.iter().map(|time| time.expect("its slot").as_secs_f64()).collect::<Vec<_>>(), [2.0]);
}

#[test]
fn one_picture_is_a_feed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.png");
    GrayImage::new(8, 6).save(&path).expect("a picture");
    assert_eq!(run(open(&path, &options()).expect("a picture")).pictures.len(), 1);
    std::fs::write(&path, "no more").expect("a writable folder");
    assert!(open_error(&path).contains("a.png"));
    assert!(read_picture(Path::new("nowhere/a.png")).expect_err("no such file").to_string().contains("nowhere/a.png"));
}

#[test]
fn a_folder_needs_pictures_and_a_rate() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("notes.txt"), "not a picture").expect("a writable folder");
    let empty = open(folder.path(), &at_fps(5.0)).err().expect("no pictures").to_string();
    assert!(empty.contains("has no pictures") && empty.contains("*.png"), "{empty}");
    for fps in [None, Some(0.0), Some(-1.0), Some(f64::NAN), Some(f64::INFINITY)] {
        let options = OpenOptions { pictures_fps: fps, ..options() };
        let error = open(folder.path(), &options).err().expect("no rate").to_string();
        assert!(error.contains("frame rate") && error.contains("`fps`"), "{error}");
    }
}

#[test]
fn a_decompression_bomb_is_refused_without_being_unpacked() {
    // A PNG header that promises 60 000 × 60 000 pixels, and one within the sides but beyond the memory.
    let folder = tempfile::tempdir().expect("a folder");
    for (side, colour) in [(60_000_u32, 2_u8), (16_384, 6)] {
        let path = folder.path().join("bomb.png");
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut header = b"IHDR".to_vec();
        header.extend(side.to_be_bytes());
        header.extend(side.to_be_bytes());
        header.extend([8, colour, 0, 0, 0]);
        bytes.extend(13_u32.to_be_bytes());
        bytes.extend(&header);
        bytes.extend(crc32(&header).to_be_bytes());
        std::fs::write(&path, &bytes).expect("a writable folder");
        let error = read_picture(&path).expect_err("too large").to_string();
        assert!(error.contains("bomb.png"), "{error}");
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn random_damage_never_panics() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let colour = DynamicImage::ImageRgb8(RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8])));
    for name in ["a.png", "a.jpg", "a.webp", "a.tif", "grey16.tif"] {
        let path = folder.path().join(name);
        if name == "grey16.tif" { DynamicImage::ImageLuma16(counts(1000)).save(&path) } else { colour.save(&path) }.expect("a picture");
        let whole = std::fs::read(&path).expect("a picture");
        for _ in 0..300 {
            let mut bytes = whole.clone();
            for _ in 0..rng.random_range(1..8) {
                let at = rng.random_range(0..bytes.len());
                match rng.random_range(0..3) {
                    0 => bytes[at] ^= 1 << rng.random_range(0..8),
                    1 => bytes[at] = rng.random(),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            std::fs::write(&path, &bytes).expect("a writable folder");
            if let Ok(picture) = read_picture(&path) {
                assert!(picture.size().width <= 16384);
            }
        }
    }
}

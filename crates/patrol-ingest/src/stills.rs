//! Picture files to pictures.

use crate::error::IngestError;
use image::{DynamicImage, ImageReader, Limits};
use patrol_core::{MediaTime, Picture, PictureSize, PixelFormat, WallEstimate, WallTime};
use std::path::Path;

/// Names that are read as pictures.
const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "tif", "tiff"];
/// The largest side that [`Picture`] takes.
const SIDE_MAX_PX: u32 = 16384;
/// Memory one picture may take while it is decoded, so that a few bytes cannot claim gigabytes: 512 MiB is 120 megapixels of RGB with
/// the decoder's own copy, twice the largest drone still.
const DECODE_MAX_BYTES: u64 = 512 << 20;

/// Whether the name ends like that of a picture.
pub(crate) fn is_picture_name(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !hidden && extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// Reads a picture file (png, jpg, webp, tif; the content decides): 8-bit grey, also when stored as colour, as [`PixelFormat::Gray8`], 16-bit grey as
/// [`PixelFormat::Gray16Le`], colour as [`PixelFormat::Rgb8`]. Pixels as stored, without EXIF rotation; times are zero.
pub fn read_picture(path: &Path) -> Result<Picture, IngestError> {
    let (size, format, pixels) = decode(path)?;
    let (format, pixels) = without_idle_colour(format, pixels);
    to_picture(path, (size, format, pixels), 0, MediaTime::ZERO, WallEstimate { at: WallTime(0), error_ms: 0 })
}

/// WebP and most cameras' JPEG store grey pictures as colour: three equal channels are one.
fn without_idle_colour(format: PixelFormat, pixels: Vec<u8>) -> (PixelFormat, Vec<u8>) {
    if format == PixelFormat::Rgb8 && pixels.chunks_exact(3).all(|rgb| rgb[0] == rgb[1] && rgb[1] == rgb[2]) {
        (PixelFormat::Gray8, pixels.chunks_exact(3).map(|rgb| rgb[0]).collect())
    } else {
        (format, pixels)
    }
}

pub(crate) type Pixels = (PictureSize, PixelFormat, Vec<u8>);

pub(crate) fn to_picture(
    path: &Path,
    (size, format, pixels): Pixels,
    sequence: u64,
    media_time: MediaTime,
    captured: WallEstimate,
) -> Result<Picture, IngestError> {
    Picture::from_planes(size, format, vec![pixels], sequence, media_time, captured)
        .map_err(|error| IngestError::Picture { path: path.to_owned(), why: error.to_string() })
}

pub(crate) fn decode(path: &Path) -> Result<Pixels, IngestError> {
    let read = |source| IngestError::Read { path: path.to_owned(), source };
    let refuse = |why: String| IngestError::Picture { path: path.to_owned(), why };
    let mut reader = ImageReader::open(path).map_err(read)?.with_guessed_format().map_err(read)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX_PX);
    limits.max_image_height = Some(SIDE_MAX_PX);
    limits.max_alloc = Some(DECODE_MAX_BYTES);
    reader.limits(limits);
    let image = reader.decode().map_err(|error| refuse(error.to_string()))?;
    let size = PictureSize::new(image.width(), image.height());
    let (format, pixels) = match image {
        DynamicImage::ImageLuma8(grey) => (PixelFormat::Gray8, grey.into_raw()),
        DynamicImage::ImageLumaA8(_) => (PixelFormat::Gray8, image.into_luma8().into_raw()),
        DynamicImage::ImageLuma16(_) | DynamicImage::ImageLumaA16(_) => {
            (PixelFormat::Gray16Le, image.into_luma16().into_raw().into_iter().flat_map(u16::to_le_bytes).collect())
        }
        DynamicImage::ImageRgb8(rgb) => (PixelFormat::Rgb8, rgb.into_raw()),
        DynamicImage::ImageRgba8(_) | DynamicImage::ImageRgb16(_) | DynamicImage::ImageRgba16(_) => {
            (PixelFormat::Rgb8, image.into_rgb8().into_raw())
        }
        other => return Err(refuse(format!("found pixels of type {:?}; wanted 8 or 16 bit grey or colour", other.color()))),
    };
    Ok((size, format, pixels))
}

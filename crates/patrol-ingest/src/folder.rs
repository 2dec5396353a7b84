//! A folder of pictures as a feed, one picture after another at a given rate.

use crate::error::IngestError;
use crate::stills::{Pixels, decode, is_picture_name, to_picture};
use crate::timeline::captured;
use crate::{Feed, FeedEvent, FeedStats, OpenOptions};
use patrol_core::{MediaTime, PictureSize, WallTime};
use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// Faster than any camera; beyond it the number is a mistake.
const FPS_MAX: f64 = 1000.0;

/// Pictures sorted by name, numbers by value (`2.png` before `10.png`). A broken one keeps its slot in time.
pub struct FolderFeed {
    paths: std::vec::IntoIter<PathBuf>,
    /// Decoded when the feed was opened.
    first: Option<Pixels>,
    interval_s: f64,
    start: WallTime,
    sequence: u64,
    size: Option<PictureSize>,
    stats: FeedStats,
}

impl FolderFeed {
    /// Lists the pictures of a folder; what does not end like a picture, and what lies in folders below, is left out.
    pub fn open(folder: &Path, options: &OpenOptions) -> Result<Self, IngestError> {
        let interval_s = match options.pictures_fps {
            Some(fps) if fps > 0.0 && fps <= FPS_MAX => 1.0 / fps,
            found => {
                let found = found.map_or_else(|| "none".to_owned(), |fps| fps.to_string());
                return Err(IngestError::FrameRate { path: folder.to_owned(), found, max: FPS_MAX });
            }
        };
        let read = |source| IngestError::Read { path: folder.to_owned(), source };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(read)? {
            let path = entry.map_err(read)?.path();
            if is_picture_name(&path) && !path.is_dir() {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            return Err(IngestError::NoPictures { path: folder.to_owned() });
        }
        paths.sort_by(|a, b| natural_order(&a.to_string_lossy(), &b.to_string_lossy()).then_with(|| a.cmp(b)));
        Ok(Self::new(paths, None, interval_s, options.start))
    }

    /// A feed of a single picture, which is read here so that a broken one is refused.
    pub fn open_one(path: &Path, options: &OpenOptions) -> Result<Self, IngestError> {
        let first = decode(path)?;
        Ok(Self::new(vec![path.to_owned()], Some(first), 0.0, options.start))
    }

    fn new(paths: Vec<PathBuf>, first: Option<Pixels>, interval_s: f64, start: WallTime) -> Self {
        Self { paths: paths.into_iter(), first, interval_s, start, sequence: 0, size: None, stats: FeedStats::default() }
    }
}

impl Feed for FolderFeed {
    fn next(&mut self) -> Result<FeedEvent, IngestError> {
        let Some(path) = self.paths.next() else { return Ok(FeedEvent::End) };
        let sequence = self.sequence;
        self.sequence += 1;
        let media_time = MediaTime::from_secs_f64(sequence as f64 * self.interval_s);
        let captured = captured(self.start, media_time, (self.interval_s * 1e9) as i64);
        let pixels = self.first.take().map_or_else(|| decode(&path), Ok);
        match pixels.and_then(|pixels| to_picture(&path, pixels, sequence, media_time, captured)) {
            Ok(picture) => {
                let size = picture.size();
                let discontinuity = self.size.is_some_and(|before| before != size);
                self.size = Some(size);
                self.stats.pictures += 1;
                self.stats.discontinuities += u64::from(discontinuity);
                Ok(FeedEvent::Picture { picture, discontinuity })
            }
            Err(error) => {
                self.stats.undecodable += 1;
                Ok(FeedEvent::Undecodable { media_time: Some(media_time), why: error.to_string() })
            }
        }
    }

    fn stats(&self) -> FeedStats {
        self.stats
    }
}

/// Compares runs of digits by their value and everything else by character.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (Some(x), Some(y)) = (a.chars().next(), b.chars().next()) else { return a.len().cmp(&b.len()) };
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            let (run_a, rest_a) = a.split_at(a.find(|c: char| !c.is_ascii_digit()).unwrap_or(a.len()));
            let (run_b, rest_b) = b.split_at(b.find(|c: char| !c.is_ascii_digit()).unwrap_or(b.len()));
            (a, b) = (rest_a, rest_b);
            let (value_a, value_b) = (run_a.trim_start_matches('0'), run_b.trim_start_matches('0'));
            value_a.len().cmp(&value_b.len()).then_with(|| value_a.cmp(value_b))
        } else {
            (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]);
            x.cmp(&y)
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_by_value() {
        let mut names = vec!["帧10.png", "帧2.png", "帧1.png", "a", "帧02b.png", "99999999999999999999999.png", "9.png"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["9.png", "99999999999999999999999.png", "a", "帧1.png", "帧2.png", "帧02b.png", "帧10.png"]);
    }
}

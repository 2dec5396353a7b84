//! What a user of a feed sees: how many pictures, of what size, when, and what broken input does to it.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "helpers of tests fail the test and tell what was skipped")]

mod broken;
mod camera;
mod clip;
mod clips;
mod key_frames;
mod live;
mod pictures;
mod real;
mod time;
mod videos;

use patrol_core::{MediaTime, Picture, WallTime};
use patrol_ingest::{Feed, FeedEvent, OpenOptions};
use std::path::Path;

/// Everything a feed gave until its end.
#[derive(Default)]
struct Seen {
    pictures: Vec<Picture>,
    discontinuities: Vec<usize>,
    undecodable: Vec<Option<MediaTime>>,
    repaired: u64,
}

impl Seen {
    fn total(&self) -> usize {
        self.pictures.len() + self.undecodable.len()
    }
}

fn options() -> OpenOptions {
    OpenOptions { start: WallTime::from_unix_secs(1_700_000_000), pictures_fps: None, decoder_threads: 1 }
}

/// Runs a feed to its end and checks what holds for every feed: times and sequence strictly increase, the first picture is at 0, the
/// planes can be read, and the end stays the end.
fn run(mut feed: Box<dyn Feed>) -> Seen {
    let mut seen = Seen::default();
    let mut last: Option<MediaTime> = None;
    loop {
        let now = match feed.next().expect("a feed that was opened goes to its end") {
            FeedEvent::Picture { picture, discontinuity } => {
                if discontinuity {
                    seen.discontinuities.push(seen.pictures.len());
                }
                let now = picture.media_time;
                assert!(!seen.pictures.is_empty() || now == MediaTime::ZERO, "the first picture is at {now:?}");
                assert!(seen.pictures.last().is_none_or(|before| before.sequence < picture.sequence));
                assert_eq!(picture.captured.at, options().start + now.since(MediaTime::ZERO));
                for plane in 0..picture.format().planes() {
                    let rows = picture.format().plane_extent(plane, picture.size()).1;
                    assert!(!picture.row(plane, rows - 1).is_empty());
                }
                seen.pictures.push(picture);
                Some(now)
            }
            FeedEvent::Undecodable { media_time, why } => {
                assert!(!why.is_empty());
                seen.undecodable.push(media_time);
                media_time
            }
            FeedEvent::Skipped { .. } | FeedEvent::Idle => panic!("a file gives every picture"),
            FeedEvent::End => break,
        };
        if let Some(now) = now {
            assert!(last.is_none_or(|before| before < now), "{now:?} follows {last:?}");
            last = Some(now);
        }
        assert!(seen.total() < 100_000, "no end in sight");
    }
    assert!(matches!(feed.next(), Ok(FeedEvent::End)));
    let stats = feed.stats();
    seen.repaired = stats.repaired_timestamps;
    assert_eq!((stats.pictures as usize, stats.undecodable as usize), (seen.pictures.len(), seen.undecodable.len()));
    seen
}

fn run_path(path: &Path) -> Seen {
    run(patrol_ingest::open(path, &options()).unwrap_or_else(|error| panic!("{error}")))
}

fn open_error(path: &Path) -> String {
    match patrol_ingest::open(path, &options()) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error.to_string(),
    }
}

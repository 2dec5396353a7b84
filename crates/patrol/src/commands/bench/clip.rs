//! The recording of P1, made once in a run, and what decoding it costs at least.

use super::Context;
use super::child;
use anyhow::Context as _;
use patrol_core::PictureSize;
use patrol_sim::street::{StreetConfig, render_recording, transcode};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Pictures of the recording: eight seconds, or forty.
const PICTURES_SHORT: u32 = 200;
const PICTURES_FULL: u32 = 1000;
pub(super) const SIZE: PictureSize = PictureSize::new(1920, 1080);
pub(super) const FPS: f64 = 25.0;
pub(super) const KBPS: u32 = 2000;

/// A recording as a street camera would make it.
pub(super) struct Clip {
    pub(super) path: PathBuf,
    pub(super) pictures: u64,
    /// Where its pictures come from.
    pub(super) origin: String,
}

/// What the child that only decodes says.
#[derive(Serialize, Deserialize)]
pub(super) struct Decoded {
    pub(super) pictures: u64,
}

/// Out of a video of people in the folder `PATROL_DATA`, or rendered where there is none.
pub(super) fn make(short: bool, folder: &Path) -> anyhow::Result<Clip> {
    let pictures = if short { PICTURES_SHORT } else { PICTURES_FULL };
    let path = folder.join("clip.mp4");
    let config = StreetConfig { size: SIZE, fps: FPS, kbps: KBPS, ..StreetConfig::default() };
    let video = std::env::var_os("PATROL_DATA").and_then(|data| video_in(&PathBuf::from(data).join("video")));
    let origin = if let Some(video) = video {
        eprintln!("P1: scales {} to {}×{}, {pictures} pictures", video.display(), SIZE.width, SIZE.height);
        transcode(&video, &config, pictures, &path)?;
        format!("{} scaled up, {KBPS} kbit/s", video.file_name().unwrap_or_default().to_string_lossy())
    } else {
        eprintln!("P1: renders {pictures} pictures of a street (PATROL_DATA names no folder with a video)");
        render_recording(&config, pictures, &path)?;
        format!("a rendered street, {KBPS} kbit/s")
    };
    Ok(Clip { path, pictures: pictures.into(), origin })
}

/// The video to take: of people by preference, by its name.
fn video_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut videos: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ending| ending == "mp4")).collect();
    videos.sort_by_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (!name.contains("person"), name)
    });
    videos.into_iter().next()
}

/// CPU time of a process that decodes the recording and does nothing else, seconds.
pub(super) fn decode_cpu_s(context: &Context, clip: &Clip) -> anyhow::Result<f64> {
    let log = context.folder("decode")?.join("decode.log");
    let mut command = child::patrol(&[context.core])?;
    command.args(["bench", "--decode-only"]).arg(&clip.path);
    let ended = child::run_well(&mut command, &log)?;
    let decoded: Decoded = serde_json::from_str(&ended.stdout).with_context(|| format!("the decoder said {:?}", ended.stdout))?;
    anyhow::ensure!(decoded.pictures == clip.pictures, "the decoder gave {} of {} pictures", decoded.pictures, clip.pictures);
    Ok(ended.cpu_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_video_of_people_is_taken_by_preference() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(video_in(folder.path()), None);
        for name in ["a-car.mp4", "b-person.mp4", "c-person.mp4", "a-person.txt"] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        assert_eq!(video_in(folder.path()), Some(folder.path().join("b-person.mp4")));
    }
}

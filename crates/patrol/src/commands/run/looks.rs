//! `--looks` and `--looks-strips`: what an auditor needs to check the promises without believing the patrol's own figures.

use anyhow::Context as _;
use patrol_core::{Picture, PixelBox, WallTime};
use patrol_pipeline::LookRecord;
use patrol_pipeline::live::OnLook;
use patrol_vision::jpeg;
use std::fs::File;
use std::io::{LineWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Cameras burn their name and clock into the uppermost part of the picture; nobody is recognised there.
const STRIP_PART: f32 = 1.0 / 15.0;
const STRIP_MIN_PX: f32 = 16.0;
/// Small letters must stay readable.
const STRIP_QUALITY: u8 = 90;

/// Called after every look; `None` when neither was asked for.
pub(super) fn log(csv: Option<&Path>, strips: Option<&Path>) -> anyhow::Result<Option<OnLook>> {
    let csv = csv.map(LookLog::create).transpose()?;
    let strips = strips.map(Strips::create).transpose()?;
    if csv.is_none() && strips.is_none() {
        return Ok(None);
    }
    Ok(Some(Arc::new(move |look: &LookRecord, picture: &Picture| {
        if let Some(csv) = &csv {
            csv.write(look);
        }
        if let Some(strips) = &strips {
            strips.write(look, picture);
        }
    })))
}

/// CSV with Unix seconds. A line that cannot be written is said once and stops the log, not the patrol.
struct LookLog(Mutex<Option<LineWriter<File>>>);

impl LookLog {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let mut file = LineWriter::new(File::create(path).with_context(|| path.display().to_string())?);
        writeln!(file, "camera,captured_unix_s,start_unix_s,end_unix_s,outcome")?;
        Ok(Self(Mutex::new(Some(file))))
    }

    fn write(&self, look: &LookRecord) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = file.as_mut() else { return };
        let line =
            format!("{},{},{},{},{}", look.camera, seconds(look.captured), seconds(look.start), seconds(look.end), look.outcome.name());
        if let Err(error) = writeln!(open, "{line}") {
            tracing::error!(%error, "the log of looks ends here");
            *file = None;
        }
    }
}

/// `<camera>/<captured_unix_s>.jpg`, the time as in the log of looks.
struct Strips {
    dir: PathBuf,
    /// Said once; the others would say the same.
    failed: Mutex<bool>,
}

impl Strips {
    fn create(dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        Ok(Self { dir: dir.to_owned(), failed: Mutex::new(false) })
    }

    fn write(&self, look: &LookRecord, picture: &Picture) {
        let size = picture.size();
        let height = (size.height as f32 * STRIP_PART).ceil().max(STRIP_MIN_PX).min(size.height as f32);
        let region = PixelBox::new(0.0, 0.0, size.width as f32, height);
        let dir = self.dir.join(look.camera.as_str());
        let written = jpeg::region(picture, &region, STRIP_QUALITY).map_err(|error| error.to_string()).and_then(|bytes| {
            std::fs::create_dir_all(&dir)
                .and_then(|()| std::fs::write(dir.join(format!("{}.jpg", seconds(look.captured))), bytes))
                .map_err(|error| format!("{}: {error}", dir.display()))
        });
        if let Err(error) = written {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            if !std::mem::replace(&mut *failed, true) {
                tracing::error!(error, "a strip of a picture could not be written; more may be missing");
            }
        }
    }
}

fn seconds(at: WallTime) -> String {
    format!("{}.{:06}", at.unix_secs(), at.0.rem_euclid(1_000_000_000) / 1000)
}

//! The log of what was sent: the truth that looks are held against.

use super::camera::SentPicture;
use crate::error::SimError;
use patrol_core::WallTime;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Its columns: `camera,frame,capture_unix_ms,key,bytes,sent_unix_ms,clip_frame`. The first three are what the picture's block code says, or
/// would say if it had one; `clip_frame` is its place in the replayed clip, which the codes of H.265 give as `frame`.
pub(super) struct SentLog {
    file: Mutex<BufWriter<File>>,
}

impl SentLog {
    pub(super) fn create(path: &Path) -> Result<Self, SimError> {
        let failed = |source| SimError::Io { path: path.to_path_buf(), source };
        let mut file = BufWriter::new(File::create(path).map_err(failed)?);
        writeln!(file, "camera,frame,capture_unix_ms,key,bytes,sent_unix_ms,clip_frame").map_err(failed)?;
        file.flush().map_err(failed)?;
        Ok(Self { file: Mutex::new(file) })
    }

    pub(super) fn write(&self, camera: usize, picture: &SentPicture, now: WallTime) {
        let SentPicture { code, key, bytes, clip_frame } = picture;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, sent_ms) = (u8::from(*key), now.0 / 1_000_000);
        let written = writeln!(file, "{camera},{},{},{key},{bytes},{sent_ms},{clip_frame}", code.frame, code.unix_ms);
        if let Err(error) = written {
            tracing::warn!(%error, "the log of what was sent is incomplete");
        }
    }

    pub(super) fn flush(&self) {
        if let Err(error) = self.file.lock().unwrap_or_else(PoisonError::into_inner).flush() {
            tracing::warn!(%error, "the log of what was sent is incomplete");
        }
    }
}

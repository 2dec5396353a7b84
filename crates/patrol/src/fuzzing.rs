//! What the command reads of others' files, for `fuzz/`. Each reads any bytes; whatever it makes of them, it must come back.

use crate::config::{Plan, Problems};
use crate::{commands, eval};
use std::path::Path;

/// A pipeline file, in a folder where nothing is.
pub fn pipeline(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Plan::from_text(text, Path::new("/nowhere"), Problems::default()) {
        Ok((_, problems)) | Err(problems) => assert!(problems.0.iter().all(|problem| !problem.to_string().is_empty())),
    }
}

/// A register of cameras.
pub fn register(bytes: &[u8]) {
    crate::config::fuzz_register(bytes);
}

/// An events file of `replay`.
pub fn events(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        commands::replay::fuzz_events(text);
    }
}

/// Boxes in MOTChallenge text, truth and tracks alike.
pub fn mot(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        eval::track::fuzz(text);
    }
}

/// Truth in COCO, a zero byte, results.
pub fn coco(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    eval::detect::fuzz(parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
}

/// Truth of a scene, a zero byte, leads.
pub fn leads(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    eval::leads::fuzz(parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
}

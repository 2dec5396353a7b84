//! What a replay writes into `--out`.

use anyhow::{Context as _, bail};
use patrol_core::{CameraId, Outcome, Picture, Posture, Track, TrackId, TrackStage, UnusableKind, WallTime};
use patrol_leads::DeskOutput;
use patrol_pipeline::{CameraWatch, DeskRoom, ReplayCamera, ReplaySummary};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Collects what a replay writes.
pub(super) struct Results {
    out: PathBuf,
    start: WallTime,
    tracks: BTreeMap<CameraId, String>,
    sightings: BTreeMap<(CameraId, TrackId), SightingLine>,
    /// Media time of each camera's first and last look, seconds.
    looked_s: BTreeMap<CameraId, (f64, f64)>,
    written: BTreeSet<String>,
    failed: Option<std::io::Error>,
    events_path: Option<PathBuf>,
    /// Commands of officers that the desk refused.
    refused: u32,
}

/// One line of `sightings.jsonl`: a confirmed track from its first to its last look. Times in seconds of media time.
#[derive(Debug, Clone, Serialize)]
struct SightingLine {
    camera: CameraId,
    track: u64,
    from_s: f64,
    to_s: f64,
    /// Posture at the last look, and the seconds it had been still then.
    posture: Posture,
    /// Looks by the posture it was in then.
    postures: BTreeMap<Posture, u32>,
    still_s: f64,
    /// Longest time it was still.
    longest_still_s: f64,
    confidence: f32,
    looks: u32,
    resolved: bool,
    /// Last box in pixels: x, y, width, height.
    bbox: [f32; 4],
}

impl Results {
    /// Makes the folders, and takes out of them what an earlier run left there.
    pub(super) fn begin(out: &Path, start: WallTime, events_path: Option<PathBuf>) -> anyhow::Result<Self> {
        for (folder, extension) in CLEARED {
            let folder = out.join(folder);
            std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            clear(&folder, extension).with_context(|| folder.display().to_string())?;
        }
        Ok(Self {
            out: out.to_owned(),
            start,
            tracks: BTreeMap::new(),
            sightings: BTreeMap::new(),
            looked_s: BTreeMap::new(),
            written: BTreeSet::new(),
            failed: None,
            events_path,
            refused: 0,
        })
    }

    /// Writes everything; `false` when a feed broke off or a command was refused, each of which has been said on standard error.
    pub(super) fn write(self, cameras: &[ReplayCamera], room: &DeskRoom) -> anyhow::Result<bool> {
        if let Some(error) = self.failed {
            bail!("evidence could not be written to {}: {error}", self.out.display());
        }
        let mut leads = String::new();
        let made = room.made_leads();
        for lead in made.values() {
            writeln!(leads, "{}", serde_json::to_string(lead)?)?;
        }
        write(&self.out.join("leads.jsonl"), leads)?;
        let mut sightings = String::new();
        for sighting in self.sightings.values() {
            writeln!(sightings, "{}", serde_json::to_string(sighting)?)?;
        }
        write(&self.out.join("sightings.jsonl"), sightings)?;
        let mut summary = BTreeMap::new();
        let mut all_well = self.refused == 0;
        for camera in cameras {
            let id = camera.watch.camera.id.clone();
            write(&self.out.join("tracks").join(format!("{id}.txt")), self.tracks.get(&id).cloned().unwrap_or_default())?;
            let outcomes: BTreeMap<&str, u64> = camera.account.tally.iter().map(|(outcome, count)| (outcome.name(), count)).collect();
            let cells = camera.watch.cells();
            let mut about = serde_json::json!({
                "pictures": camera.account.tally.total(),
                "outcomes": outcomes,
                "max_blind_s": camera.account.blind.max_blind().as_secs_f64(),
                "max_unexamined_s": camera.account.blind.max_unexamined().as_secs_f64(),
                "inferences": camera.watch.inferences,
                "seconds": self.looked_s.get(&id).map_or(0.0, |(first_s, last_s)| last_s - first_s),
                "watch_cells": cells.open,
                "watch_cells_max": cells.most,
                "watch_cells_dropped": cells.dropped,
            });
            if let Some(why) = camera.broke_off() {
                eprintln!("error: camera {id}: the feed broke off: {why}");
                about["error"] = why.into();
                all_well = false;
            }
            summary.insert(id, about);
        }
        let summary = serde_json::json!({"start_unix_s": self.start.unix_secs(), "cameras": summary, "leads": made.len()});
        write(&self.out.join("summary.json"), serde_json::to_string_pretty(&summary)? + "\n")?;
        Ok(all_well)
    }

    /// Writes down the confirmed tracks that were found in one look.
    fn note(&mut self, camera: &CameraId, picture: &Picture, tracks: &[Track], posture_of: impl Fn(TrackId) -> Posture) {
        let lines = self.tracks.entry(camera.clone()).or_default();
        for track in tracks.iter().filter(|track| track.stage == TrackStage::Confirmed && track.last_seen == picture.media_time) {
            let bbox = &track.bbox;
            let _ok = writeln!(
                lines,
                "{},{},{:.2},{:.2},{:.2},{:.2},{:.4},-1,-1,-1",
                picture.sequence + 1,
                track.id.0,
                bbox.x,
                bbox.y,
                bbox.w,
                bbox.h,
                track.score
            )
            .is_ok();
            let mut line = sighting_line(camera, track, posture_of(track.id));
            let key = (camera.clone(), track.id);
            if let Some(before) = self.sightings.remove(&key) {
                line.longest_still_s = line.longest_still_s.max(before.longest_still_s);
                line.postures = before.postures;
            }
            *line.postures.entry(line.posture).or_default() += 1;
            self.sightings.insert(key, line);
        }
    }
}

impl ReplaySummary for Results {
    fn looked(&mut self, watch: &CameraWatch, picture: &Picture, outcome: Outcome) {
        let at_s = picture.media_time.as_secs_f64();
        self.looked_s.entry(watch.camera.id.clone()).or_insert((at_s, at_s)).1 = at_s;
        // A scene change is a look that was taken: what was detected in it stands.
        if !matches!(outcome, Outcome::Examined | Outcome::Unusable(UnusableKind::SceneChange)) {
            return;
        }
        self.note(&watch.camera.id, picture, watch.tracks(), |track| watch.posture(track));
    }
    fn considered(&mut self, _now: WallTime, output: &DeskOutput) {
        for (line, answer) in &output.answers {
            if let Err(refusal) = answer {
                let path = self.events_path.as_deref().unwrap_or(Path::new("events")).display();
                eprintln!("error: {path}:{line}: refused: {refusal}");
                self.refused += 1;
            }
        }
        for evidence in &output.evidence {
            for jpeg in [&evidence.whole, &evidence.crop].into_iter().chain(&evidence.preview) {
                if self.written.insert(jpeg.sha256.clone())
                    && let Err(error) = std::fs::write(self.out.join("evidence").join(format!("{}.jpg", jpeg.sha256)), &jpeg.bytes)
                {
                    self.failed.get_or_insert(error);
                }
            }
        }
    }
}

fn sighting_line(camera: &CameraId, track: &Track, posture: Posture) -> SightingLine {
    let still_s = track.still_since.map_or(0.0, |since| track.last_seen.seconds_since(since));
    let bbox = &track.bbox;
    SightingLine {
        camera: camera.clone(),
        track: track.id.0,
        from_s: track.first_seen.as_secs_f64(),
        to_s: track.last_seen.as_secs_f64(),
        posture,
        postures: BTreeMap::new(),
        still_s,
        longest_still_s: still_s,
        confidence: track.score_mean,
        looks: track.hits,
        resolved: track.resolved,
        bbox: [bbox.x, bbox.y, bbox.w, bbox.h],
    }
}

/// Folders in `--out` that a replay fills, with the ending of its files there.
const CLEARED: [(&str, &str); 2] = [("evidence", "jpg"), ("tracks", "txt")];

fn clear(folder: &Path, extension: &str) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.path().extension().is_some_and(|end| end == extension) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether `source` lies where results are cleared: a recording is never removed.
pub(super) fn will_be_cleared(source: &Path, out: &Path) -> bool {
    let (Ok(source), Ok(out)) = (source.canonicalize(), out.canonicalize()) else { return false };
    CLEARED.iter().any(|(folder, _)| source.starts_with(out.join(folder)))
}

pub(super) fn write(path: &Path, text: String) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{
        Camera, DetectionSource, MediaTime, Modality, PictureSize, PixelBox, PixelFormat, PixelPoint, Promise, WallEstimate,
    };
    use patrol_leads::{Desk, DeskConfig};
    use patrol_pipeline::{Eyes, MemoryArchive, Offer, PictureSource};
    use std::sync::Arc;
    use std::time::Duration;

    struct Broken;

    impl PictureSource for Broken {
        fn next(&mut self) -> Result<Offer, String> {
            Err("the disk is gone".to_owned())
        }
    }

    fn camera() -> Camera {
        Camera {
            id: CameraId::new("c1"),
            name: String::new(),
            code: None,
            modality: Modality::Thermal,
            promise: Promise { look_every: Duration::ZERO, look_limit: Duration::ZERO, rescan_every: Duration::from_mins(1) },
            position: None,
            view: None,
            address: None,
            street: None,
            grid: None,
            site_prior: 0.3,
        }
    }

    #[test]
    fn a_feed_that_breaks_off_is_named_in_the_summary() {
        let folder = tempfile::tempdir().expect("a folder");
        let start = WallTime::from_unix_secs(1_767_542_400);
        let mut results = Results::begin(folder.path(), start, None).expect("folders");
        let mut cameras = [ReplayCamera::new(CameraWatch::new(camera(), vec![], 1), Box::new(Broken), start)];
        let mut room = DeskRoom::new(Desk::new(DeskConfig::default(), vec![camera()]), Box::new(MemoryArchive));
        let mut eyes = Eyes::new(Vec::new());
        patrol_pipeline::replay::replay(start, &mut cameras, &mut eyes, &mut room, Vec::new(), &mut results).expect("replayed");
        assert!(!results.write(&cameras, &room).expect("written"), "not all is well");
        let summary = std::fs::read_to_string(folder.path().join("summary.json")).expect("a summary");
        let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
        assert_eq!(summary["cameras"]["c1"]["error"], "the disk is gone");
    }

    #[test]
    fn what_was_found_in_a_look_is_written_and_nothing_in_the_dark() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut results = Results::begin(folder.path(), WallTime(0), None).expect("folders");
        let size = PictureSize::new(8, 8);
        let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
        let pixels = Arc::new(vec![vec![0; 64]]);
        let picture = Picture::new(size, PixelFormat::Gray8, &[8], pixels, 4, MediaTime::default(), captured).expect("a picture");
        let track = Track {
            id: TrackId(7),
            stage: TrackStage::Confirmed,
            bbox: PixelBox::new(1.0, 2.0, 3.0, 4.0),
            score: 0.5,
            score_mean: 0.5,
            source: DetectionSource::HotSpot,
            resolved: true,
            blob: None,
            first_seen: MediaTime::default(),
            last_seen: MediaTime::default(),
            hits: 3,
            looks: 3,
            still_since: None,
            speed_px_s: 0.0,
            entered_at: PixelPoint { x: 0.0, y: 0.0 },
        };
        results.note(&CameraId::new("c1"), &picture, &[track], |_| Posture::Unknown);
        assert_eq!(results.tracks[&CameraId::new("c1")], "5,7,1.00,2.00,3.00,4.00,0.5000,-1,-1,-1\n");
        assert_eq!(results.sightings.len(), 1);
        results.looked(&CameraWatch::new(camera(), vec![], 1), &picture, Outcome::Unusable(UnusableKind::Dark));
        let sighting = results.sightings.values().next().expect("the track");
        assert_eq!(sighting.postures, BTreeMap::from([(Posture::Unknown, 1)]), "one look was confirmed");
        assert_eq!(results.tracks[&CameraId::new("c1")].lines().count(), 1, "in the dark nothing was looked for");
    }
}

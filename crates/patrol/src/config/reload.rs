//! The cameras read again while the patrol runs. A slip in a spreadsheet must not blind a camera: one that runs stops only when its row is gone,
//! or says that no camera may be there.

use super::cameras::LeftOut;
use super::faults;
use super::plan::{self, CameraPlan, CamerasWritten, Plan};
use super::problem::{CameraFate, Problem, Problems};
use super::written;
use patrol_core::CameraId;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// What the files say now, against what runs. Every camera of `cameras` is in exactly one of `added`, `changed`, `unchanged` and `kept`.
#[derive(Debug, Default)]
pub(crate) struct CamerasReload {
    /// All cameras that run from now on.
    pub(crate) cameras: Vec<CameraPlan>,
    /// Rows of the register without a running camera: places unseen.
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) added: Vec<CameraId>,
    pub(crate) removed: Vec<CameraId>,
    pub(crate) changed: Vec<CameraId>,
    pub(crate) unchanged: Vec<CameraId>,
    /// Their rows are bad or cannot be found among bad ones: they run on as they were.
    pub(crate) kept: Vec<CameraId>,
    /// Tables of the pipeline file that differ from those the patrol began with: they need a restart.
    pub(crate) needs_restart: Vec<String>,
    /// Warnings, and errors that cost or keep single cameras.
    pub(crate) problems: Problems,
}

/// Reads the pipeline file and its register again; `current` holds the cameras that run. Starts and stops nothing.
/// `Err`: a file is broken as a whole, and nothing is to change.
pub(crate) fn reload_cameras(path: &Path, current: &Plan) -> Result<CamerasReload, Problems> {
    let (text, folder) = plan::read(path)?;
    let mut problems = Problems::default();
    let Some(file) = written::read(&text, &mut problems) else { return Err(problems) };
    faults::only_in_scenes(&file, &mut problems);
    let needs_restart = differing(&current.reload_basis.sections, &file.sections);
    let written = CamerasWritten { tables: file.cameras, register: file.register, register_defaults: file.register_defaults };
    // By the detectors that run: a new one is not there before a restart.
    let found = written.plans(&folder, &current.detectors, &current.reload_basis.detectors, &mut problems);
    if needs_restart.iter().any(|table| table == "detector") {
        let hint = "cameras can name only the detectors that the patrol began with";
        problems.warning("detector", "other detectors than those that run", "a restart of the patrol", hint);
    }
    if problems.are_fatal() {
        return Err(problems);
    }
    let mut reload = CamerasReload { cameras: found.plans, needs_restart, problems, ..CamerasReload::default() };
    reload.keep_running(&current.cameras, found.left_out);
    Ok(reload)
}

impl CamerasReload {
    fn keep_running(&mut self, running: &[CameraPlan], left_out: Vec<LeftOut>) {
        let by_id: HashMap<&CameraId, &CameraPlan> = running.iter().map(|plan| (&plan.camera.id, plan)).collect();
        for plan in &self.cameras {
            let id = plan.camera.id.clone();
            match by_id.get(&id) {
                None => self.added.push(id),
                Some(before) if before.is_same(plan) => self.unchanged.push(id),
                Some(_) => self.changed.push(id),
            }
        }
        let stay: HashSet<CameraId> = self.cameras.iter().map(|plan| plan.camera.id.clone()).collect();
        // Files are named after ids, and some disks do not tell case.
        let mut taken: HashSet<String> = self.cameras.iter().map(|plan| plan.camera.id.as_str().to_ascii_lowercase()).collect();
        let forbidden: HashSet<String> = left_out.iter().filter(|row| row.forbidden).filter_map(|row| row.id.clone()).collect();
        // A row that cannot be told apart may be any camera's.
        let some_lost = left_out.iter().find(|row| !row.forbidden && (row.id.is_none() || row.misshapen)).map(|row| row.place.clone());
        let bad_rows: HashMap<String, &LeftOut> = left_out.iter().filter_map(|row| Some((row.id.clone()?, row))).collect();
        for before in running {
            let id = &before.camera.id;
            if stay.contains(id) {
                continue;
            }
            let bad_row = bad_rows.get(id.as_str());
            let is_kept = !forbidden.contains(id.as_str())
                && (bad_row.is_some() || some_lost.is_some())
                && taken.insert(id.as_str().to_ascii_lowercase());
            if !is_kept {
                self.removed.push(id.clone());
                continue;
            }
            if bad_row.is_none()
                && let Some(lost) = &some_lost
            {
                let found = format!("no row for the running camera {:?}, beside rows that cannot be read", id.as_str());
                self.problems.0.push(Problem {
                    place: lost.clone(),
                    found,
                    wanted: "every row of the register's shape and with its id".to_owned(),
                    hint: "it runs on as it was; it stops when all rows can be read and it is not among them".to_owned(),
                    warning: false,
                    camera: Some(CameraFate::Kept),
                });
            }
            self.kept.push(id.clone());
            self.cameras.push(before.clone());
        }
        let kept: HashSet<&str> = self.kept.iter().map(CameraId::as_str).collect();
        let (kept, unseen): (Vec<LeftOut>, Vec<LeftOut>) =
            left_out.into_iter().partition(|row| row.id.as_deref().is_some_and(|id| kept.contains(id)));
        let kept_rows: HashSet<&str> = kept.iter().map(|row| row.place.as_str()).collect();
        for problem in self.problems.0.iter_mut().filter(|problem| problem.camera.is_some()) {
            let ends = problem.place.match_indices(' ').map(|(end, _)| end).chain([problem.place.len()]);
            if ends.into_iter().any(|end| kept_rows.contains(&problem.place[..end])) {
                problem.camera = Some(CameraFate::Kept);
            }
        }
        self.left_out = unseen;
    }
}

/// The tables that are not alike, each once.
fn differing(before: &toml::Table, now: &toml::Table) -> Vec<String> {
    let mut names: Vec<String> = before.keys().chain(now.keys()).filter(|key| before.get(*key) != now.get(*key)).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests;

//! What of a camera outlives a restart: the places under watch in each of its views, and how tall people are there.

use crate::cells::WatchCell;
use crate::stage::{Home, Stage, TrackMemory};
use crate::upright::UprightHeights;
use crate::views::Views;
use patrol_core::{MediaTime, Picture, PictureSize, PictureTransform, Posture, WallTime};
use patrol_leads::posture::PostureFilter;
use patrol_vision::ViewSign;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct CameraMemory {
    /// Wall time of media time zero, and size of the pictures, when this was kept.
    zero: WallTime,
    size: PictureSize,
    /// The present view first.
    views: Vec<ViewMemory>,
    last_preset: u32,
}

#[derive(Serialize, Deserialize)]
struct ViewMemory {
    preset: u32,
    /// The view that it overlaps, and where its pixels stand there, row by row.
    home: u32,
    home_from_here: [[f64; 3]; 3],
    #[serde(default)]
    home_from_begin: PictureTransform,
    view_holds: bool,
    sign: Option<ViewSign>,
    upright: UprightHeights,
    cells: Vec<CellMemory>,
}

#[derive(Serialize, Deserialize)]
struct CellMemory {
    cell: WatchCell,
    posture: Posture,
    posture_since: MediaTime,
}

impl CameraMemory {
    /// `None`: there is nothing worth keeping.
    pub(crate) fn of(stage: &Stage, views: &Views, (zero, size): (WallTime, PictureSize)) -> Option<Self> {
        let kept = views.kept(stage.preset).map(|(sign, parked)| ViewMemory::of(parked, Some(sign.clone())));
        let views_kept: Vec<ViewMemory> = std::iter::once(ViewMemory::of(stage, views.sign().cloned())).chain(kept).collect();
        let is_nothing =
            |view: &ViewMemory| view.cells.is_empty() && view.upright == UprightHeights::default() && view.home_from_begin.is_identity();
        let is_empty = views_kept.iter().all(is_nothing);
        (!is_empty).then(|| Self { zero, size, views: views_kept, last_preset: views.last_preset() })
    }

    /// Takes up what was kept, in the media time of `picture`, which is the first one.
    pub(crate) fn take_up(self, stage: &mut Stage, views: &mut Views, picture: &Picture) {
        let later_ns = self.zero.0.saturating_sub(zero_of(picture).0);
        let same_size = self.size == picture.size();
        views.restore(self.last_preset);
        let mut first = true;
        for view in self.views {
            let mut restored = Stage::new(view.preset, stage.tracker.next_id());
            restored.upright = view.upright;
            restored.view_holds = view.view_holds;
            if let Some(from_here) = PictureTransform::homography(view.home_from_here) {
                restored.home = Home { preset: view.home, from_here, now_from_begin: view.home_from_begin };
            }
            // Places in pixels of another size would be other places.
            for kept in view.cells.into_iter().filter(|_| same_size) {
                restored.take_up(kept.cell, later_ns, resumed(kept.posture, kept.posture_since, later_ns, picture.media_time));
            }
            if std::mem::take(&mut first) {
                *stage = restored;
                views.set_sign(view.sign);
            } else if let Some(sign) = view.sign {
                stage.tracker.skip_to(restored.tracker.next_id());
                views.keep(sign, restored, picture.media_time);
            }
        }
    }
}

impl ViewMemory {
    fn of(stage: &Stage, sign: Option<ViewSign>) -> Self {
        let cells = stage.cells.cells.iter().map(|cell| CellMemory {
            cell: cell.clone(),
            posture: stage.posture(cell.track),
            posture_since: stage.memories.get(&cell.track).map_or(cell.at_rest().first_seen, |memory| memory.filter.since()),
        });
        Self {
            preset: stage.preset,
            home: stage.home.preset,
            home_from_here: *stage.home.from_here.rows(),
            home_from_begin: stage.home.now_from_begin,
            view_holds: stage.view_holds,
            sign,
            upright: stage.upright.clone(),
            cells: cells.collect(),
        }
    }
}

fn resumed(posture: Posture, since: MediaTime, later_ns: i64, now: MediaTime) -> TrackMemory {
    let since = MediaTime(since.0.saturating_add(later_ns));
    TrackMemory { filter: PostureFilter::resume(posture, since, now), posture: Some(posture), moved: true, ..TrackMemory::default() }
}

/// Wall time of media time zero.
pub(crate) fn zero_of(picture: &Picture) -> WallTime {
    WallTime(picture.captured.at.0.saturating_sub(picture.media_time.0))
}

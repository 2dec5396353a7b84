//! What a camera's main stream shows of whoever the looks found on a smaller one: the same place with more pixels, for whoever reviews it.

use crate::source::Link;
use patrol_core::{Picture, PixelBox};
use patrol_vision::change::{PlacePatch, PlaceVerdict, read_place};
use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Encoders send a key frame every 1–4 s as they are delivered: the newest one of a stream that runs is no further from the look.
const APART_MAX: Duration = Duration::from_secs(5);

/// Why evidence is the picture of the look itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MainMiss {
    /// Looks read the main stream.
    None,
    /// Nothing has come of it yet, or its session ended.
    Missing,
    Apart(Duration),
    Undecodable(String),
    /// It does not show this person there: he has moved, it shows another part of the scene, or him no larger.
    Otherwise,
}

/// The main stream at the time of one look. Its key frame is decoded when it is first asked for.
pub(crate) struct MainView {
    link: Option<Arc<dyn Link>>,
    picture: OnceCell<Result<Picture, MainMiss>>,
}

impl MainView {
    pub(crate) fn new(link: Option<Arc<dyn Link>>) -> Self {
        Self { link, picture: OnceCell::new() }
    }

    /// The main stream's picture and where in it whoever is at `bbox` of `looked` is, if it shows the same there.
    pub(crate) fn shows(&self, looked: &Picture, bbox: &PixelBox) -> Result<(&Picture, PixelBox), MainMiss> {
        let picture = self.picture.get_or_init(|| self.decode(looked)).as_ref().map_err(Clone::clone)?;
        let (from, to) = (looked.size(), picture.size());
        let (across, down) = (to.width as f32 / from.width as f32, to.height as f32 / from.height as f32);
        let there = PixelBox::new(bbox.x * across, bbox.y * down, bbox.w * across, bbox.h * down);
        if across < 1.0 || down < 1.0 || to == from {
            return Err(MainMiss::Otherwise);
        }
        let same = PlacePatch::take(looked, bbox)
            .zip(PlacePatch::take(picture, &there))
            .is_some_and(|(looked, main)| read_place(&looked, None, &main).verdict == PlaceVerdict::Unchanged);
        if same { Ok((picture, there)) } else { Err(MainMiss::Otherwise) }
    }

    fn decode(&self, looked: &Picture) -> Result<Picture, MainMiss> {
        let link = self.link.as_ref().filter(|link| link.has_main()).ok_or(MainMiss::None)?;
        let key = link.main_key().ok_or(MainMiss::Missing)?;
        let (a, b) = (key.captured.at, looked.captured.at);
        let apart = a.since(b).max(b.since(a));
        if apart > APART_MAX {
            return Err(MainMiss::Apart(apart));
        }
        key.decode(true).map_err(MainMiss::Undecodable)
    }
}

impl fmt::Display for MainMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "looks read it"),
            Self::Missing => write!(f, "nothing has come of it"),
            Self::Apart(apart) => write!(f, "its newest key frame is {:.1} s from the look", apart.as_secs_f32()),
            Self::Undecodable(why) => write!(f, "its key frame gave no picture: {why}"),
            Self::Otherwise => write!(f, "it does not show the same there"),
        }
    }
}

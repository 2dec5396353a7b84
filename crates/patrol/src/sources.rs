//! Adapters: files, folders, live cameras and rendered scenes as the pipeline's picture sources.

use patrol_core::{LinkStatus, WallTime};
use patrol_ingest::{Feed, FeedEvent, OpenOptions, RtspCamera};
use patrol_pipeline::{Link, Offer, PictureSource};
use patrol_sim::SceneStream;
use std::path::Path;
use std::sync::Arc;

pub(crate) struct FeedSource(Box<dyn Feed>);

impl FeedSource {
    /// `start`: wall time of the first picture. One decoder thread a camera: the cores belong to the looks.
    pub(crate) fn file(path: &Path, fps: Option<f64>, start: WallTime) -> Result<Self, String> {
        let options = OpenOptions { start, pictures_fps: fps, decoder_threads: 1 };
        patrol_ingest::open(path, &options).map(Self).map_err(|error| error.to_string())
    }

    /// Begins a session; what goes wrong with it is told instead of a picture.
    pub(crate) fn live(camera: &Arc<RtspCamera>) -> Self {
        Self(Box::new(camera.open()))
    }
}

impl PictureSource for FeedSource {
    fn next(&mut self) -> Result<Offer, String> {
        Ok(match self.0.next().map_err(|error| error.to_string())? {
            FeedEvent::Picture { picture, discontinuity } => Offer::Picture { picture, discontinuity },
            FeedEvent::Undecodable { media_time, why } => Offer::Undecodable { media_time, why },
            FeedEvent::Skipped { pictures } => Offer::Skipped { pictures },
            FeedEvent::Idle => Offer::Idle,
            FeedEvent::End => Offer::End,
        })
    }
}

pub(crate) struct RtspLink(pub(crate) Arc<RtspCamera>);

impl Link for RtspLink {
    fn status(&self) -> LinkStatus {
        self.0.link()
    }
    fn set_watched(&self, watched: bool) {
        self.0.set_watched(watched);
    }
    fn cut(&self, from: WallTime, to: WallTime) -> Result<Option<Vec<u8>>, String> {
        self.0.cut(from, to).map_err(|error| error.to_string())
    }
}

pub(crate) struct SceneSource(pub(crate) SceneStream);

impl PictureSource for SceneSource {
    fn next(&mut self) -> Result<Offer, String> {
        let next = self.0.next().map_err(|error| error.to_string())?;
        Ok(next.map_or(Offer::End, |picture| Offer::Picture { picture, discontinuity: false }))
    }
}

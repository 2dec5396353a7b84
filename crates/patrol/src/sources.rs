//! Adapters: files, folders and rendered scenes as the pipeline's picture sources.

use patrol_core::WallTime;
use patrol_ingest::{Feed, FeedEvent, OpenOptions};
use patrol_pipeline::{Offer, PictureSource};
use patrol_sim::SceneStream;
use std::path::Path;

pub(crate) struct FileSource(Box<dyn Feed>);

impl FileSource {
    /// `start`: wall time of the first picture. One decoder thread a camera: the cores belong to the looks.
    pub(crate) fn open(path: &Path, fps: Option<f64>, start: WallTime) -> Result<Self, String> {
        let options = OpenOptions { start, pictures_fps: fps, decoder_threads: 1 };
        patrol_ingest::open(path, &options).map(Self).map_err(|error| error.to_string())
    }
}

impl PictureSource for FileSource {
    fn next(&mut self) -> Result<Offer, String> {
        Ok(match self.0.next().map_err(|error| error.to_string())? {
            FeedEvent::Picture { picture, discontinuity } => Offer::Picture { picture, discontinuity },
            FeedEvent::Undecodable { media_time, why } => Offer::Undecodable { media_time, why },
            FeedEvent::End => Offer::End,
        })
    }
}

pub(crate) struct SceneSource(pub(crate) SceneStream);

impl PictureSource for SceneSource {
    fn next(&mut self) -> Result<Offer, String> {
        let next = self.0.next().map_err(|error| error.to_string())?;
        Ok(next.map_or(Offer::End, |picture| Offer::Picture { picture, discontinuity: false }))
    }
}

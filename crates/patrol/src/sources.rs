//! Adapters: files, folders, live cameras and rendered scenes as the pipeline's picture sources.

use crate::main_stream::MainStream;
use patrol_core::{LinkStatus, WallTime};
use patrol_ingest::{Feed, FeedEvent, OpenOptions, RtspCamera};
use patrol_pipeline::{KeyFrame, Link, Offer, OnNews, PictureSource, SessionNews, Sessions};
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

pub(crate) struct RtspLink {
    /// The stream that looks read.
    pub(crate) looks: Arc<RtspCamera>,
    /// The main stream, where looks read a smaller one.
    pub(crate) main: Option<MainStream>,
}

impl Link for RtspLink {
    fn status(&self) -> LinkStatus {
        let mut status = self.looks.link();
        status.ring_bytes += self.main.as_ref().map_or(0, MainStream::ring_bytes);
        status
    }
    fn set_watched(&self, watched: bool) {
        self.looks.set_watched(watched);
    }
    fn cut(&self, from: WallTime, to: WallTime) -> Result<Option<Vec<u8>>, String> {
        self.looks.cut(from, to).map_err(|error| error.to_string())
    }
    fn has_main(&self) -> bool {
        self.main.is_some()
    }
    fn want_main(&self, wanted: bool) {
        if let Some(main) = &self.main {
            main.want(wanted, self.looks.link().sessions);
        }
    }
    fn main_key(&self) -> Option<KeyFrame> {
        self.main.as_ref()?.newest().map(key_frame)
    }
    fn cut_main(&self, from: WallTime, to: WallTime) -> Option<Vec<u8>> {
        self.main.as_ref()?.cut(from, to)
    }
}

/// A network camera's sessions for the pipeline's lanes.
pub(crate) struct RtspSessions(pub(crate) Arc<RtspCamera>);

impl Sessions for RtspSessions {
    fn connect(&self, on_news: OnNews) {
        self.0.connect(Arc::new(move |news| {
            on_news(match news {
                patrol_ingest::SessionNews::Ended(why) => SessionNews::Ended(why),
                patrol_ingest::SessionNews::Key(key) => SessionNews::Key(key_frame(key)),
            });
        }));
    }
    fn hang_up(&self) {
        self.0.hang_up();
    }
    fn pictures(&self) -> Box<dyn PictureSource> {
        Box::new(FeedSource(Box::new(self.0.pictures())))
    }
}

fn key_frame(key: patrol_ingest::KeyFrame) -> KeyFrame {
    KeyFrame {
        media_time: key.media_time,
        captured: key.captured,
        decode: Box::new(move |deblock| key.decode(deblock).map_err(|error| error.to_string())),
    }
}

pub(crate) struct SceneSource(pub(crate) SceneStream);

impl PictureSource for SceneSource {
    fn next(&mut self) -> Result<Offer, String> {
        let next = self.0.next().map_err(|error| error.to_string())?;
        Ok(next.map_or(Offer::End, |picture| Offer::Picture { picture, discontinuity: false }))
    }
}

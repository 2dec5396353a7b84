//! From a camera's plan to a camera that runs: its source, its link, and track ids of its own.

use crate::config::{CameraPlan, RtspPlan, SourcePlan, TransportPlan};
use crate::main_stream::MainStream;
use crate::sources::{FeedSource, RtspLink, RtspSessions};
use crate::system;
use patrol_core::{CameraId, Clock};
use patrol_ingest::{Credentials, Decoders, IngestError, Password, RtspCamera, RtspNet, RtspOptions, RtspTransport};
use patrol_pipeline::PictureSource;
use patrol_pipeline::live::{LiveCamera, LiveFeed};
use std::sync::Arc;

/// A camera that comes back changed gives no track an id that it gave before: ids go on as if so many had been given every second, more
/// than a busy street has people. A run has room for 115 days of them.
const TRACK_IDS_PER_SECOND: u64 = 100;

/// Makes the cameras of one run. The net thread of the live ones begins with the first of them.
pub(crate) struct Feeds {
    clock: Arc<dyn Clock>,
    rings_bytes_max: u64,
    decoders: Decoders,
    net: Option<Arc<RtspNet>>,
    first_track_id: u64,
}

impl Feeds {
    pub(crate) fn new(clock: Arc<dyn Clock>, rings_bytes_max: u64, decoders: Decoders, epoch: u64) -> Self {
        Self { clock, rings_bytes_max, decoders, net: None, first_track_id: system::first_track_id(epoch) }
    }

    pub(crate) fn camera(&mut self, plan: &CameraPlan) -> Result<LiveCamera, IngestError> {
        let first_track_id = self.first_track_id + self.clock.monotonic().as_secs() * TRACK_IDS_PER_SECOND;
        let (feed, link) = match &plan.source {
            SourcePlan::File { path, fps } => {
                let (path, fps, clock) = (path.clone(), *fps, self.clock.clone());
                let open = move || Ok(Box::new(FeedSource::file(&path, fps, clock.now())?) as Box<dyn PictureSource>);
                (LiveFeed::Source(Box::new(open)), None)
            }
            SourcePlan::Rtsp(rtsp) => {
                let id = &plan.camera.id;
                let looks = self.rtsp(id, rtsp)?;
                let look_limit = plan.camera.promise.look_limit;
                let main = self.main_stream(id, rtsp)?.map(|camera| MainStream::new(id.clone(), camera, self.clock.clone(), look_limit));
                (LiveFeed::Sessions(Arc::new(RtspSessions(looks.clone()))), Some(Arc::new(RtspLink { looks, main }) as _))
            }
        };
        Ok(LiveCamera {
            camera: plan.camera.clone(),
            detectors: plan.detectors.clone(),
            thermal: plan.thermal.clone(),
            feed,
            link,
            first_track_id,
        })
    }

    /// The stream that looks read.
    pub(crate) fn rtsp(&mut self, camera: &CameraId, plan: &RtspPlan) -> Result<Arc<RtspCamera>, IngestError> {
        self.stream(camera, plan, &plan.url)
    }

    /// The main stream, where that is another one.
    pub(crate) fn main_stream(&mut self, camera: &CameraId, plan: &RtspPlan) -> Result<Option<Arc<RtspCamera>>, IngestError> {
        plan.main_url.as_ref().map(|url| self.stream(camera, plan, url)).transpose()
    }

    fn stream(&mut self, camera: &CameraId, plan: &RtspPlan, url: &str) -> Result<Arc<RtspCamera>, IngestError> {
        let net = match &self.net {
            Some(net) => net.clone(),
            None => self.net.insert(RtspNet::start(self.clock.clone(), self.rings_bytes_max)?).clone(),
        };
        let password = plan.password.as_ref().map_or("", |password| password.reveal());
        let credentials = plan.user.as_ref().map(|user| Credentials { user: user.clone(), password: Password::new(password) });
        let transport = match plan.transport {
            TransportPlan::TcpThenUdp => RtspTransport::TcpThenUdp,
            TransportPlan::Tcp => RtspTransport::Tcp,
            TransportPlan::Udp => RtspTransport::Udp,
        };
        let options = RtspOptions { camera: camera.clone(), url: url.to_owned(), credentials, transport, decoders: self.decoders.clone() };
        RtspCamera::new(&net, options)
    }
}

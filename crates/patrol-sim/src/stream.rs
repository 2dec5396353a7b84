//! Pictures as a camera would deliver them: rendered, encoded as H.264 and decoded again, one in, one out.

use crate::error::SimError;
use crate::h264::{PICTURE_TIMEOUT_S, Running, encoder, failed};
use crate::render::Renderer;
use crate::scene::{Scene, SceneCamera};
use gstreamer as gst;
use gstreamer_app::AppSink;
use gstreamer_video as gst_video;
use patrol_core::{MediaTime, Picture, PixelFormat, WallEstimate};
use std::sync::Arc;
use std::time::Duration;

/// The pictures of one camera of a scene, in order.
pub struct SceneStream {
    scene: Arc<Scene>,
    camera: SceneCamera,
    renderer: Renderer,
    running: Running,
    sink: AppSink,
    pixels: Vec<u8>,
    frame: u64,
}

impl SceneStream {
    pub fn new(scene: Arc<Scene>, camera: usize) -> Result<Self, SimError> {
        let found = scene.cameras().len();
        let about = scene.cameras().get(camera).cloned().ok_or(SimError::NoCamera { wanted: camera, found })?;
        let description = format!("{} ! avdec_h264 max-threads=1 ! appsink name=out sync=false max-buffers=2", encoder(&about));
        let running = Running::launch(&about, &description)?;
        let sink = running.sink(&about)?;
        let renderer = Renderer::new(Arc::clone(&scene), camera);
        Ok(Self { scene, camera: about, renderer, running, sink, pixels: Vec::new(), frame: 0 })
    }

    pub fn camera(&self) -> &SceneCamera {
        &self.camera
    }

    /// The next picture, I420; `None` at the end of the scene.
    #[expect(clippy::should_implement_trait, reason = "a picture can fail to come: this reads as `next()?` and is no iterator")]
    pub fn next(&mut self) -> Result<Option<Picture>, SimError> {
        let t_s = self.frame as f64 / self.camera.fps;
        if t_s >= self.scene.duration_s() {
            return Ok(None);
        }
        self.renderer.render_i420(t_s, &mut self.pixels);
        self.running.push(&self.camera, self.frame, &self.pixels)?;
        let sample = self
            .sink
            .try_pull_sample(gst::ClockTime::from_seconds(PICTURE_TIMEOUT_S))
            .ok_or_else(|| self.running.explained(&self.camera, "the decoder returned no picture for the one it was given"))?;
        let planes = self.planes(&sample)?;
        let media_time = MediaTime::from_secs_f64(t_s);
        let captured = WallEstimate { at: self.scene.start() + Duration::from_secs_f64(t_s), error_ms: 0 };
        let picture = Picture::from_planes(self.camera.size, PixelFormat::I420, planes, self.frame, media_time, captured);
        self.frame += 1;
        picture.map(Some).map_err(|error| failed(&self.camera, &error))
    }

    fn planes(&self, sample: &gst::Sample) -> Result<Vec<Vec<u8>>, SimError> {
        let problem = |what: &str| failed(&self.camera, &what);
        let (buffer, caps) = sample.buffer().zip(sample.caps()).ok_or_else(|| problem("a decoded picture without pixels"))?;
        let info = gst_video::VideoInfo::from_caps(caps).map_err(|error| failed(&self.camera, &error))?;
        if info.format() != gst_video::VideoFormat::I420
            || (info.width(), info.height()) != (self.camera.size.width, self.camera.size.height)
        {
            return Err(problem("the decoder changed the format or the size of the picture"));
        }
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info).map_err(|error| failed(&self.camera, &error))?;
        (0..3u32)
            .map(|plane| {
                let (row, rows) = PixelFormat::I420.plane_extent(plane as usize, self.camera.size);
                let stride = info.stride()[plane as usize] as usize;
                let data = frame.plane_data(plane).map_err(|error| failed(&self.camera, &error))?;
                Ok((0..rows).flat_map(|y| &data[y * stride..y * stride + row]).copied().collect())
            })
            .collect()
    }
}

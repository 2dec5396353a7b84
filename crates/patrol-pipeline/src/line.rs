//! One camera's media time over all its sessions: it runs on where another session begins again at zero.

use patrol_core::{MediaTime, WallTime};
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Added to the media times of the present session.
    offset_ns: i64,
    /// Media and capture time of the newest picture.
    newest: Option<(MediaTime, WallTime)>,
    /// The next picture is the first of a session.
    begins: bool,
}

/// Where a picture stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) media_time: MediaTime,
    /// The first after an outage: the time before it says nothing about how far apart pictures are.
    pub(crate) resumes: bool,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self { begins: true, ..Self::default() }
    }

    /// Another session begins.
    pub(crate) fn restart(&mut self) {
        self.begins = true;
    }

    /// Places a picture of the present session.
    pub(crate) fn place(&mut self, media_time: MediaTime, captured: WallTime) -> Placed {
        let resumes = std::mem::take(&mut self.begins);
        if resumes && let Some((newest, before)) = self.newest {
            // Media time went on while nobody looked: a gap like any other, across which whoever lies still keeps his clock.
            let resumes_at = newest + captured.since(before).max(Duration::from_millis(1));
            self.offset_ns = resumes_at.0.saturating_sub(media_time.0);
        }
        let media_time = self.on_line(media_time);
        self.newest = Some((media_time, captured));
        Placed { media_time, resumes }
    }

    /// A media time of the present session on the camera's line.
    pub(crate) fn on_line(&self, media_time: MediaTime) -> MediaTime {
        MediaTime(media_time.0.saturating_add(self.offset_ns))
    }

    /// Whether a picture of the present session was placed already, in another lane.
    pub(crate) fn has(&self, media_time: MediaTime) -> bool {
        !self.begins && self.newest.is_some_and(|(newest, _)| self.on_line(media_time) <= newest)
    }

    /// Media and capture time of the newest picture.
    pub(crate) fn newest(&self) -> Option<(MediaTime, WallTime)> {
        self.newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: &mut Line, media_s: f64, captured_s: i64) -> (f64, bool) {
        let placed = line.place(MediaTime::from_secs_f64(media_s), WallTime::from_unix_secs(captured_s));
        (placed.media_time.as_secs_f64(), placed.resumes)
    }

    #[test]
    fn media_time_runs_on_over_an_outage() {
        let mut line = Line::new();
        assert_eq!(place(&mut line, 0.0, 100), (0.0, true));
        assert_eq!(place(&mut line, 2.0, 102), (2.0, false));
        line.restart();
        assert!(!line.has(MediaTime::ZERO), "nothing of this session has come");
        assert_eq!(place(&mut line, 0.0, 162), (62.0, true));
        assert_eq!(place(&mut line, 2.0, 164), (64.0, false));
        assert!(line.has(MediaTime::from_secs_f64(2.0)), "the other lane gives this picture again");
        assert!(!line.has(MediaTime::from_secs_f64(2.04)));
    }

    #[test]
    fn a_wall_clock_that_was_set_back_does_not_turn_media_time_back() {
        let mut line = Line::new();
        place(&mut line, 5.0, 1000);
        line.restart();
        let (media_s, _) = place(&mut line, 0.0, 10);
        assert!(media_s > 5.0, "{media_s}");
    }
}

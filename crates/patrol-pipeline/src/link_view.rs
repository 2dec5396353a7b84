//! What a camera's link has of the time of one look, for whoever reviews it: its main stream's picture, which shows whoever the looks found on a smaller one with
//! more pixels, and the clip.

use crate::source::Link;
use patrol_core::sighting::Clip;
use patrol_core::{Picture, PixelBox};
use patrol_vision::change::{PlacePatch, PlaceVerdict, read_place};
use sha2::{Digest, Sha256};
use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Encoders send a key frame every 1–4 s as they are delivered: the newest one of a stream that runs is no further from the look.
const APART_MAX: Duration = Duration::from_secs(5);
/// A clip shows as much before the decision: all that a camera's ring of packets holds (design §6).
const CLIP_BEFORE: Duration = Duration::from_secs(20);

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

/// All is decoded and cut when it is first asked for, and once, however many people are told of.
pub(crate) struct LinkView<'a> {
    link: Option<Arc<dyn Link>>,
    looked: &'a Picture,
    picture: OnceCell<Result<Picture, MainMiss>>,
    main_clip: OnceCell<Option<Clip>>,
    clip: OnceCell<Result<Option<Clip>, String>>,
}

impl<'a> LinkView<'a> {
    /// `looked`: the picture of the look.
    pub(crate) fn new(link: Option<Arc<dyn Link>>, looked: &'a Picture) -> Self {
        Self { link, looked, picture: OnceCell::new(), main_clip: OnceCell::new(), clip: OnceCell::new() }
    }

    /// The main stream's picture and where in it whoever is at `bbox` of the look's picture is, if it shows the same there.
    pub(crate) fn shows(&self, bbox: &PixelBox) -> Result<(&Picture, PixelBox), MainMiss> {
        let looked = self.looked;
        let picture = self.picture.get_or_init(|| self.decode()).as_ref().map_err(Clone::clone)?;
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

    /// The seconds until the look's capture as the camera sent them: of the main stream, if that is wanted and it has them.
    pub(crate) fn clip(&self, from_main: bool) -> Result<Option<Clip>, String> {
        let Some(link) = &self.link else { return Ok(None) };
        let until = self.looked.captured.at;
        let from = until - CLIP_BEFORE;
        if from_main && let Some(clip) = self.main_clip.get_or_init(|| link.cut_main(from, until).map(hashed)) {
            return Ok(Some(clip.clone()));
        }
        self.clip.get_or_init(|| Ok(link.cut(from, until)?.map(hashed))).clone()
    }

    fn decode(&self) -> Result<Picture, MainMiss> {
        let link = self.link.as_ref().filter(|link| link.has_main()).ok_or(MainMiss::None)?;
        let key = link.main_key().ok_or(MainMiss::Missing)?;
        let (a, b) = (key.captured.at, self.looked.captured.at);
        let apart = a.since(b).max(b.since(a));
        if apart > APART_MAX {
            return Err(MainMiss::Apart(apart));
        }
        key.decode(true).map_err(MainMiss::Undecodable)
    }
}

fn hashed(bytes: Vec<u8>) -> Clip {
    Clip { sha256: hex::encode(Sha256::digest(&bytes)), bytes: Arc::from(bytes) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{LinkStatus, MediaTime, PictureSize, PixelFormat, WallEstimate, WallTime};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Cuts a film that tells how often it was asked; `main`: whether its main stream has those seconds.
    #[derive(Default)]
    struct Films {
        main: bool,
        broken: bool,
        cut: AtomicUsize,
    }

    impl Link for Films {
        fn status(&self) -> LinkStatus {
            LinkStatus::default()
        }
        fn set_watched(&self, _: bool) {}
        fn cut(&self, from: WallTime, to: WallTime) -> Result<Option<Vec<u8>>, String> {
            let cut = self.cut.fetch_add(1, Ordering::SeqCst);
            if self.broken { Err("no key frame".into()) } else { Ok(Some(format!("{cut}: {:?}", to.since(from)).into_bytes())) }
        }
        fn cut_main(&self, _: WallTime, _: WallTime) -> Option<Vec<u8>> {
            self.cut.fetch_add(1, Ordering::SeqCst);
            self.main.then(|| b"main".to_vec())
        }
    }

    fn looked() -> Picture {
        let captured = WallEstimate { at: WallTime(1_767_550_260_000_000_000), error_ms: 100 };
        Picture::from_planes(PictureSize::new(8, 8), PixelFormat::Gray8, vec![vec![0; 64]], 0, MediaTime::ZERO, captured)
            .expect("a picture")
    }

    fn text(clip: &Result<Option<Clip>, String>) -> &str {
        let clip = clip.as_ref().expect("nothing broken").as_ref().expect("a clip");
        std::str::from_utf8(&clip.bytes).expect("text")
    }

    /// Two people of one look have one film: the same bytes, cut once.
    #[test]
    fn all_people_of_a_look_share_its_clip() {
        let films = Arc::new(Films::default());
        let looked = looked();
        let view = LinkView::new(Some(films.clone()), &looked);
        let (first, second) = (view.clip(false), view.clip(false));
        assert_eq!((text(&first), text(&second)), ("0: 20s", "0: 20s"));
        assert!(Arc::ptr_eq(&first.expect("cut").expect("a clip").bytes, &second.expect("cut").expect("a clip").bytes));
        assert_eq!(films.cut.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn the_main_streams_clip_is_taken_where_it_has_those_seconds() {
        let looked = looked();
        let view = |main| LinkView::new(Some(Arc::new(Films { main, ..Films::default() })), &looked);
        let (has, lacks) = (view(true), view(false));
        assert_eq!((text(&has.clip(true)), text(&has.clip(false))), ("main", "1: 20s"));
        assert_eq!(text(&lacks.clip(true)), "1: 20s");
        assert!(LinkView::new(None, &looked).clip(true).is_ok_and(|clip| clip.is_none()), "files keep no packets");
    }

    #[test]
    fn what_cannot_be_cut_says_why_to_each() {
        let (looked, films) = (looked(), Arc::new(Films { broken: true, ..Films::default() }));
        let view = LinkView::new(Some(films.clone()), &looked);
        for _ in 0..2 {
            assert_eq!(view.clip(false).expect_err("broken"), "no key frame");
        }
        assert_eq!(films.cut.load(Ordering::SeqCst), 1);
    }
}

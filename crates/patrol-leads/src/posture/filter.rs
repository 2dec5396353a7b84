//! One posture out of many looks, so that one wrong look does not restart a clock.

use super::{PostureJudgement, SITTING_OR_DOWN};
use patrol_core::{MediaTime, Posture};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Looks that vote, and how long each does.
const VOTES_MAX: usize = 9;
const VOTE_LASTS: Duration = Duration::from_secs(90);
/// After looks that said nothing for long, so many must speak before one is believed.
const VOTES_AFTER_SILENCE: usize = 2;
/// A new class needs this many times the weight of the present one.
const OVERTURNS: f32 = 1.5;
/// A class that comes back within this continues its clock.
const RESUMES_WITHIN: Duration = Duration::from_mins(1);
/// Looks that say nothing leave the posture as it is for so long.
const UNKNOWN_AFTER: Duration = Duration::from_mins(2);
/// Who was surely upright, and throws a shape that is upright or lying along the optical axis, is taken for upright so long.
/// A waiting person is not reported; one who fell unnoticed along the axis is not for ever taken for one who waits.
const UPRIGHT_HOLDS: Duration = Duration::from_mins(20);
/// Confidence of such a look.
const UPRIGHT_BY_HISTORY: f32 = 0.3;

/// Who may as well sit as be down for so long is down: after ten minutes a lead is due of either, and one that is missed is the worse mistake.
const DOUBT_HOLDS: Duration = Duration::from_mins(10);
/// Confidence of such a look, and its reason.
const DOWN_BY_DOUBT: f32 = 0.3;
const DOUBTED: &str = "in-doubt-for-long";

/// Down, sitting, other: the classes whose clocks count apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Class {
    Down,
    Sitting,
    Other,
}

fn class_of(posture: Posture) -> Class {
    match posture {
        _ if posture.is_down() => Class::Down,
        Posture::Sitting => Class::Sitting,
        _ => Class::Other,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Vote {
    at: MediaTime,
    posture: Posture,
    weight: f32,
}

/// Majority with hysteresis over the looks of one track.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PostureFilter {
    votes: VecDeque<Vote>,
    class: Option<Class>,
    posture: Option<Posture>,
    since: MediaTime,
    /// The class before: since when, until when.
    before: Option<(Class, MediaTime, MediaTime)>,
    known_at: MediaTime,
    /// When it was surely upright last.
    upright_at: Option<MediaTime>,
    /// Since when looks cannot tell sitting from down, and none told otherwise.
    doubt_since: Option<MediaTime>,
}

impl PostureFilter {
    pub fn new() -> Self {
        Self::default()
    }

    /// Of one who was judged so, since `since`, before this filter began at `at`: it stands until looks say otherwise.
    pub fn resume(posture: Posture, since: MediaTime, at: MediaTime) -> Self {
        let known = Some(posture).filter(|posture| *posture != Posture::Unknown);
        Self { class: Some(class_of(posture)), posture: known, since, known_at: at, ..Self::default() }
    }

    /// The picture of the place shows until `at` what it showed at the last look: what was judged then stands, and does not age.
    pub fn persist(&mut self, at: MediaTime) {
        if let Some(newest) = self.votes.back().map(|vote| vote.at) {
            let aged = at.since(newest);
            self.votes.iter_mut().for_each(|vote| vote.at = vote.at + aged);
            self.known_at = self.known_at.max(at);
        }
    }

    /// Takes one look's judgement and gives the posture that the looks so far agree on.
    ///
    /// Doubt between sitting and down votes, weakly: few looks that call a sitter lying are outvoted. Other looks that say nothing do not.
    pub fn update(&mut self, at: MediaTime, judgement: PostureJudgement) -> Posture {
        let judgement = self.resolved(at, judgement);
        let doubted = self.doubt_since.filter(|_| judgement.why == DOUBTED);
        if self.class.is_none() {
            (self.since, self.known_at) = (at, at);
        }
        while self.votes.front().is_some_and(|vote| at.since(vote.at) > VOTE_LASTS) || self.votes.len() >= VOTES_MAX {
            self.votes.pop_front();
        }
        if judgement.posture == Posture::Unknown && judgement.why != SITTING_OR_DOWN {
            if self.class.is_none() {
                self.class = Some(Class::Other);
            }
            if at.since(self.known_at) > UNKNOWN_AFTER {
                self.votes.clear();
                self.enter(at, at, Class::Other);
                self.posture = None;
            }
            return self.posture.unwrap_or(Posture::Unknown);
        }
        let is_first = self.posture.is_none();
        self.known_at = at;
        self.votes.push_back(Vote { at, posture: judgement.posture, weight: judgement.confidence.clamp(0.05, 1.0) });
        if is_first && self.class.is_some() && self.votes.len() < VOTES_AFTER_SILENCE {
            // Looks said nothing for long, as they do of what is small: one that says something may be the wrong one.
            return Posture::Unknown;
        }
        let present = self.class.filter(|_| !is_first);
        // In harm's order, so that a tie goes to the more harmful.
        let classes = [Class::Down, Class::Sitting, Class::Other].map(|class| (class, self.weight_of(class)));
        let (leading, weight) = classes.into_iter().reduce(|a, b| if b.1 > a.1 { b } else { a }).unwrap_or((Class::Other, 0.0));
        if present.is_none_or(|present| present != leading && weight > OVERTURNS * self.weight_of(present)) {
            let first = self.votes.iter().find(|vote| class_of(vote.posture) == leading).map_or(at, |vote| vote.at);
            self.enter(at, doubted.unwrap_or(first), leading);
        }
        let posture = self.leading_posture();
        self.posture = Some(posture);
        if !posture.is_down() && posture != Posture::Unknown {
            self.doubt_since = None;
        }
        posture
    }

    /// Settles by history what one look cannot: walked with this shape before, so upright; in doubt for long, so down.
    fn resolved(&mut self, at: MediaTime, judgement: PostureJudgement) -> PostureJudgement {
        let is_upright = matches!(judgement.posture, Posture::Standing | Posture::Walking);
        if is_upright {
            self.upright_at = Some(at);
        }
        let was_upright = matches!(self.posture, Some(Posture::Standing | Posture::Walking));
        if judgement.is_ambiguous() && was_upright && self.upright_at.is_some_and(|upright| at.since(upright) <= UPRIGHT_HOLDS) {
            return PostureJudgement { posture: Posture::Standing, confidence: UPRIGHT_BY_HISTORY, why: "upright-before" };
        }
        if judgement.why == SITTING_OR_DOWN && at.since(*self.doubt_since.get_or_insert(at)) >= DOUBT_HOLDS {
            return PostureJudgement { posture: Posture::Slumped, confidence: DOWN_BY_DOUBT, why: DOUBTED };
        }
        judgement
    }

    /// Start of the present class: down, sitting, or other.
    pub fn since(&self) -> MediaTime {
        self.since
    }

    fn weight_of(&self, class: Class) -> f32 {
        self.votes.iter().filter(|vote| class_of(vote.posture) == class).map(|vote| vote.weight).sum()
    }

    fn enter(&mut self, at: MediaTime, first: MediaTime, class: Class) {
        let Some(old) = self.class.replace(class).filter(|old| *old != class) else { return };
        let resumed = self.before.filter(|(before, _, ended)| *before == class && at.since(*ended) <= RESUMES_WITHIN);
        let since = resumed.map_or(first.max(self.since), |(_, since, _)| since);
        self.before = Some((old, self.since, at));
        self.since = since;
    }

    /// The posture of the present class with the most weight; ties go to the newest.
    fn leading_posture(&self) -> Posture {
        let mut best = (0.0, self.posture.unwrap_or(Posture::Unknown));
        for vote in self.votes.iter().filter(|vote| Some(class_of(vote.posture)) == self.class) {
            let weight: f32 = self.votes.iter().filter(|other| other.posture == vote.posture).map(|other| other.weight).sum();
            if weight >= best.0 {
                best = (weight, vote.posture);
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(filter: &mut PostureFilter, from_s: f64, postures: &[Posture]) -> Vec<Posture> {
        let look = |(n, posture): (usize, &Posture)| {
            filter
                .update(MediaTime::from_secs_f64(from_s + n as f64), PostureJudgement { posture: *posture, confidence: 0.8, why: "shape" })
        };
        postures.iter().enumerate().map(look).collect()
    }

    #[test]
    fn one_wrong_look_does_not_restart_the_clock() {
        use Posture::{Lying, Sitting, Standing, Unknown};
        let mut filter = PostureFilter::new();
        let seen = feed(&mut filter, 0.0, &[Lying, Lying, Lying, Standing, Lying, Unknown, Lying, Sitting, Lying]);
        assert!(seen.iter().all(|posture| *posture == Lying), "{seen:?}");
        assert_eq!(filter.since(), MediaTime::ZERO);
    }

    #[test]
    fn who_lies_down_is_down_since_the_first_such_look() {
        use Posture::{Lying, Walking};
        let mut filter = PostureFilter::new();
        feed(&mut filter, 0.0, &[Walking; 20]);
        let seen = feed(&mut filter, 20.0, &[Lying; 9]);
        assert_eq!(seen.last(), Some(&Lying));
        assert_eq!(filter.since(), MediaTime::from_secs_f64(20.0));
    }

    #[test]
    fn looks_that_say_nothing_change_nothing_for_two_minutes() {
        use Posture::{Curled, Unknown};
        let mut filter = PostureFilter::new();
        feed(&mut filter, 0.0, &[Curled; 5]);
        assert_eq!(feed(&mut filter, 5.0, &[Unknown; 100]).last(), Some(&Curled));
        assert_eq!(feed(&mut filter, 105.0, &[Unknown; 100]).last(), Some(&Unknown));
    }

    #[test]
    fn an_ambiguous_shape_is_upright_for_who_walked_here_and_not_for_ever() {
        let ambiguous = PostureJudgement { posture: Posture::Unknown, confidence: 0.3, why: super::super::AMBIGUOUS };
        let mut filter = PostureFilter::new();
        feed(&mut filter, 0.0, &[Posture::Walking; 5]);
        let at = |minutes: f64| MediaTime::from_secs_f64(minutes * 60.0);
        for second in 5..19 * 60 {
            filter.update(MediaTime::from_secs_f64(f64::from(second)), ambiguous);
        }
        assert_eq!(filter.update(at(19.0), ambiguous), Posture::Standing);
        filter.update(at(21.0), ambiguous);
        assert_eq!(filter.update(at(24.0), ambiguous), Posture::Unknown);
        assert_eq!(PostureFilter::new().update(at(0.0), ambiguous), Posture::Unknown, "nobody saw it walk");
    }

    #[test]
    fn a_class_that_comes_back_soon_continues_its_clock() {
        use Posture::{Lying, Standing};
        let mut filter = PostureFilter::new();
        feed(&mut filter, 0.0, &[Lying; 60]);
        feed(&mut filter, 60.0, &[Standing; 15]);
        assert!(filter.since() > MediaTime::ZERO);
        feed(&mut filter, 75.0, &[Lying; 15]);
        assert_eq!(filter.since(), MediaTime::ZERO);
    }

    fn doubt() -> PostureJudgement {
        PostureJudgement { posture: Posture::Unknown, confidence: super::super::DOUBT_CONFIDENCE, why: SITTING_OR_DOWN }
    }

    #[test]
    fn who_may_sit_is_down_after_ten_minutes_and_since_the_first_look() {
        let mut filter = PostureFilter::new();
        let at = |t: i32| MediaTime::from_secs_f64(f64::from(t));
        for t in 0..600 {
            assert_eq!(filter.update(at(t), doubt()), Posture::Unknown, "at {t} s");
        }
        for t in 600..660 {
            filter.update(at(t), doubt());
        }
        assert_eq!((filter.update(at(660), doubt()), filter.since()), (Posture::Slumped, MediaTime::ZERO));
        let mut sits = PostureFilter::new();
        for t in 0..1200 {
            let seen = if t % 40 < 5 { PostureJudgement { posture: Posture::Sitting, confidence: 0.7, why: "shape" } } else { doubt() };
            assert!(!sits.update(at(t), seen).is_down(), "at {t} s");
        }
    }

    #[test]
    fn a_few_lying_looks_in_doubt_do_not_make_one_lie_and_a_third_does() {
        let lying_every = |every: i32| {
            let mut filter = PostureFilter::new();
            let lying = PostureJudgement { posture: Posture::Lying, confidence: 0.5, why: "shape" };
            let look = |t: i32| filter.update(MediaTime::from_secs_f64(f64::from(t)), if t % every == 0 { lying } else { doubt() });
            (0..120).map(look).skip(20).filter(|posture| *posture == Posture::Lying).count()
        };
        assert_eq!((lying_every(3), lying_every(8)), (100, 0));
    }

    /// Seen in a rendered square: one look in two minutes called somebody who waits curled, and all others said nothing.
    #[test]
    fn one_word_after_a_long_silence_is_not_believed() {
        let mut filter = PostureFilter::new();
        let look = |filter: &mut PostureFilter, t: i64, posture: Posture| {
            filter.update(MediaTime::from_secs_f64(t as f64), PostureJudgement { posture, confidence: 0.6, why: "shape" })
        };
        for t in 0..600 {
            let posture = if t % 160 == 150 { Posture::Curled } else { Posture::Unknown };
            assert_eq!(look(&mut filter, t, posture), Posture::Unknown, "at {t} s");
        }
        look(&mut filter, 600, Posture::Curled);
        assert_eq!(look(&mut filter, 601, Posture::Curled), Posture::Curled);
    }
}

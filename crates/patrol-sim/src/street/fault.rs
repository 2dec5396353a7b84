//! What goes wrong at a camera, on demand: now ([`Fault`]) or by the clock ([`FaultPlan`]).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A fault in force at one camera until it is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Sessions are cut, and a request for this camera closes its connection without an answer.
    Down,
    /// The session stays, and nothing is sent. Afterwards the stream goes on with a key frame.
    Stall,
    /// The same picture again and again, its code too. H.264: every picture is bit-equal. H.265: the key frames are.
    Freeze,
    /// Black with sensor noise, without a code.
    Black,
    /// Even grey with sensor noise, without a code.
    Covered,
    /// A session begins right after a key frame, so that nothing can be decoded until the next one.
    NonIdrStart,
    /// So many of a thousand RTP packets are lost.
    Loss { per_mille: u32 },
    /// Parameter sets of another resolution, in the SDP and in the stream from the next key frame on.
    WrongSps,
    /// Parameter sets of another resolution in the SDP only; those in the stream are right.
    StaleSdp,
    /// Three quarters of the resolution from the next key frame on.
    Resize,
    /// Nothing for so long, then all of it at once; then as usual.
    ReplayBurst { seconds: u32 },
    /// The camera's clock jumps: the NTP time of sender reports, with `media` the RTP timestamps too.
    ClockStep { seconds: i64, media: bool },
    /// SETUP is answered so late.
    SlowSetup { seconds: u32 },
    /// 401, whatever the credentials.
    Unauthorised,
    /// 461 to a SETUP over TCP.
    UdpOnly,
    /// Key frames this far apart, from the next one on.
    SparseKeys { gop_s: u32 },
}

/// Longest backlog of [`Fault::ReplayBurst`]: what a client's queue holds beside its usual content.
pub(super) const BURST_MAX_S: u32 = 15;
/// Longest interval of [`Fault::SparseKeys`]: it is encoded beforehand.
const SPARSE_MAX_S: u32 = 120;

impl Fault {
    /// What would break the promise of bounded memory is refused.
    pub(super) fn check(self) -> Result<Self, String> {
        let wanted = |what: &str, low: u32, high: u32, found: u32| {
            if (low..=high).contains(&found) { Ok(self) } else { Err(format!("{what} is {found}, wanted {low} to {high}")) }
        };
        match self {
            Self::Loss { per_mille } => wanted("the loss per mille", 1, 1000, per_mille),
            Self::ReplayBurst { seconds } => wanted("the length of the burst in seconds", 1, BURST_MAX_S, seconds),
            Self::SparseKeys { gop_s } => wanted("the interval of key frames in seconds", 1, SPARSE_MAX_S, gop_s),
            _ => Ok(self),
        }
    }

    /// What a session cannot outlive or must learn at its start.
    pub(super) fn cuts_sessions(self) -> bool {
        matches!(self, Self::Down)
    }
}

/// The kinds by name, with the meaning of their value.
const KINDS: &str = "down, stall, freeze, black, covered, non-idr-start, loss=PER_MILLE, wrong-sps, stale-sdp, resize, replay-burst=SECONDS, \
                     clock-step=SECONDS, media-clock-step=SECONDS, slow-setup=SECONDS, unauthorised, udp-only, sparse-keys=SECONDS";

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let number = || -> Result<i64, String> {
            let value = value.ok_or_else(|| format!("{name} needs a value, e.g. {name}=5"))?;
            value.parse().map_err(|_| format!("the value of {name} is {value:?}, wanted a whole number"))
        };
        let positive = || u32::try_from(number()?).map_err(|_| format!("the value of {name} must not be negative"));
        let fault = match name {
            "loss" => Self::Loss { per_mille: positive()? },
            "replay-burst" => Self::ReplayBurst { seconds: positive()? },
            "clock-step" => Self::ClockStep { seconds: number()?, media: false },
            "media-clock-step" => Self::ClockStep { seconds: number()?, media: true },
            "slow-setup" => Self::SlowSetup { seconds: positive()? },
            "sparse-keys" => Self::SparseKeys { gop_s: positive()? },
            _ if value.is_some() => return Err(format!("{name:?} is no kind that takes a value; known are {KINDS}")),
            "down" => Self::Down,
            "stall" => Self::Stall,
            "freeze" => Self::Freeze,
            "black" => Self::Black,
            "covered" => Self::Covered,
            "non-idr-start" => Self::NonIdrStart,
            "wrong-sps" => Self::WrongSps,
            "stale-sdp" => Self::StaleSdp,
            "resize" => Self::Resize,
            "unauthorised" => Self::Unauthorised,
            "udp-only" => Self::UdpOnly,
            _ => return Err(format!("{name:?} is no kind of fault; known are {KINDS}")),
        };
        fault.check()
    }
}

/// Which cameras a fault befalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    All,
    /// Both ends included.
    Range(usize, usize),
}

/// A fault by the clock: `CAMERAS:KIND@START[+DURATION][/EVERY]`, seconds from the start of the street.
///
/// `3:down@20+5/25` takes camera 3 down at 20 s for 5 s, and again every 25 s; `0-7:loss=20@0` loses 2 % of the packets of cameras 0 to 7 from
/// the start on; `*:stall@60+10` stalls every camera once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultPlan {
    who: Who,
    pub fault: Fault,
    pub start: Duration,
    /// `None`: to the end.
    pub lasts: Option<Duration>,
    pub every: Option<Duration>,
}

impl FaultPlan {
    /// The cameras among `count` that it befalls.
    pub fn cameras(&self, count: usize) -> std::ops::Range<usize> {
        match self.who {
            Who::All => 0..count,
            Who::Range(first, last) => first.min(count)..(last + 1).min(count),
        }
    }

    /// The highest camera number it names.
    pub(super) fn highest(&self) -> Option<usize> {
        match self.who {
            Who::All => None,
            Who::Range(_, last) => Some(last),
        }
    }
}

impl FromStr for FaultPlan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let grammar = || format!("{text:?} is not CAMERAS:KIND@START[+DURATION][/EVERY], e.g. 3:down@20+5/25 or 0-7:loss=20@0");
        let (cameras, rest) = text.split_once(':').ok_or_else(grammar)?;
        let (kind, times) = rest.split_once('@').ok_or_else(grammar)?;
        let camera = |text: &str| text.parse::<usize>().map_err(|_| format!("{text:?} is no camera number; wanted 3, 0-7 or *"));
        let who = match cameras.split_once('-') {
            _ if cameras == "*" => Who::All,
            Some((first, last)) => Who::Range(camera(first)?, camera(last)?),
            None => Who::Range(camera(cameras)?, camera(cameras)?),
        };
        if matches!(who, Who::Range(first, last) if first > last) {
            return Err(format!("the cameras {cameras} run backwards"));
        }
        let (times, every) = times.split_once('/').map_or((times, None), |(times, every)| (times, Some(every)));
        let (start, lasts) = times.split_once('+').map_or((times, None), |(start, lasts)| (start, Some(lasts)));
        let seconds = |text: &str| -> Result<Duration, String> {
            let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            seconds.ok_or_else(|| format!("{text:?} is no number of seconds in {rest:?}"))
        };
        let plan = Self {
            who,
            fault: kind.parse()?,
            start: seconds(start)?,
            lasts: lasts.map(seconds).transpose()?,
            every: every.map(seconds).transpose()?,
        };
        match (plan.lasts, plan.every) {
            (None, Some(_)) => Err(format!("{text:?} comes again but never ends; give +DURATION before /EVERY")),
            (Some(lasts), Some(every)) if every <= lasts => {
                Err(format!("{text:?} lasts as long as it comes again; EVERY counts from start to start"))
            }
            _ => Ok(plan),
        }
    }
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.who {
            Who::All => write!(f, "*")?,
            Who::Range(first, last) if first == last => write!(f, "{first}")?,
            Who::Range(first, last) => write!(f, "{first}-{last}")?,
        }
        write!(f, ":{:?}@{}", self.fault, self.start.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, cameras: std::ops::Range<usize>, fault: Fault, start_s: f64, lasts_s: Option<f64>, every_s: Option<f64>) {
        let plan: FaultPlan = text.parse().expect(text);
        assert_eq!(plan.cameras(8), cameras, "{text}");
        let seconds = |s: Option<f64>| s.map(Duration::from_secs_f64);
        assert_eq!(
            (plan.fault, plan.start, plan.lasts, plan.every),
            (fault, Duration::from_secs_f64(start_s), seconds(lasts_s), seconds(every_s)),
            "{text}"
        );
    }

    #[test]
    fn plans_are_read() {
        check("3:down@20+5/25", 3..4, Fault::Down, 20.0, Some(5.0), Some(25.0));
        check("0-7:loss=20@0", 0..8, Fault::Loss { per_mille: 20 }, 0.0, None, None);
        check("*:media-clock-step=-3600@1.5+10", 0..8, Fault::ClockStep { seconds: -3600, media: true }, 1.5, Some(10.0), None);
        check("6-40:resize@1", 6..8, Fault::Resize, 1.0, None, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, told) in [
            ("down@20", "CAMERAS:KIND@START"),
            ("3:down", "CAMERAS:KIND@START"),
            ("x:down@1", "no camera number"),
            ("7-3:down@1", "backwards"),
            ("3:explode@1", "known are down, stall"),
            ("3:loss@1", "needs a value"),
            ("3:loss=2000@1", "wanted 1 to 1000"),
            ("3:down=1@1", "no kind that takes a value"),
            ("3:down@soon", "no number of seconds"),
            ("3:down@1/5", "never ends"),
            ("3:down@1+5/5", "from start to start"),
        ] {
            let error = text.parse::<FaultPlan>().expect_err(text);
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}

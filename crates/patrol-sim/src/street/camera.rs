//! One camera: which picture is sent when, under which fault, to whom.

use super::clip::Clip;
use super::code::BlockCode;
use super::fault::Fault;
use super::library::Library;
use super::rtp::{Burst, Packetiser};
use crate::error::SimError;
use crate::random::Dice;
use patrol_core::WallTime;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;

/// RTP clock of video.
const TICKS_PER_S: f64 = 90_000.0;
/// Sender reports come about so often, as RFC 3550 has it.
const REPORT_EVERY_S: f64 = 5.0;

/// What a session's writer is given.
pub(super) enum Out {
    Reply(Vec<u8>),
    Media(Arc<Burst>),
}

/// A session that plays, as its camera sees it.
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) queue: Sender<Out>,
    /// Bytes in `queue`.
    pub(super) queued: Arc<AtomicUsize>,
    pub(super) cut: Arc<Notify>,
}

/// What became of one tick.
#[derive(Default)]
pub(super) struct Tick {
    /// The picture that was sent.
    pub(super) sent: Option<SentPicture>,
    pub(super) lost_packets: u64,
    /// Clients cut because they did not read.
    pub(super) dropped_clients: u64,
    /// Bytes, to all clients together.
    pub(super) bytes: u64,
}

pub(super) struct SentPicture {
    /// What it says of itself, also where its pixels do not show it.
    pub(super) code: BlockCode,
    pub(super) key: bool,
    /// RTP packets of one client.
    pub(super) bytes: usize,
    /// Its place in the clip.
    pub(super) clip_frame: u32,
}

pub(super) struct Camera {
    index: usize,
    fps: f64,
    queue_bytes_max: usize,
    rtp: Packetiser,
    playing: Arc<Clip>,
    /// Takes over at the next key frame.
    next: Option<Arc<Clip>>,
    /// The next picture is this one of a new group, whatever comes now.
    jump_to: Option<usize>,
    group: usize,
    at: usize,
    /// Pictures since the start, and when the present group began.
    slot: u64,
    group_slot: u64,
    second_idr: bool,
    timestamp_start: u32,
    clock_offset: Duration,
    clock_is_behind: bool,
    fault: Option<Fault>,
    fault_slot: u64,
    frozen_code: Option<BlockCode>,
    /// Parameter sets that are wrong.
    wrong_sets: Option<Vec<Arc<[u8]>>>,
    /// Pictures that a replay burst holds back.
    backlog: Vec<Arc<Burst>>,
    report_due_slot: u64,
    clients: Vec<Client>,
    dice: Dice,
}

impl Camera {
    pub(super) fn new(index: usize, config: &super::StreetConfig, library: &Library) -> Result<Self, SimError> {
        let mut dice = Dice::new(config.seed, &format!("street camera {index}"));
        let playing = library.clip(index, None)?;
        let random = dice.seed();
        let rtp = Packetiser { codec: config.codec, ssrc: random as u32, sequence: (random >> 32) as u16, packets: 0, octets: 0 };
        // Cameras are at different places of their loop, so that key frames do not come all at once.
        let group = dice.whole(0, playing.gops.len() - 1);
        let at = dice.whole(0, playing.gops[group].len() - 1);
        Ok(Self {
            index,
            fps: config.fps,
            queue_bytes_max: config.queue_bytes_max(),
            rtp,
            playing,
            next: None,
            jump_to: None,
            group,
            at,
            slot: at as u64,
            group_slot: 0,
            second_idr: false,
            timestamp_start: (random >> 16) as u32,
            clock_offset: Duration::from_millis(config.clock_offset_ms.unsigned_abs()),
            clock_is_behind: config.clock_offset_ms < 0,
            fault: None,
            fault_slot: 0,
            frozen_code: None,
            wrong_sets: None,
            backlog: Vec::new(),
            report_due_slot: 0,
            clients: Vec::new(),
            dice,
        })
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.rtp.ssrc
    }

    pub(super) fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Replaces the fault in force. `library` has encoded before what is needed, or does it now.
    pub(super) fn set_fault(&mut self, fault: Option<Fault>, library: &Library) -> Result<(), SimError> {
        let target = library.clip(self.index, fault)?;
        self.wrong_sets = match fault {
            Some(Fault::WrongSps | Fault::StaleSdp) => Some(library.resized()?.sets.clone()),
            _ => None,
        };
        let blinding = |fault: Option<Fault>| matches!(fault, Some(Fault::Freeze | Fault::Black | Fault::Covered));
        if !Arc::ptr_eq(&target, self.next.as_ref().unwrap_or(&self.playing)) {
            self.next = Some(target);
        }
        // A blinded camera is blind at once, and sees again at once; after a stall nothing but a key frame helps.
        if blinding(fault) || blinding(self.fault) || self.fault == Some(Fault::Stall) {
            self.jump_to = Some(0);
        }
        if fault.is_some_and(Fault::cuts_sessions) {
            self.clients.drain(..).for_each(|client| client.cut.notify_one());
        }
        self.frozen_code = None;
        self.fault = fault;
        self.fault_slot = self.slot;
        self.report_due_slot = self.slot;
        Ok(())
    }

    /// Parameter sets as DESCRIBE tells them.
    pub(super) fn described_sets(&self) -> &[Arc<[u8]>] {
        self.wrong_sets.as_ref().unwrap_or(&self.playing.sets)
    }

    /// Takes up a client. Its first packet has the sequence number and the RTP time returned.
    pub(super) fn join(&mut self, client: Client) -> (u16, u32) {
        if self.clients.is_empty() {
            // Nobody watches: as most cameras do, begin with a key frame; or, when that is the fault, right behind one.
            let late = self.fault == Some(Fault::NonIdrStart);
            self.jump_to = Some(usize::from(late && self.playing.gops[0].len() > 1));
        }
        self.report_due_slot = self.slot;
        self.clients.push(client);
        let display =
            |group: usize, at: usize| self.playing.gops.get(group).and_then(|units| units.get(at)).map(|unit| u64::from(unit.display));
        let slot = match self.jump_to {
            Some(at) => self.slot.saturating_sub(at as u64) + display(0, at).unwrap_or(0),
            None => display(self.group, self.at).map_or(self.slot, |display| self.group_slot + display),
        };
        (self.rtp.sequence, self.timestamp(slot))
    }

    pub(super) fn leave(&mut self, id: u64) {
        self.clients.retain(|client| client.id != id);
    }

    fn timestamp(&self, slot: u64) -> u32 {
        let stepped = match self.fault {
            Some(Fault::ClockStep { seconds, media: true }) => seconds * TICKS_PER_S as i64,
            _ => 0,
        };
        let ticks = (slot as f64 * TICKS_PER_S / self.fps).round() as i64;
        self.timestamp_start.wrapping_add((ticks + stepped) as u32)
    }

    /// The camera's own clock, as sender reports tell it.
    fn ntp(&self, now: WallTime) -> WallTime {
        let now = if self.clock_is_behind { now - self.clock_offset } else { now + self.clock_offset };
        match self.fault {
            Some(Fault::ClockStep { seconds, .. }) => WallTime(now.0.saturating_add(seconds.saturating_mul(1_000_000_000))),
            _ => now,
        }
    }

    /// The time for one picture has come.
    pub(super) fn tick(&mut self, now: WallTime) -> Tick {
        let slot = self.slot;
        self.slot += 1;
        if let Some(at) = self.jump_to.take() {
            self.begin_group(slot.saturating_sub(at as u64), true);
            self.at = at;
        } else if self.at >= self.playing.gops[self.group].len() {
            self.begin_group(slot, false);
        }
        let at = self.at;
        self.at += 1;
        let mut tick = Tick::default();
        if self.clients.is_empty() {
            self.backlog.clear();
            return tick;
        }
        if matches!(self.fault, Some(Fault::Stall | Fault::Down)) {
            return tick;
        }
        if slot >= self.report_due_slot {
            // A picture that is taken now is shown by the decoder `reorder` pictures later.
            let report = self.rtp.sender_report(self.ntp(now), self.timestamp(slot + u64::from(self.playing.reorder)), "patrol-sim-street");
            self.report_due_slot = slot + (REPORT_EVERY_S * self.fps).round() as u64;
            self.deliver(&Arc::new(report), &mut tick);
        }
        let clip = Arc::clone(&self.playing);
        let unit = &clip.gops[self.group][at];
        let display_slot = self.group_slot + u64::from(unit.display);
        let age_pictures = (slot + u64::from(clip.reorder)).saturating_sub(display_slot);
        let captured = now - Duration::from_secs_f64(age_pictures as f64 / self.fps);
        let fresh =
            BlockCode { camera: self.index as u16, frame: display_slot as u32 & 0xFF_FFFF, unix_ms: (captured.0 / 1_000_000) as u64 };
        let code = if self.fault == Some(Fault::Freeze) { *self.frozen_code.get_or_insert(fresh) } else { fresh };
        let Some(variant) = unit.variant(self.second_idr) else { return tick };
        let mut nals: Vec<Arc<[u8]>> = Vec::with_capacity(variant.nals.len() + 4);
        if unit.key {
            let wrong = self.wrong_sets.as_ref().filter(|_| self.fault == Some(Fault::WrongSps));
            nals.extend_from_slice(wrong.unwrap_or(&clip.sets));
            self.second_idr = !self.second_idr;
        }
        if let (Some(head), Some(sets)) = (&variant.code, &clip.avc) {
            nals.push(head.with_code(sets, &code).into());
        }
        nals.extend_from_slice(&variant.nals);
        let per_mille = if let Some(Fault::Loss { per_mille }) = self.fault { per_mille } else { 0 };
        let timestamp = self.timestamp(display_slot);
        let dice = &mut self.dice;
        let lost = || {
            let lost = per_mille > 0 && dice.chance(per_mille as f32 / 1000.0);
            tick.lost_packets += u64::from(lost);
            lost
        };
        let burst = Arc::new(self.rtp.picture(&nals, timestamp, lost));
        tick.sent = Some(SentPicture { code, key: unit.key, bytes: burst.bytes.len(), clip_frame: unit.number });
        let held =
            matches!(self.fault, Some(Fault::ReplayBurst { seconds }) if slot < self.fault_slot + (f64::from(seconds) * self.fps) as u64);
        self.backlog.push(burst);
        if !held {
            for burst in std::mem::take(&mut self.backlog) {
                self.deliver(&burst, &mut tick);
            }
        }
        tick
    }

    /// `anew`: from the first group on.
    fn begin_group(&mut self, slot: u64, anew: bool) {
        let changed = self.next.take().map(|clip| self.playing = clip).is_some();
        self.group = if anew || changed { 0 } else { (self.group + 1) % self.playing.gops.len() };
        self.group_slot = slot;
        self.at = 0;
    }

    /// Puts `burst` into every client's queue; a client whose queue is full does not read and is cut.
    fn deliver(&mut self, burst: &Arc<Burst>, tick: &mut Tick) {
        let size = burst.bytes.len();
        let limit = self.queue_bytes_max;
        self.clients.retain(|client| {
            let queued = client.queued.fetch_add(size, Ordering::Relaxed);
            let taken = queued + size <= limit && client.queue.try_send(Out::Media(Arc::clone(burst))).is_ok();
            if taken {
                tick.bytes += size as u64;
            } else {
                tick.dropped_clients += 1;
                client.cut.notify_one();
            }
            taken
        });
    }
}

//! RTP: packets of H.264 (RFC 6184) and H.265 (RFC 7798), and RTCP sender reports (RFC 3550).

use super::clip::StreetCodec;
use patrol_core::WallTime;
use std::sync::Arc;

/// Largest RTP packet, header included.
const PACKET_MAX: usize = 1400;
const RTP_HEADER: usize = 12;
const PAYLOAD_MAX: usize = PACKET_MAX - RTP_HEADER;
/// `$`, channel, length (RFC 2326 §10.12).
pub(super) const FRAMING: usize = 4;
/// Dynamic payload type in the SDP.
pub(super) const PAYLOAD_TYPE: u8 = 96;
/// Packet types of RFC 6184 §5.2 and of RFC 7798 §4.4.3.
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const FU: u8 = 49;
const SENDER_REPORT: u8 = 200;
const SOURCE_DESCRIPTION: u8 = 202;
/// Seconds from 1900 to 1970.
const NTP_UNIX_S: i64 = 2_208_988_800;

/// Packets of one picture, or one RTCP packet, each framed for interleaving on channel 0 (RTP) or 1 (RTCP).
pub(super) struct Burst {
    pub(super) bytes: Vec<u8>,
    /// Where packets begin.
    pub(super) starts: Vec<usize>,
    pub(super) is_rtcp: bool,
}

impl Burst {
    /// The packets without their framing.
    pub(super) fn packets(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.starts.iter().skip(1).copied().chain([self.bytes.len()]);
        self.starts.iter().zip(ends).map(|(start, end)| &self.bytes[start + FRAMING..end])
    }
}

/// State of one RTP stream.
pub(super) struct Packetiser {
    pub(super) codec: StreetCodec,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) packets: u32,
    pub(super) octets: u32,
}

impl Packetiser {
    /// Packets of the NAL units of one picture; `lost` is asked for each packet whether it never arrives.
    pub(super) fn picture(&mut self, nals: &[Arc<[u8]>], timestamp: u32, mut lost: impl FnMut() -> bool) -> Burst {
        let payload = nals.iter().map(|nal| nal.len() + 32).sum::<usize>();
        let mut burst = Burst { bytes: Vec::with_capacity(payload + payload / 40 + 64), starts: Vec::new(), is_rtcp: false };
        let mut at = 0;
        while at < nals.len() {
            let together = self.aggregated(&nals[at..]);
            let last = at + together == nals.len();
            match (&nals[at..at + together], self.codec) {
                ([nal], _) if nal.len() <= PAYLOAD_MAX => self.packet(&mut burst, timestamp, last, &mut lost, &[nal]),
                ([nal], StreetCodec::H264) => {
                    let chunks = nal[1..].chunks(PAYLOAD_MAX - 2);
                    let count = chunks.len();
                    for (number, chunk) in chunks.enumerate() {
                        let ends = u8::from(number == 0) << 7 | u8::from(number + 1 == count) << 6;
                        let head = [nal[0] & 0xE0 | FU_A, ends | nal[0] & 0x1F];
                        self.packet(&mut burst, timestamp, last && number + 1 == count, &mut lost, &[&head, chunk]);
                    }
                }
                ([nal], StreetCodec::H265) => {
                    let chunks = nal[2..].chunks(PAYLOAD_MAX - 3);
                    let count = chunks.len();
                    for (number, chunk) in chunks.enumerate() {
                        let ends = u8::from(number == 0) << 7 | u8::from(number + 1 == count) << 6;
                        let head = [nal[0] & 0x81 | FU << 1, nal[1], ends | nal[0] >> 1 & 0x3F];
                        self.packet(&mut burst, timestamp, last && number + 1 == count, &mut lost, &[&head, chunk]);
                    }
                }
                (several, _) => {
                    // STAP-A with the highest importance of its units.
                    let importance = several.iter().map(|nal| nal[0] & 0x60).max().unwrap_or(0);
                    let mut body = vec![importance | STAP_A];
                    for nal in several {
                        body.extend_from_slice(&(nal.len() as u16).to_be_bytes());
                        body.extend_from_slice(nal);
                    }
                    self.packet(&mut burst, timestamp, last, &mut lost, &[&body]);
                }
            }
            at += together;
        }
        burst
    }

    /// How many units go into the next packet.
    fn aggregated(&self, nals: &[Arc<[u8]>]) -> usize {
        if self.codec == StreetCodec::H265 {
            return 1;
        }
        let mut size = 1;
        let fitting = nals.iter().take_while(|nal| {
            size += 2 + nal.len();
            size <= PAYLOAD_MAX
        });
        fitting.count().max(1)
    }

    fn packet(&mut self, burst: &mut Burst, timestamp: u32, marker: bool, lost: &mut impl FnMut() -> bool, parts: &[&[u8]]) {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        if lost() {
            return;
        }
        let payload: usize = parts.iter().map(|part| part.len()).sum();
        burst.starts.push(burst.bytes.len());
        let out = &mut burst.bytes;
        out.extend_from_slice(&[b'$', 0]);
        out.extend_from_slice(&((RTP_HEADER + payload) as u16).to_be_bytes());
        out.extend_from_slice(&[0x80, u8::from(marker) << 7 | PAYLOAD_TYPE]);
        out.extend_from_slice(&sequence.to_be_bytes());
        out.extend_from_slice(&timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        for part in parts {
            out.extend_from_slice(part);
        }
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload as u32);
    }

    /// A sender report and a name: RTP time `timestamp` is `ntp`.
    pub(super) fn sender_report(&self, ntp: WallTime, timestamp: u32, name: &str) -> Burst {
        let seconds = (ntp.unix_secs() + NTP_UNIX_S) as u32;
        let fraction = (((ntp.0.rem_euclid(1_000_000_000)) as u64) << 32) / 1_000_000_000;
        let mut bytes = vec![b'$', 1, 0, 0, 0x80, SENDER_REPORT, 0, 6];
        for word in [self.ssrc, seconds, fraction as u32, timestamp, self.packets, self.octets] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        let name = &name.as_bytes()[..name.len().min(200)];
        // SSRC, CNAME item, its end, padding to whole words (§6.5).
        let mut chunk = self.ssrc.to_be_bytes().to_vec();
        chunk.extend_from_slice(&[1, name.len() as u8]);
        chunk.extend_from_slice(name);
        chunk.push(0);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(&[0x81, SOURCE_DESCRIPTION]);
        bytes.extend_from_slice(&((chunk.len() / 4) as u16).to_be_bytes());
        bytes.extend_from_slice(&chunk);
        let length = ((bytes.len() - FRAMING) as u16).to_be_bytes();
        bytes[2..4].copy_from_slice(&length);
        Burst { bytes, starts: vec![0], is_rtcp: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packetiser(codec: StreetCodec) -> Packetiser {
        Packetiser { codec, ssrc: 7, sequence: 65_534, packets: 0, octets: 0 }
    }

    #[test]
    fn small_units_travel_together_and_large_ones_in_pieces() {
        let nal = |header: u8, size: usize| -> Arc<[u8]> { (0..size).map(|at| if at == 0 { header } else { at as u8 }).collect() };
        let nals = [nal(0x67, 20), nal(0x68, 5), nal(0x65, 100), nal(0x65, 4000), nal(0x65, 1388)];
        let mut rtp = packetiser(StreetCodec::H264);
        let burst = rtp.picture(&nals, 90_000, || false);
        let packets: Vec<_> = burst.packets().collect();
        assert_eq!(packets.len(), 5);
        assert!(packets.iter().all(|packet| packet.len() <= PACKET_MAX));
        let sequence = |packet: &[u8]| u16::from_be_bytes([packet[2], packet[3]]);
        assert_eq!(packets.iter().map(|p| sequence(p)).collect::<Vec<_>>(), [65_534, 65_535, 0, 1, 2]);
        assert_eq!(packets.iter().map(|p| p[1] >> 7).collect::<Vec<_>>(), [0, 0, 0, 0, 1]);
        assert_eq!(packets.iter().map(|p| p[12] & 31).collect::<Vec<_>>(), [24, 28, 28, 28, 5]);
        assert_eq!(packets[1..4].iter().map(|p| p[13]).collect::<Vec<_>>(), [0x85, 0x05, 0x45]);
        let whole: Vec<u8> = packets[1..4].iter().flat_map(|p| &p[14..]).copied().collect();
        assert_eq!(whole, nals[3][1..]);
        assert_eq!((rtp.packets, rtp.sequence), (5, 3));
    }

    #[test]
    fn a_sender_report_tells_the_time() {
        let report = packetiser(StreetCodec::H265).sender_report(WallTime(1_500_000_000), 1234, "cam");
        let packet: Vec<u8> = report.packets().flatten().copied().collect();
        assert_eq!(packet[1], SENDER_REPORT);
        assert_eq!(packet[8..12], (2_208_988_801u32).to_be_bytes());
        assert_eq!(packet[12..16], (1u32 << 31).to_be_bytes());
        assert_eq!(packet[16..20], 1234u32.to_be_bytes());
        assert_eq!(packet.len() % 4, 0);
    }
}

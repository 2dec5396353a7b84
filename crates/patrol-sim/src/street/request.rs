//! What clients say: RTSP requests (RFC 2326) and the frames they interleave.

/// Longest head and longest body of a request: more is no RTSP client.
const HEAD_MAX: usize = 16 * 1024;
const BODY_MAX: usize = 64 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) url: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The camera number of `rtsp://host:port/cam/007[/…]`.
    pub(super) fn camera(&self) -> Option<usize> {
        let path = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        let number = path.trim_start_matches('/').strip_prefix("cam/")?.split(['/', '?']).next()?;
        number.parse().ok()
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Request(Request),
    /// RTCP, in general.
    Interleaved,
}

/// Takes the first complete thing out of `bytes`; `Ok(None)`: more is needed. `Err`: this is no RTSP.
pub(super) fn take(bytes: &mut Vec<u8>) -> Result<Option<Said>, &'static str> {
    if let [b'$', _, high, low, ..] = bytes[..] {
        let end = 4 + usize::from(u16::from_be_bytes([high, low]));
        return Ok((bytes.len() >= end).then(|| {
            bytes.drain(..end);
            Said::Interleaved
        }));
    }
    if bytes.first() == Some(&b'$') {
        return Ok(None);
    }
    let Some(head_end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > HEAD_MAX { Err("the request's head is too long") } else { Ok(None) };
    };
    let head = std::str::from_utf8(&bytes[..head_end]).map_err(|_| "the request's head is no text")?;
    let mut lines = head.trim_start_matches("\r\n").split("\r\n");
    let mut first = lines.next().unwrap_or("").split(' ');
    let (Some(method), Some(url), Some("RTSP/1.0")) = (first.next(), first.next(), first.next()) else {
        return Err("the request does not begin with METHOD URL RTSP/1.0");
    };
    let headers: Vec<_> =
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
    let request = Request { method: method.into(), url: url.into(), headers };
    let body = request.header("Content-Length").map_or(Ok(0), str::parse).map_err(|_| "Content-Length is no number")?;
    if body > BODY_MAX {
        return Err("the request's body is too long");
    }
    let end = head_end + 4 + body;
    if bytes.len() < end {
        return Ok(None);
    }
    bytes.drain(..end);
    Ok(Some(Said::Request(request)))
}

/// How media is to travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp {
        channel: u8,
    },
    /// RTP port of the client; RTCP goes to the one given beside it.
    Udp {
        rtp: u16,
        rtcp: u16,
    },
}

/// The first offer of a Transport header that is served here.
pub(super) fn transport(header: &str, allow_tcp: bool) -> Option<Transport> {
    let pair = |value: &str| -> Option<(u16, u16)> {
        let (first, second) = value.split_once('-').map_or((value, None), |(first, second)| (first, Some(second)));
        let first = first.parse::<u16>().ok()?;
        Some((first, second.map_or(first.checked_add(1), |second| second.parse().ok())?))
    };
    header.split(',').find_map(|offer| {
        let mut parts = offer.trim().split(';');
        let profile = parts.next()?;
        let parts: Vec<_> = parts.collect();
        let value = |name: &str| parts.iter().find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        if parts.iter().any(|part| part.trim() == "multicast") {
            return None;
        }
        match profile {
            "RTP/AVP/TCP" if allow_tcp => {
                let (channel, _) = value("interleaved").map_or(Some((0, 1)), pair)?;
                Some(Transport::Tcp { channel: u8::try_from(channel).ok()? })
            }
            "RTP/AVP" | "RTP/AVP/UDP" => {
                let (rtp, rtcp) = pair(value("client_port")?)?;
                Some(Transport::Udp { rtp, rtcp })
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_taken_one_by_one_from_pieces() {
        let mut bytes = b"SETUP rtsp://127.0.0.1:8554/cam/012/trackID=0 RTSP/1.0\r\nCSeq: 3\r\ntransport: x\r\n\r\n$\x01\x00\x03abcSET_PARAMETER rtsp://h/cam/1 RTSP/1.0\r\nContent-Length: 4\r\n\r\nbo".to_vec();
        let Ok(Some(Said::Request(first))) = take(&mut bytes) else { panic!("a request") };
        assert_eq!((first.method.as_str(), first.camera(), first.header("Transport")), ("SETUP", Some(12), Some("x")));
        assert_eq!(take(&mut bytes), Ok(Some(Said::Interleaved)));
        assert_eq!(take(&mut bytes), Ok(None));
        bytes.extend_from_slice(b"dyOPTIONS");
        let Ok(Some(Said::Request(second))) = take(&mut bytes) else { panic!("a request") };
        assert_eq!((second.method.as_str(), second.camera()), ("SET_PARAMETER", Some(1)));
        assert_eq!(take(&mut bytes), Ok(None));
        assert_eq!(bytes, b"OPTIONS");
    }

    #[test]
    fn what_is_no_rtsp_is_refused() {
        assert!(take(&mut b"GET / HTTP/1.1\r\n\r\n".to_vec()).is_err());
        assert!(take(&mut vec![b'x'; HEAD_MAX + 1]).is_err());
        assert!(take(&mut b"OPTIONS * RTSP/1.0\r\nContent-Length: 99999999\r\n\r\n".to_vec()).is_err());
        assert!(take(&mut vec![0xFF, b'\r', b'\n', b'\r', b'\n']).is_err());
    }

    #[test]
    fn the_first_transport_that_is_served_is_taken() {
        let both = "RTP/AVP/TCP;unicast;interleaved=2-3,RTP/AVP;unicast;client_port=5000-5001";
        assert_eq!(transport(both, true), Some(Transport::Tcp { channel: 2 }));
        assert_eq!(transport(both, false), Some(Transport::Udp { rtp: 5000, rtcp: 5001 }));
        assert_eq!(transport("RTP/AVP/TCP", true), Some(Transport::Tcp { channel: 0 }));
        assert_eq!(transport("RTP/AVP;multicast", true), None);
        assert_eq!(transport("RTP/SAVP/TCP;interleaved=0-1", true), None);
    }
}

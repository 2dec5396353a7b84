//! HTTP as it comes over the wire: bodies of bytes, and streams read as they come.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any answer takes, keep-alives of streams (15 s) included.
const PATIENCE: Duration = Duration::from_secs(20);

/// The body of a `GET`, whatever it is.
pub(super) fn fetch(address: SocketAddr, path: &str) -> (u16, Vec<u8>) {
    let mut opened = Opened::get(address, path).expect("the console answers");
    let mut body = Vec::new();
    while let Some(bytes) = opened.next() {
        body.extend(bytes);
    }
    (opened.status, body)
}

/// An answer whose body is still to come.
pub(super) struct Opened {
    pub(super) status: u16,
    reader: BufReader<TcpStream>,
    body: Body,
}

enum Body {
    Chunked,
    /// Bytes left.
    Sized(usize),
}

impl Opened {
    pub(super) fn get(address: SocketAddr, path: &str) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        (&stream).write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let status = line.split_whitespace().nth(1)?.parse().ok()?;
        let mut body = Body::Sized(0);
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                return Some(Self { status, reader, body });
            }
            match header.split_once(": ") {
                Some(("content-length", length)) => body = Body::Sized(length.parse().ok()?),
                Some(("transfer-encoding", "chunked")) => body = Body::Chunked,
                _ => {}
            }
        }
    }

    /// The next piece, as the server sent it; `None` at the end, or when the server is gone.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let length = match &mut self.body {
            Body::Sized(left) => std::mem::take(left),
            Body::Chunked => {
                let mut size = String::new();
                self.reader.read_line(&mut size).ok()?;
                usize::from_str_radix(size.trim(), 16).ok()?
            }
        };
        if length == 0 {
            return None;
        }
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).ok()?;
        if matches!(self.body, Body::Chunked) {
            self.reader.read_exact(&mut [0; 2]).ok()?;
        }
        Some(bytes)
    }
}

//! The door for callbacks. Anybody in the city's network may knock, before any signature is read: few connections are open at a time, none lasts long, and
//! nobody holds up the end.

use axum::Router;
use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Sleep};

/// Connections at a time; more wait in the system's queue. A city that tells of every case sends a few callbacks a second over one or two.
const CONNECTIONS_MAX: usize = 64;
/// A connection over which nothing comes or goes for so long is closed. An answer waits up to 10 s for the desk.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// No connection lasts longer, however slowly it drips; a sender that keeps its connection opens another.
const LIFE_MAX: Duration = Duration::from_mins(5);
/// How long open requests may take to end after `stop`.
const DRAIN: Duration = Duration::from_secs(5);

/// Answers callbacks until `stop` turns true or its sender is gone, and a few seconds longer those that are being answered.
///
/// # Errors
/// When the listener breaks for good.
pub async fn serve_callbacks(listener: TcpListener, router: Router, stop: watch::Receiver<bool>) -> io::Result<()> {
    serve(Door::new(listener, IDLE_MAX), router, stop, DRAIN).await
}

async fn serve(door: Door, router: Router, mut stop: watch::Receiver<bool>, drain: Duration) -> io::Result<()> {
    let mut deadline = stop.clone();
    let ended = async move {
        // An ended sender means the same as `true`.
        stop.wait_for(|stop| *stop).await.ok();
    };
    let overdue = async move {
        deadline.wait_for(|stop| *stop).await.ok();
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        served = async { axum::serve(door, router).with_graceful_shutdown(ended).await } => served,
        () = overdue => {
            tracing::warn!(drain_s = drain.as_secs(), "connections for callbacks cut off");
            Ok(())
        }
    }
}

struct Door {
    listener: TcpListener,
    free: Arc<Semaphore>,
    idle_max: Duration,
}

impl Door {
    fn new(listener: TcpListener, idle_max: Duration) -> Self {
        Self { listener, free: Arc::new(Semaphore::new(CONNECTIONS_MAX)), idle_max }
    }
}

impl Listener for Door {
    type Io = Visitor;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visitor, SocketAddr) {
        // The semaphore is never closed.
        let place = Arc::clone(&self.free).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let now = Instant::now();
        let idle = Box::pin(tokio::time::sleep_until(now + self.idle_max));
        (Visitor { stream, idle, idle_max: self.idle_max, ends: now + LIFE_MAX, _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection, which ends by itself when nothing moves on it, or after [`LIFE_MAX`].
struct Visitor {
    stream: TcpStream,
    idle: Pin<Box<Sleep>>,
    idle_max: Duration,
    ends: Instant,
    _place: Option<OwnedSemaphorePermit>,
}

impl Visitor {
    /// What `moved` gave, or an error once nothing has for too long.
    fn within<T>(&mut self, context: &mut Context<'_>, moved: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match moved {
            Poll::Pending => {
                ready!(self.idle.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            moved @ Poll::Ready(_) => {
                let next = (Instant::now() + self.idle_max).min(self.ends);
                self.idle.as_mut().reset(next);
                moved
            }
        }
    }
}

impl AsyncRead for Visitor {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.within(context, moved)
    }
}

impl AsyncWrite for Visitor {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within(context, moved)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream as Line;

    const SOON: Duration = Duration::from_millis(50);

    struct Open {
        address: SocketAddr,
        stop: watch::Sender<bool>,
        serving: tokio::task::JoinHandle<io::Result<()>>,
    }

    async fn open(idle_max: Duration) -> Open {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/", axum::routing::post(|body: String| async move { body }));
        let (stop, stopped) = watch::channel(false);
        Open { address, stop, serving: tokio::spawn(serve(Door::new(listener, idle_max), router, stopped, SOON)) }
    }

    /// A line on which `bytes` were sent.
    fn knock(address: SocketAddr, bytes: &str) -> Line {
        let mut line = Line::connect(address).expect("a connection");
        line.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        line.write_all(bytes.as_bytes()).expect("sent");
        line
    }

    async fn heard(mut line: Line) -> String {
        let read = move || {
            let mut text = String::new();
            line.read_to_string(&mut text).map(|_| text).expect("closed in time")
        };
        tokio::task::spawn_blocking(read).await.expect("heard")
    }

    const WHOLE: &str = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

    #[tokio::test]
    async fn half_a_request_is_closed_and_gives_its_place_back() {
        let open = open(SOON).await;
        let halves: Vec<Line> =
            (0..CONNECTIONS_MAX).map(|n| knock(open.address, if n % 2 == 0 { "POST / HT" } else { &WHOLE[..67] })).collect();
        assert!(heard(knock(open.address, WHOLE)).await.ends_with("\r\nok"), "whoever comes after them is heard");
        for line in halves {
            assert!(!heard(line).await.contains("200"), "nothing was asked");
        }
    }

    #[tokio::test]
    async fn nobody_who_is_silent_holds_up_the_end() {
        let open = open(Duration::from_hours(1)).await;
        let silent = knock(open.address, &WHOLE[..67]);
        assert!(heard(knock(open.address, WHOLE)).await.ends_with("\r\nok"));
        open.stop.send(true).expect("a door");
        open.serving.await.expect("ended").expect("no error");
        drop(silent);
    }
}

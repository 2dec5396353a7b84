"""Cameras that are not ours: GStreamer's own RTSP server, with one kind of stream on each mount.

    python3 serve.py [VIDEOS]

Needs Debian's python3-gi and gir1.2-gst-rtsp-server-1.0. Prints one JSON object a line: first the ports, then what clients ask for
(`play`, `teardown`). Ends when its standard input does.

Generated streams: 15 pictures a second of 256 x 144, each with its number in the upper 16 rows as 16 cells of 16 x 16 pixels, white is 1, most
significant first; the 16 rows below hold the complement.
"""

import json
import socket
import sys
import threading
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

WIDTH, HEIGHT, FPS = 256, 144, 15
CELL = 16
# Announced on the mounts named `patience-…`; a client that does not keep its session alive loses it.
SESSION_TIMEOUT_S = 10
ENDS_AFTER = 6 * FPS
USER, PASSWORD = "admin", "geheim"

RAW = "appsrc name=source is-live=true format=time ! videoconvert"
X264 = "x264enc threads=1 pass=qual quantizer=26 rc-lookahead=0 sync-lookahead=0 mb-tree=false b-adapt=false"
X265 = "x265enc key-int-max=30 option-string=pools=1:frame-threads=1:rc-lookahead=5:log-level=none"
H264 = "rtph264pay config-interval=-1"
# Without it the encoder chooses the baseline, which has neither B pictures nor fields.
HIGH = "video/x-h264,profile=high"
H265 = "rtph265pay config-interval=-1"
PLAIN = f"{RAW} ! {X264} bframes=0 key-int-max=30 ! {H264} name=pay0 pt=96"

MOUNTS = {
    "baseline": f"{RAW} ! {X264} bframes=0 key-int-max=30 ! video/x-h264,profile=constrained-baseline ! {H264} name=pay0 pt=96",
    "b-pictures": f"{RAW} ! {X264} bframes=3 b-pyramid=true key-int-max=30 ! {HIGH} ! {H264} name=pay0 pt=96",
    "h265-b-pictures": f"{RAW} ! {X265}:bframes=3:b-adapt=0 ! {H265} name=pay0 pt=96",
    "h265-422-10": f"{RAW} ! video/x-raw,format=I422_10LE ! {X265}:bframes=0 ! {H265} name=pay0 pt=96",
    "intra-refresh": f"{RAW} ! {X264} bframes=0 intra-refresh=true key-int-max=30 ! {H264} name=pay0 pt=96",
    "open-gop": f"{RAW} ! {X264} bframes=2 key-int-max=30 option-string=open-gop=1 ! {HIGH} ! {H264} name=pay0 pt=96",
    "slices": f"{RAW} ! {X264} bframes=0 key-int-max=30 option-string=slices=6 ! {H264} mtu=600 aggregate-mode=zero-latency name=pay0 pt=96",
    # Only pictures said to be made of fields are encoded as such.
    "interlaced": f"{RAW} ! video/x-raw,format=I420,interlace-mode=progressive ! capssetter caps=video/x-raw,interlace-mode=interleaved ! {X264} bframes=0 key-int-max=30 ! {HIGH} ! {H264} name=pay0 pt=96",
    "audio-first": f"audiotestsrc is-live=true wave=silence ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay0 pt=8 "
    f"{PLAIN.replace('pay0', 'pay1').replace('pt=96', 'pt=97')}",
    "two-videos": f"{PLAIN} videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=5/1 ! {X264} key-int-max=10 ! {H264} name=pay1 pt=97",
    "mjpeg": f"{RAW} ! jpegenc ! rtpjpegpay name=pay0 pt=26",
    "udp": PLAIN,
    "patience-udp": PLAIN,
    "patience-tcp": PLAIN,
    "ends": PLAIN,
}
TRANSPORTS = {"udp": GstRtsp.RTSPLowerTrans.UDP, "patience-udp": GstRtsp.RTSPLowerTrans.UDP, "patience-tcp": GstRtsp.RTSPLowerTrans.TCP}
# Named so by where they lie below VIDEOS.
FILES = {"people": "one-by-one-person-detection.mp4", "cars": "car-detection.mp4"}


TELLING = threading.Lock()


def tell(**what):
    # Lines of several threads must not mix.
    with TELLING:
        print(json.dumps(what), flush=True)


class Pictures:
    """Gives a pipeline's `source` its numbered pictures, in step with the clock, until the pipeline is gone."""

    ground = bytes(40 + abs(x % 128 - 64) for x in range(WIDTH + 256))

    def __init__(self, source, ends_after):
        self.source, self.ends_after = source, ends_after
        caps = f"video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={FPS}/1"
        source.set_property("caps", Gst.Caps.from_string(caps))
        threading.Thread(target=self.run, name="pictures", daemon=True).start()

    def run(self):
        began = time.monotonic()
        for number in range(1 << 16):
            if number == self.ends_after:
                self.source.emit("end-of-stream")
                return
            time.sleep(max(0.0, began + number / FPS - time.monotonic()))
            buffer = Gst.Buffer.new_wrapped(self.picture(number))
            buffer.pts = number * Gst.SECOND // FPS
            buffer.duration = Gst.SECOND // FPS
            if self.source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return

    def picture(self, number):
        cells = [number >> (15 - cell) & 1 for cell in range(16)]
        code = b"".join((b"\xeb" if bit else b"\x10") * CELL for bit in cells) * CELL
        complement = b"".join((b"\x10" if bit else b"\xeb") * CELL for bit in cells) * CELL
        # What lies below moves by 2 pixels a picture, half of it the other way.
        there, back = (number * 2) % 128, 128 - (number * 2) % 128
        rows = [self.ground[shift : shift + WIDTH] for shift in (there, back)]
        scene = b"".join(rows[row // 28 % 2] for row in range(HEIGHT - 2 * CELL))
        return code + complement + scene + b"\x80" * (WIDTH * HEIGHT // 2)


def factory(launch, transport=None, ends_after=None, shared=True):
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(f"( {launch} )")
    made.set_shared(shared)
    if transport is not None:
        made.set_protocols(transport)

    def configure(_, media):
        source = media.get_element().get_by_name("source")
        if source is not None:
            Pictures(source, ends_after)

    made.connect("media-configure", configure)
    return made


def server(mounts, auth=None):
    made = GstRtspServer.RTSPServer()
    made.set_address("127.0.0.1")
    made.set_service("0")
    for name, factory_ in mounts.items():
        made.get_mount_points().add_factory(f"/{name}", factory_)
    if auth is not None:
        made.set_auth(auth)

    def path(context):
        return context.uri.abspath.strip("/").split("/")[0]

    def connected(_, client):
        client.connect("new-session", lambda _, session: session.set_timeout(SESSION_TIMEOUT_S))
        client.connect("play-request", lambda _, context: tell(event="play", mount=path(context)))
        client.connect("teardown-request", lambda _, context: tell(event="teardown", mount=path(context)))

    made.connect("client-connected", connected)
    made.attach(None)

    def expire():
        made.get_session_pool().cleanup()
        return True

    GLib.timeout_add_seconds(1, expire)
    return made


def guarded(method):
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(method)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if method == GstRtsp.RTSPAuthMethod.DIGEST:
        auth.add_digest(USER, PASSWORD, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(USER, PASSWORD), token)
    made = factory(PLAIN)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    made.set_permissions(permissions)
    return server({"guarded": made}, auth)


def without_rtp_info(port):
    """A way to the server at `port` that takes the RTP-Info out of its answers, as cameras that send none."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source, sink, edit):
        while data := source.recv(65536):
            start = data.find(b"RTP-Info:") if edit else -1
            if start >= 0:
                end = data.index(b"\r\n", start) + 2
                data = data[:start] + data[end:]
                tell(event="cut", what="RTP-Info")
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    def accept():
        while True:
            client, _ = listener.accept()
            there = socket.create_connection(("127.0.0.1", port))
            for way in ((client, there, False), (there, client, True)):
                threading.Thread(target=pump, args=way, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def main():
    Gst.init(None)
    loop = GLib.MainLoop()
    mounts = {
        name: factory(launch, TRANSPORTS.get(name), ENDS_AFTER if name == "ends" else None, shared=name != "ends") for name, launch in MOUNTS.items()
    }
    for name, file in FILES.items():
        path = Path(sys.argv[1]) / file if len(sys.argv) > 1 else None
        if path is not None and path.is_file():
            # As it lies there: nothing is encoded again. Every session begins at the beginning.
            mounts[name] = factory(f"filesrc location={path} ! qtdemux ! h264parse ! {H264} name=pay0 pt=96", shared=False)
    plain, basic = server(mounts), guarded(GstRtsp.RTSPAuthMethod.BASIC)
    digest = guarded(GstRtsp.RTSPAuthMethod.DIGEST)
    bare = without_rtp_info(plain.get_bound_port())
    tell(plain=plain.get_bound_port(), basic=basic.get_bound_port(), digest=digest.get_bound_port(), bare=bare)

    def wait_for_end():
        sys.stdin.read()
        loop.quit()

    threading.Thread(target=wait_for_end, daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()

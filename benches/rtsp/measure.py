"""What it costs to take in many RTSP cameras, without decoding: our client beside GStreamer's and FFmpeg's.

    cargo build -p patrol && cargo build --example net_only -p patrol-ingest
    python benches/rtsp/measure.py [--cameras 50] [--size 640x512] [--kbps 500] [--fps 15] [--seconds 20] [--target target/debug]

The server is `patrol sim street`, a process of its own that is not counted. Each client plays all cameras over TCP; the user and system time of its
processes (/proc/PID/stat) is taken over the same number of seconds after all sessions play. On loopback much of the work of TCP falls to the sender:
a real network card costs the receiver more, and each client the same.

    ours       examples/net_only: sessions, access units, rings; nothing is taken out; one process
    gstreamer  gst-launch-1.0 rtspsrc ! rtph264depay ! h264parse ! fakesink, for each camera; one process
    ffmpeg     ffmpeg -c copy -f null; one process a camera, since it opens its inputs one after the other
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# rtspsrc and ffmpeg do not say when all of their sessions play; whether they do is seen from the packets on the loopback.
SETTLE_S = {"ours": 3, "gstreamer": 10, "ffmpeg": 15}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def status(pid: int, key: str) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1])


def received_packets() -> int:
    return int(Path("/proc/net/dev").read_text().split("lo:")[1].split()[1])


def busy_s() -> float:
    """CPU time of the whole machine."""
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) * TICK_S


def commands(client: str, urls: list[str], target: Path, seconds: float) -> list[list[str]]:
    if client == "ours":
        return [[str(target / "examples/net_only"), str(seconds + SETTLE_S[client] + 5), *urls]]
    if client == "gstreamer":
        branch = "rtspsrc location={} protocols=tcp ! rtph264depay ! h264parse ! fakesink"
        return [["gst-launch-1.0", "-q", *" ".join(branch.format(url) for url in urls).split()]]
    return [["ffmpeg", "-nostdin", "-loglevel", "error", "-rtsp_transport", "tcp", "-i", url, "-c", "copy", "-f", "null", "-"] for url in urls]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=50)
    parser.add_argument("--size", default="640x512")
    parser.add_argument("--kbps", type=int, default=500)
    parser.add_argument("--fps", type=float, default=15)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--target", type=Path, default=Path("target/debug"))
    parser.add_argument("--clients", default="ours,gstreamer,ffmpeg")
    options = parser.parse_args()
    port = free_port()
    street = [options.target / "patrol", "sim", "street", "--listen", f"127.0.0.1:{port}", "--gop-s", "2"]
    for key in ("cameras", "size", "kbps", "fps"):
        street += [f"--{key}", str(getattr(options, key))]
    urls = [f"rtsp://127.0.0.1:{port}/cam/{number:03}" for number in range(options.cameras)]
    server = subprocess.Popen(street, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        # It tells its addresses when its clips are made.
        if not server.stdout.readline().startswith(b"rtsp://"):
            sys.exit("patrol sim street did not start")
        for client in options.clients.split(","):
            lines = commands(client, urls, options.target, options.seconds)
            runs = [subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) for line in lines]
            pids = [run.pid for run in runs]
            try:
                if client == "ours" and runs[0].stdout.readline() != b"ready\n":
                    sys.exit("net_only did not come to play")
                time.sleep(SETTLE_S[client])
                before, street_before, all_before, packets, at = sum(map(cpu_s, pids)), cpu_s(server.pid), busy_s(), received_packets(), time.monotonic()
                time.sleep(options.seconds)
                took = time.monotonic() - at
                if any(run.poll() is not None for run in runs):
                    print(f"{client}: ended early", file=sys.stderr)
                    continue
                own, of_street, of_all = sum(map(cpu_s, pids)) - before, cpu_s(server.pid) - street_before, busy_s() - all_before
                result = {
                    "client": client,
                    "cameras": options.cameras,
                    "size": options.size,
                    "kbps": options.kbps,
                    "fps": options.fps,
                    "core_percent": round(own / took * 100, 1),
                    "ms_per_camera_second": round(own / took / options.cameras * 1000, 3),
                    "threads": sum(status(pid, "Threads") for pid in pids),
                    "rss_mb": round(sum(status(pid, "VmRSS") for pid in pids) / 1024),
                    "loopback_packets_per_s": round((received_packets() - packets) / took),
                    "street_core_percent": round(of_street / took * 100, 1),
                    "other_core_percent": round((of_all - own - of_street) / took * 100, 1),
                }
                print(json.dumps(result), flush=True)
                if client == "ours":
                    print("   ", runs[0].stdout.read().decode().strip(), flush=True)
            finally:
                for run in runs:
                    run.kill()
                    run.wait()
    finally:
        server.terminate()
        server.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())

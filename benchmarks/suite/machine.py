"""What a result was measured on."""

import os
import platform
import re
import subprocess
import time
from pathlib import Path


def first_line(command):
    try:
        out = subprocess.run(command, capture_output=True, text=True, timeout=10)
        return (out.stdout + out.stderr).strip().splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return "not installed"


def processor():
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*: (.*)", text)
    return f"{name[1] if name else platform.machine()}, {os.cpu_count()} cores"


def describe(sluice):
    """Label and value, in the order in which they are shown."""
    system = re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())
    commit = first_line(["git", "-C", str(Path(__file__).parent), "log", "-1", "--format=%h of %cs"])
    build = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(sluice.stat().st_mtime))
    return [
        ("date", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())),
        ("processor", processor()),
        ("kernel", f"{platform.release()}, {system[1] if system else 'unknown'}"),
        ("TCP congestion control", Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()),
        ("load average at the start", " ".join(f"{x:.2f}" for x in os.getloadavg())),
        ("Sluice", f"binary built {build}, suite at {commit}"),
        ("nginx", first_line(["/usr/sbin/nginx", "-v"]).removeprefix("nginx version: ")),
        ("HAProxy", first_line(["/usr/sbin/haproxy", "-v"])),
        ("H2O", first_line(["h2o", "--version"]).removeprefix("h2o version ")),
        ("ngx_http_lua", first_line(["dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-http-lua"])),
        ("OpenSSL", first_line(["openssl", "version"])),
        ("wrk", first_line(["wrk", "-v"])),
        ("h2load", first_line(["h2load", "--version"])),
    ]

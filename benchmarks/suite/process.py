"""Starting, measuring and ending what a benchmark runs. Nothing is ended that was not started here."""

import atexit
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent
ROOT = BENCHMARKS.parent
TOOLS = BENCHMARKS / ".build"
OPEN_FILES = 16384


class Failure(Exception):
    """Something that the user has to put right, in one sentence."""


def build_tools():
    """Compiles the C programs whose source is newer than their binary."""
    TOOLS.mkdir(exist_ok=True)
    for source in BENCHMARKS.glob("*.c"):
        binary = TOOLS / source.stem
        if binary.exists() and binary.stat().st_mtime > source.stat().st_mtime:
            continue
        libraries = ["-lcrypto"] if source.stem == "tokens" else []
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O2", "-Wall", "-Wextra", "-o", binary, source, *libraries], check=True)


def require(*commands):
    """Says which of the commands are not installed."""
    missing = [command for command in commands if shutil.which(command) is None and not Path("/usr/sbin", command).exists()]
    if missing:
        raise Failure(f"not installed: {', '.join(missing)} (Debian packages of the same names)")


def sluice_binary(given):
    """The release build, or the binary that was named."""
    binary = Path(given).resolve() if given else ROOT / ".build/release/sluice"
    if not binary.exists():
        raise Failure(f"{binary} does not exist: run `make build` first, or name one with --sluice")
    return binary


def raise_file_limit(count=OPEN_FILES):
    """Lets this process and what it starts hold `count` descriptors each, where the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
            return
        except (ValueError, PermissionError):
            raise Failure(f"{count} open files are needed, the hard limit is {hard}: raise it (ulimit -Hn)") from None
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def scratch():
    """A folder that goes when the program ends."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-bench."))
    folder.chmod(0o755)  # nginx's workers run as another user
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class Process:
    """A program under test, in a process group of its own."""

    started = []

    def __init__(self, name, command, core=None, environment=None, folder=None, serves_itself=False):
        """`serves_itself`: it serves, and its children help."""
        self.name, self.serves_itself = name, serves_itself
        self.log = Path(folder or tempfile.gettempdir()) / f"{name}.log"
        cores = None if core is None else ({core} if isinstance(core, int) else set(core))

        def prepare():
            if cores:
                os.sched_setaffinity(0, cores)

        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=prepare,
                start_new_session=True, env={**os.environ, **(environment or {})})
        Process.started.append(self)

    def wait_until_listening(self, port, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.child.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise Failure(f"{self.name} does not listen on port {port}:\n" + self.log.read_text(errors="replace")[-2000:])

    def pids(self):
        """The processes that serve: the children, where the program has a master, else the program itself, with its helpers."""
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()
        own = [] if children and not self.serves_itself else [self.child.pid]
        return own + [int(child) for child in children]

    def cpu(self):
        """Nanoseconds of processor time, user and system, over all threads, as the scheduler counted them."""
        total = 0
        for pid in self.pids():
            for thread in Path(f"/proc/{pid}/task").iterdir():
                try:
                    total += int((thread / "schedstat").read_text().split()[0])
                except FileNotFoundError:
                    pass  # a thread that has just ended
        return total

    def user_share(self):
        """User and system ticks so far."""
        user = system = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            user, system = user + int(fields[11]), system + int(fields[12])
        return user, system

    def resident(self):
        """VmRSS in KiB, over the processes that serve."""
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        return total

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(3)
            except subprocess.TimeoutExpired:
                os.killpg(self.child.pid, signal.SIGKILL)
                self.child.wait()
        if self in Process.started:
            Process.started.remove(self)

    @staticmethod
    def stop_all():
        for process in list(Process.started):
            process.stop()


atexit.register(Process.stop_all)
signal.signal(signal.SIGTERM, lambda *_: exit(143))

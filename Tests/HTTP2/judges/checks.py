"""Checks by name, each a function that fails or does not, and what came of them."""

import shutil
import subprocess
import time
from pathlib import Path


class Failed(Exception):
    pass


def expect(is_so, what):
    if not is_so:
        raise Failed(what)


def run(command, seconds=60, **more):
    """What a program prints; that it fails is a failure."""
    done = subprocess.run([str(part) for part in command], capture_output=True, timeout=seconds, **more)
    expect(done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()[-200:]}")
    return done.stdout


def program(name):
    """Where it is, or None."""
    beside = Path("/usr/sbin", name)
    return shutil.which(name) or (str(beside) if beside.exists() else None)


class Checks:
    def __init__(self, case="", failures=()):
        """Only those whose name has `case`; `failures` are further exceptions that say that a check has failed."""
        self.case, self.passed, self.failed, self.left_out = case, 0, 0, 0
        self.failures = (Failed, subprocess.SubprocessError, OSError, ValueError, *failures)

    def check(self, name, action, needs=(), seconds=None):
        """`seconds`: how long it has taken elsewhere."""
        if self.case not in name:
            return
        missing = [one for one in needs if program(one) is None]
        if missing:
            return self.leave_out(name, f"no {', '.join(missing)}")
        begun = time.monotonic()
        try:
            action()
        except self.failures as problem:
            self.failed += 1
            print(f"FAILED    {name}: {type(problem).__name__ + ': ' if not isinstance(problem, Failed) else ''}{' '.join(str(problem).split())[:300]}", flush=True)
            return
        self.passed += 1
        print(f"passed    {name} ({time.monotonic() - begun if seconds is None else seconds:.1f} s)", flush=True)

    def leave_out(self, name, why):
        self.left_out += 1
        print(f"left out  {name}: {why}", flush=True)

"""Browsers that show the page beside this file, which asks by itself and reports to its service what came of it."""

import json
import socket
import sys
import time
from pathlib import Path

from suite.process import Failure, Process, free_port

from .. import servers
from ..checks import expect, program

HERE = Path(__file__).resolve().parent
SECONDS_MAX = 180


def chromium(folder, url):
    """Nothing but loopback is there for it."""
    return Process("chromium", [
        program("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors", "--no-first-run", "--no-proxy-server",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={folder}/profile", url], None, {"HOME": str(folder)}, folder)


def firefox(folder, url):
    """Sent to the page through Marionette, because only so it may be told to take any certificate."""
    profile = folder / "profile"
    profile.mkdir()
    preferences = {"marionette.port": 0, "browser.shell.checkDefaultBrowser": False, "datareporting.policy.dataSubmissionEnabled": False, "app.update.enabled": False,
                   "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False, "services.settings.server": "data:,"}
    (profile / "user.js").write_text("".join(f'user_pref("{name}", {json.dumps(value)});\n' for name, value in preferences.items()))
    browser = Process("firefox", [program("firefox-esr"), "--headless", "--no-remote", "--marionette", "--profile", profile, "about:blank"], None, {"HOME": str(folder)}, folder)
    active = profile / "MarionetteActivePort"
    wait_for(lambda: active.exists() and active.read_text().strip(), browser, 60, "Firefox does not start")
    with socket.create_connection(("127.0.0.1", int(active.read_text())), timeout=60) as peer:
        stream = peer.makefile("rwb")
        marionette_answer(stream)
        for number, (name, parameters) in enumerate([
                ("WebDriver:NewSession", {"acceptInsecureCerts": True, "pageLoadStrategy": "none"}), ("WebDriver:Navigate", {"url": url})]):
            text = json.dumps([0, number, name, parameters]).encode()
            stream.write(b"%d:%b" % (len(text), text))
            stream.flush()
            _, _, problem, _ = marionette_answer(stream)
            if problem:
                raise Failure(f"Firefox: {name}: {problem}")
        # The certificate is taken as long as the session lasts.
        browser.marionette = stream
        peer.detach()
    return browser


def marionette_answer(stream):
    length = b""
    while (byte := stream.read(1)) not in (b":", b""):
        length += byte
    return json.loads(stream.read(int(length)))


BROWSERS = {"Chromium": ("chromium", chromium), "Firefox": ("firefox-esr", firefox)}


def wait_for(condition, process, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if process.child.poll() is not None or time.monotonic() > end:
            raise Failure(f"{what}: {process.log.read_text(errors='replace')[-500:]}")
        time.sleep(0.05)


class Visit:
    """One browser's visit of the page behind the gateway."""

    def __init__(self, name, folder, options):
        self.name, self.folder, self.options = name, folder, options
        self.is_sluice = options.server == "sluice"
        self.before = self.after = self.status = None
        self.again = []    # what the page had to ask for twice

    def run(self):
        """What the page has reported: of each check the name, what is wrong, and seconds."""
        folder, port = self.folder, free_port()
        folder.mkdir()
        (folder / "stage").write_text("before")
        hypercorn = [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}", "--websocket-ping-interval", "5", "service:app"]
        service = Process("page", hypercorn, None, {"PYTHONPATH": str(HERE), "JUDGE_FOLDER": str(folder)}, folder).wait_until_listening(port)
        more = {"environment": {"SLUICE_TAKEOVER_SOCKET": f"{folder}/takeover.sock", "SLUICE_ACCESS_LOG": str(self.log)}} if self.is_sluice else {}
        gateway = servers.start(self.options.server, folder, port, binary=self.options.binary, **more)
        self.before, browser = gateway.process, None
        try:
            browser = BROWSERS[self.name][1](folder, f"https://127.0.0.1:{gateway.tls}/")
            wait_for((folder / "report-take-over").exists, browser, SECONDS_MAX, f"{self.name} has not come so far")
            if self.is_sluice:
                self.take_over(gateway)
            (folder / "stage").write_text("taken over")
            wait_for((folder / "report-all").exists, browser, SECONDS_MAX, f"{self.name} has not come to an end")
            return json.loads((folder / "report-all").read_bytes())
        finally:
            for one in (browser, self.after, service):
                if one:
                    one.stop()
            if self.after:
                self.status = self.wait_for_end()
            gateway.stop()

    def take_over(self, gateway):
        binary = Path(self.options.binary or servers.ROOT / ".build/debug/sluice").resolve()
        self.after = Process("sluice-2", [binary, "run", "--config", self.folder / "sluice.yaml"], None, gateway.environment, self.folder)
        self.after.wait_until_listening(gateway.clear)

    def wait_for_end(self):
        end = time.monotonic() + 5
        while self.before.child.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        return self.before.child.poll()

    @property
    def log(self):
        return self.folder / "access.log"

    def exchanges(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def ask(checks, options, folder):
    for name, (binary, _) in BROWSERS.items():
        about = f"browsers: {name}"
        if program(binary) is None:
            checks.leave_out(about, f"no {binary}")
            continue
        # A case of another browser's is none of this one's.
        if checks.case.startswith("browsers: ") and not checks.case.startswith(about):
            continue
        visit, found, failure = Visit(name, folder / name, options), [], None
        try:
            found = visit.run()
        except (Failure, OSError) as problem:
            failure = str(problem)
        checks.check(f"{about}, the page", lambda: expect(failure is None, failure))
        for what, problem, seconds in found:
            if problem == "left out":
                checks.leave_out(f"{about}, {what}", "the browser cannot")
                continue
            word, *targets = problem.split() or [""]
            if word == "again":
                visit.again, problem = targets, ""
                print(f"          {about}, {what}: asked again for {' '.join(targets)}", flush=True)
            checks.check(f"{about}, {what}", lambda: expect(not problem, problem), seconds=seconds)
        if found and options.server == "sluice":
            check_log(checks, name, visit)


def check_log(checks, name, visit):
    def protocols():
        exchanges = visit.exchanges()
        sockets = [one for one in exchanges if one["path"] == "/socket"]
        others = {one["protocol"] for one in exchanges} - {"HTTP/2"}
        expect(not others and len(sockets) == 22, f"{len(exchanges)} exchanges, {len(sockets)} of WebSocket, also by {others}")
        expect(all(one["status"] == 101 for one in sockets), f"statuses of WebSocket: {({one['status'] for one in sockets})}")

    def again():
        served = [one["path"] for one in visit.exchanges() if one["path"] in visit.again]
        expect(len(visit.again) <= 9 and sorted(served) == sorted(visit.again), f"asked again for {visit.again}, served {served}")

    def end():
        expect(visit.status == 0, f"its status is {visit.status}")
    checks.check(f"browsers: {name}, every exchange and WebSocket over HTTP/2 in the log", protocols)
    checks.check(f"browsers: {name}, what was asked again had not been sent before", again)
    checks.check(f"browsers: {name}, the process that was replaced has ended", end)

"""Open a page in Chromium through its protocol, in a window of any size.

Messages are JSON texts that end with a zero byte, on two pipes (the option
--remote-debugging-pipe), so that no further package is needed.  The size of the page is
set by the protocol, since windows of Chromium are at least 500 pixels wide.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile

import pytest

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser",
            "google-chrome", "chrome-headless-shell")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--remote-debugging-pipe")
PATIENCE = 60.0         # s


def browsers():
    """Return the paths of all installed browsers, or skip the test."""
    found = [shutil.which(name) for name in BROWSERS if shutil.which(name)]
    missing = "no Chromium: install chromium-headless-shell or chromium"
    if not found and os.environ.get("REFSNN_NO_SKIP") == "1":
        pytest.fail(missing)
    return found or pytest.skip(missing)


@contextlib.contextmanager
def started(path):
    """Start a browser; yield its two pipes, for requests and for answers."""
    requests, answers = os.pipe(), os.pipe()

    def inherit():
        ends = [os.dup(requests[0]), os.dup(answers[1])]    # 3 and 4 may be in use
        for end, wanted in zip(ends, (3, 4), strict=True):
            os.dup2(end, wanted)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [path, *FLAGS, f"--user-data-dir={profile}"], preexec_fn=inherit,
            close_fds=False, start_new_session=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        try:
            yield requests[1], answers[0]
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for end in (*requests, *answers):
                os.close(end)


def opened(path, url, width, height, script):
    """Open a page, run a script in it after it has loaded.

    Returns the value of the script, or of its promise, and the messages on the console.
    """
    with started(path) as (requests, answers):
        received, events, count = b"", [], 0

        def call(method, session=None, **parameters):
            nonlocal received, count
            count += 1
            message = {"id": count, "method": method, "params": parameters}
            message |= {"sessionId": session} if session else {}
            os.write(requests, json.dumps(message).encode() + b"\0")
            while True:
                while b"\0" not in received:
                    if not select.select([answers], [], [], PATIENCE)[0]:
                        raise TimeoutError(f"no answer to {method}")
                    received += os.read(answers, 1 << 16)
                text, _, received = received.partition(b"\0")
                answer = json.loads(text)
                if answer.get("id") == count:
                    assert "error" not in answer, answer
                    return answer["result"]
                events.append(answer)

        target = call("Target.createTarget", url="about:blank")["targetId"]
        page = call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        call("Emulation.setDeviceMetricsOverride", page, width=width, height=height,
             deviceScaleFactor=1, mobile=False)
        for domain in ("Page", "Log", "Runtime"):
            call(f"{domain}.enable", page)
        call("Page.navigate", page, url=url)
        wait = ("new Promise(done => document.readyState == 'complete' && "
                "location.href != 'about:blank' ? done() : addEventListener('load', "
                "() => done()))")
        call("Runtime.evaluate", page, expression=wait, awaitPromise=True)
        value = call("Runtime.evaluate", page, expression=script, returnByValue=True,
                     awaitPromise=True)
        console = [json.dumps(event["params"]) for event in events
                   if event.get("method") in ("Log.entryAdded",
                                              "Runtime.consoleAPICalled",
                                              "Runtime.exceptionThrown")]
        return value["result"]["value"], console

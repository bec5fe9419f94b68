"""Chromium without a window, over its remote debugging pipe: enough to load a page, ask it things and take a picture."""

import base64
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import time

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


class Browser:
    """A running browser with one page; `errors` collects what the page's console and its scripts complain of."""

    def __init__(self, folder):
        ours, theirs = os.pipe(), os.pipe()
        # High numbers, so that giving the browser its 3 and 4 overwrites none of them.
        read, write = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in (ours[0], theirs[1]))
        self._in, self._out = theirs[0], ours[1]
        os.close(ours[0]), os.close(theirs[1])
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        options += ["--remote-debugging-pipe", f"--user-data-dir={folder}"]
        start = ["bash", "-c", f'exec "$@" 3<&{read} 4>&{write}', "bash", PROGRAM, *options]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(start, pass_fds=(read, write), **quiet)
        os.close(read), os.close(write)
        self._number, self._rest, self._session, self.errors = itertools.count(1), b"", None, []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def close(self):
        """End the browser."""
        self._process.kill()
        self._process.wait()
        os.close(self._in), os.close(self._out)

    def send(self, method, **params):
        """Call a method of the protocol; its result."""
        number = next(self._number)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            self._note(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self):
        while b"\0" not in self._rest:
            piece = os.read(self._in, 1 << 20)
            assert piece, "the browser has ended"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        params, method = event.get("params", {}), event.get("method")
        if method == "Runtime.exceptionThrown" or (
            method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert")
        ):
            self.errors.append(params)
        if method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"])

    def show(self, path, width, height, *, phone=False):
        """Load a file at a size of the window, and wait until it and its pictures are there."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.send("Page.navigate", url=path.as_uri())
        give_up = time.monotonic() + 60
        while self.ask("document.readyState + location.protocol") != "completefile:":
            assert time.monotonic() < give_up, f"{path} does not load"
            time.sleep(0.05)
        self.ask("Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode() })).then(() => 1)")

    def ask(self, expression):
        """Value of a JavaScript expression in the page."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def picture(self, path):
        """Take a picture of what the window shows of the page."""
        data = self.send("Page.captureScreenshot")["data"]
        path.write_bytes(base64.b64decode(data))

    def printed(self):
        """Print the page; the PDF."""
        return base64.b64decode(self.send("Page.printToPDF", preferCSSPageSize=True)["data"])

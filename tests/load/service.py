"""A server of this test's own, and connections to it: shared by soak.py and faults.py."""
import http.client
import json
import os
import signal
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CLIPS = [path.read_bytes() for path in sorted(ROOT.glob("tests/data/human/*.mp3")) + sorted(ROOT.glob("tests/data/ai/*.mp3"))]
KEYS = [f"key-{number}" for number in range(4)]


class Service:
    """`voxproof serve` on a free port; `prepare` runs in the process before it begins."""

    def __init__(self, binary, prepare=None, **variables):
        settings = {"API_KEY": ",".join(KEYS), "CACHE": "off", "RATE_LIMIT": "off", "WRONG_KEYS": "off", "LOG_FORMAT": "json"}
        self.process = subprocess.Popen(
            [os.path.abspath(binary), "serve", "--host", "127.0.0.1", "--port", "0"], stderr=subprocess.PIPE, preexec_fn=prepare,
            env={"PATH": os.environ["PATH"], **settings, **variables}, cwd="/")
        line = self.process.stderr.readline()
        try:
            self.port = int(json.loads(line)["address"].rsplit(":", 1)[1])
        except (ValueError, KeyError) as error:
            raise SystemExit(f"the server did not start: {line!r}") from error
        # The log is read, or its pipe would fill up and hold the server.
        self.log = subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=subprocess.DEVNULL)

    def resident(self):
        """Megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def ask(self, method="POST", path="/detect", body=None, key=KEYS[0], kind="audio/mpeg", timeout=60, **headers):
        """Status, headers, and JSON or bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            sent = {"Content-Type": kind, **({"X-API-Key": key} if key else {}), **headers}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            data = answer.read()
            is_json = "json" in answer.headers.get("content-type", "")
            return answer.status, answer.headers, json.loads(data) if is_json else data
        finally:
            connection.close()

    def stop(self, patience=40):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patience)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        self.log.wait()

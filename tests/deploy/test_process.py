"""What each platform asks of the process, asked of the real binary in the container's layout (rootfs.py)."""
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

import rootfs
import site_files

CLIP = rootfs.ROOT / "tests/data/human/ml_msc_u132b8d72.mp3"
SMOKE = rootfs.ROOT / "scripts/smoke"
NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "needs root and unshare, for mounts and chroot")
class Process(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        assert rootfs.BINARY.is_file(), f"{rootfs.BINARY} is not built"
        cls.folder = Path(tempfile.mkdtemp(prefix="voxproof-root-"))
        cls.folder.chmod(0o755)
        rootfs.build(cls.folder)
        cls.group = rootfs.cgroup()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)
        if cls.group:
            rootfs.remove(cls.group)

    def start(self):
        server = rootfs.Server(self.folder, self.group)
        self.addCleanup(server.stop)
        return server

    def test_it_serves_at_PORT_read_only_as_nobody_within_its_memory(self):
        server = self.start()
        self.assertEqual(server.status("Uid").split(), [str(rootfs.USER)] * 4)
        self.assertEqual(int(server.status("CapEff"), 16), 0)
        disk = os.statvfs(f"/proc/{server.process.pid}/root")
        self.assertTrue(disk.f_flag & os.ST_RDONLY)
        done = subprocess.run([sys.executable, SMOKE, server.url, rootfs.KEY], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        # Three hundred at once: more than wait in line, so that some are refused, and memory is what many bodies take.
        clip = CLIP.read_bytes()
        head = self.head(server, len(clip))
        callers = []
        for _ in range(300):
            callers.append(socket.create_connection(("127.0.0.1", server.port), timeout=120))
            self.addCleanup(callers[-1].close)
        for caller in callers:
            caller.sendall(head + clip)
        answers = [caller.recv(12) for caller in callers]
        self.assertLessEqual(set(answers), {b"HTTP/1.1 200", b"HTTP/1.1 503"})
        self.assertIn(b"HTTP/1.1 200", answers)
        self.assertLess(int(server.status("VmHWM").split()[0]) << 10, rootfs.MEMORY)
        if self.group:
            self.assertIn("oom_kill 0", (self.group / "memory.events").read_text())

    def test_health_tells_by_its_exit_code(self):
        server = self.start()
        code, said = server.health()
        self.assertEqual(code, 0, said)
        self.assertIn('"healthy"', said)
        server.terminate()
        server.process.wait(10)
        code, said = server.health()
        self.assertEqual(code, 1, said)
        self.assertIn(f"127.0.0.1:{server.port}", said)
        server.variables["PORT"] = "eighty"
        self.assertEqual(server.health()[0], 2)

    def test_SIGTERM_delivers_what_is_in_flight_and_ends_within_ten_seconds(self):
        server = self.start()
        clip = CLIP.read_bytes()
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as idle, \
                socket.create_connection(("127.0.0.1", server.port), timeout=20) as caller:
            # A connection that is kept open for nothing must not hold the end up.
            idle.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(idle.recv(12), b"HTTP/1.1 200")
            # Half of a request is there when the signal comes.
            caller.sendall(self.head(server, len(clip)) + clip[:len(clip) // 2])
            time.sleep(0.3)
            began = time.monotonic()
            server.terminate()
            time.sleep(0.5)
            with self.assertRaises(OSError):
                socket.create_connection(("127.0.0.1", server.port), timeout=2).close()
            caller.sendall(clip[len(clip) // 2:])
            answer = b""
            while piece := caller.recv(4096):
                answer += piece
        self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)
        self.assertIn(b'"classification"', answer)
        self.assertEqual(server.process.wait(10), 0)
        self.assertLess(time.monotonic() - began, 10)

    @unittest.skipUnless(NGINX and shutil.which("openssl"), "needs nginx and openssl")
    def test_the_site_of_nginx_serves_it_with_tls_and_keeps_metrics_to_itself(self):
        server = self.start()
        http, https = rootfs.free_port(), rootfs.free_port()
        folder = Path(tempfile.mkdtemp(prefix="voxproof-site-"))
        self.addCleanup(shutil.rmtree, folder)
        configuration = site_files.write(folder, (http, https, server.port))
        nginx = subprocess.Popen([NGINX, "-c", configuration, "-e", folder / "error.log"])
        self.addCleanup(nginx.wait)
        self.addCleanup(nginx.terminate)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", https)).close()
                break
            except OSError:
                if nginx.poll() is not None:
                    self.fail((folder / "error.log").read_text())
                time.sleep(0.05)
        done = subprocess.run([sys.executable, SMOKE, f"https://localhost:{https}", rootfs.KEY], capture_output=True, text=True,
                              env={**os.environ, "SSL_CERT_FILE": str(folder / "chain.pem")})
        self.assertEqual(done.returncode, 0, done.stdout + (folder / "error.log").read_text())
        for path in ("/metrics", "/v1/metrics"):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                context = ssl.create_default_context(cafile=str(folder / "chain.pem"))
                request = urllib.request.Request(f"https://localhost:{https}{path}", headers={"X-API-Key": rootfs.KEY})
                urllib.request.urlopen(request, context=context, timeout=10)
            refused.exception.close()
            # nginx's own page, not the server's problem.
            self.assertEqual((refused.exception.code, refused.exception.headers["Content-Type"]), (404, "text/html"))

    @unittest.skipUnless(shutil.which("curl"), "needs curl")
    def test_http2_without_tls_is_answered(self):
        server = self.start()
        done = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "-H", f"X-API-Key: {rootfs.KEY}", "-H", "Content-Type: audio/mpeg",
             "--data-binary", f"@{CLIP}", "-w", "\n%{http_version} %{http_code}", f"{server.url}/detect"],
            capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout.splitlines()[-1], "2 200", done.stderr)

    def test_without_a_key_it_refuses_to_start_and_says_why(self):
        command = rootfs.enter(self.folder, ["/usr/local/bin/voxproof", "serve"])
        done = subprocess.run(command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("API_KEY", done.stderr)

    def test_the_dashboard_and_the_autoscaler_read_what_metrics_has(self):
        server = self.start()
        # Families without a value are left out: a clip is judged, so that there are some.
        detect = urllib.request.Request(f"{server.url}/detect", CLIP.read_bytes(),
                                        {"X-API-Key": rootfs.KEY, "Content-Type": "audio/mpeg"})
        urllib.request.urlopen(detect, timeout=60).close()
        request = urllib.request.Request(f"{server.url}/metrics", headers={"X-API-Key": rootfs.KEY})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                offered = answer.read().decode()
        except urllib.error.HTTPError as error:
            self.assertEqual(error.code, 404)
            self.skipTest("this build has no /metrics")
        asked = set()
        for file in ("docker/grafana/dashboards/voxproof.json", "kubernetes/autoscaler.yaml"):
            asked |= set(re.findall(r"voxproof_[a-z_]+", (rootfs.ROOT / "deploy" / file).read_text()))
        self.assertGreater(len(asked), 5)
        for name in asked:
            family = re.sub(r"_(total|bucket|sum|count)$", "", name)
            self.assertRegex(offered, rf"# TYPE {family} ")

    def head(self, server, length):
        return (f"POST /detect HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {rootfs.KEY}\r\nConnection: close\r\n"
                f"Content-Type: audio/mpeg\r\nContent-Length: {length}\r\n\r\n").encode()


if __name__ == "__main__":
    unittest.main()

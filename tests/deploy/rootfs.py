"""The container's layout without a container engine: a folder with the binary and the libraries that it names, read-only,
entered by chroot as the image's user, with the memory that the deployments give."""
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = Path(os.environ.get("VOXPROOF_BIN", ROOT / "target/debug/voxproof")).resolve()
KEY = "deploy-key"
# As in the Dockerfile, and the least memory that one of the deployments gives.
USER = 65532
MEMORY = 512 << 20


def build(folder):
    """Copies what the image holds into `folder`."""
    program = folder / "usr/local/bin/voxproof"
    program.parent.mkdir(parents=True)
    shutil.copy2(BINARY, program)
    program.chmod(0o755)
    listed = subprocess.run(["ldd", BINARY], capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+) \(0x", listed):
        target = folder / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library, target)
    (folder / "proc").mkdir()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def cgroup():
    """A control group that holds its processes to `MEMORY`, or None where none can be made: there, a limit on data does."""
    if not Path("/sys/fs/cgroup/cgroup.subtree_control").is_file():
        return None
    group = Path("/sys/fs/cgroup") / f"voxproof-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.max").write_text(str(MEMORY))
        (group / "memory.swap.max").write_text("0")
        return group
    except OSError:
        if group.is_dir():
            group.rmdir()
        return None


def enter(folder, command):
    """The command line that mounts `folder` read-only and runs `command` in it as the image's user."""
    script = ('mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && '
              f'exec chroot --userspec={USER}:{USER} "$0" "$@"')
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(folder), *command]


def remove(group):
    """Removes a control group, once the kernel has seen its processes end."""
    for _ in range(100):
        try:
            group.rmdir()
            return
        except OSError:
            time.sleep(0.05)
    group.rmdir()


class Server:
    """`voxproof serve` in `folder`, with no variables but PORT and API_KEY."""

    def __init__(self, folder, group=None):
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.variables = {"PORT": str(self.port), "API_KEY": KEY, "LOG_FORMAT": "json"}

        def limit():
            if group:
                (group / "cgroup.procs").write_text("0")
            else:
                resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))

        command = enter(folder, ["/usr/local/bin/voxproof", "serve"])
        # A file and no pipe: nobody reads while the tests go on, and a full pipe holds up who writes to it.
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, env=self.environment(), preexec_fn=limit, stderr=self.log)
        start = time.monotonic()
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/ready", timeout=5).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() - start > 60:
                    self.process.kill()
                    self.log.seek(0)
                    raise AssertionError(f"it does not start: {self.log.read().decode()}") from None
                time.sleep(0.05)

    def environment(self):
        return {"PATH": os.environ["PATH"], **self.variables}

    def health(self):
        """Exit code and output of the image's health check."""
        done = subprocess.run(enter(self.folder, ["/usr/local/bin/voxproof", "health"]), env=self.environment(),
                              capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout + done.stderr

    def status(self, name):
        """A line of /proc/PID/status."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text()
        return re.search(rf"^{name}:\s+(.*)$", lines, re.M).group(1)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """Kills what is left."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()

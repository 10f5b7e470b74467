"""Each server on a model, with a number of worker processes, on free ports of the loopback."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.peers.environment import classic_python, program
from tests.benchmarks.peers.processes import cpu_seconds_of_tree, end, pss_megabytes
from tests.support import BIN, clean_environ, free_port, launch

APPS = Path(__file__).parent / "apps"
READY = {"classic": "/ping", "ours": "/ping", "earlier": "/ping", "bare": "/"}
V2_READY = "/v2/models/forest/ready"


@dataclass
class Server:
    """A running server; ``log`` is where it writes, if not into a pipe."""

    name: str
    process: subprocess.Popen
    http_port: int
    grpc_port: int | None = None
    log: Path | None = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http_port}"

    def cpu_seconds(self):
        return cpu_seconds_of_tree(self.process.pid)

    def pss_megabytes(self):
        return pss_megabytes(self.process.pid)

    def wait_until_ready(self, seconds=120):
        """Ask each 10 ms, on a fresh connection."""
        path = READY.get(self.name, V2_READY)
        deadline = time.monotonic() + seconds
        while not says_200(self.http_port, path):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{self.name} does not start:\n{self.printed()}")
            time.sleep(0.01)
        return self

    def printed(self):
        if self.log is not None:
            return self.log.read_text()
        end(self.process)
        return "".join(self.process.communicate())

    def end(self):
        end(self.process)


def says_200(port, path):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def started(name, command, folder, http_port, grpc_port=None, **variables):
    """A peer, in a session of its own, so that Ctrl-C leaves its end to us."""
    log = Path(folder, "log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environ(**variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Server(name, process, http_port, grpc_port, log)


def classic(model, folder, workers):
    port = free_port()
    text = (APPS / "nginx.conf").read_text()
    Path(folder, "nginx.conf").write_text(
        text.replace("{FOLDER}", str(folder)).replace("{PORT}", str(port))
    )
    command = [classic_python(), APPS / "classic_serve.py", str(folder), str(workers)]
    variables = {"CLASSIC_MODEL": str(model.pickled), "CLASSIC_NGINX": program("nginx")}
    return started("classic", command, folder, port, **variables)


def mlserver(model, folder, workers):
    shutil.copy(model.pickled, Path(folder, "model.joblib"))
    return stock("mlserver", "mlserver_sklearn.SKLearnModel", folder, workers)


def mlserver_noop(_model, folder, _workers):
    return stock("mlserver-noop", "noop.Noop", folder, 0, PYTHONPATH=str(APPS))


def stock(name, implementation, folder, workers, **variables):
    model = {"name": "forest", "implementation": implementation}
    if workers:
        model["parameters"] = {"uri": "./model.joblib"}
    Path(folder, "model-settings.json").write_text(json.dumps(model))
    return mlserver_start(name, folder, workers, **variables)


def mlserver_start(name, folder, workers, **variables):
    """``mlserver start`` on a model directory."""
    http_port, grpc_port = free_port(), free_port()
    settings = {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": http_port,
        "grpc_port": grpc_port,
        "metrics_port": free_port(),
        "parallel_workers": workers,
    }
    Path(folder, "settings.json").write_text(json.dumps(settings))
    command = [BIN / "mlserver", "start", str(folder)]
    return started(name, command, folder, http_port, grpc_port, **variables)


def bare(_model, folder, workers):
    port = free_port()
    command = [
        *(sys.executable, "-m", "uvicorn", "bare:app", "--app-dir", str(APPS)),
        *("--port", str(port), "--workers", str(workers), "--no-access-log"),
        *("--http", "httptools", "--loop", "uvloop", "--log-level", "warning"),
    ]
    return started("bare", command, folder, port)


def ours(model, _folder, workers, name="ours", serve=BIN / "serve"):
    running = launch(model.artifact, (serve,), MODEL_SERVER_WORKERS=str(workers))
    return Server(name, running.process, running.http_port, running.grpc_port)


STARTERS = {
    "classic": classic,
    "mlserver": mlserver,
    "mlserver-noop": mlserver_noop,
    "bare": bare,
    "ours": ours,
}


def start(name, model, folder, options):
    """Start a server by its name, in a new folder of its own.

    "earlier" is ``serve`` of another environment, which ``options.earlier`` names.
    """
    own = tempfile.mkdtemp(prefix=f"{name}-", dir=folder)
    if name == "earlier":
        return ours(model, own, options.workers, name, options.earlier)
    return STARTERS[name](model, own, options.workers)

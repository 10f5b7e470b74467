"""The README and docs/ are true: their commands run, their links lead somewhere, and they describe
every setting, media type, option and metric.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from itertools import takewhile

import httpx
import pytest

from command_folder import command_folder
from docs_blocks import PAGES, RUN, blocks_of
from forked_command import run_forked
from mlserver_forest.formats.registry import FORMATS
from mlserver_forest.model import named_outputs
from mlserver_forest.schema.output_names import INSIGHT_DATATYPES
from mlserver_forest.serving.metrics.drift_metrics import DriftMetrics
from mlserver_forest.serving.metrics.prometheus import ProcessMetrics, RequestMetrics
from mlserver_forest.serving.metrics.shared_counters import SharedCounters
from support import BIN, IRIS, PAYLOAD, ROOT, clean_environ, free_port, lay_out

TEXTS = {str(path.relative_to(ROOT)): path.read_text() for path in PAGES}
ALL = "\n".join(TEXTS.values())
NOTEBOOK = ROOT / "tests" / "notebook.py"
AWS = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_MAX_ATTEMPTS": "1",  # Nobody answers there.
    "ROLE": "arn:aws:iam::111122223333:role/forest",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folders that Getting started leaves: data/, and ml/ with a model of iris."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "data").mkdir()
    for path in (IRIS, PAYLOAD):
        shutil.copy(path, folder / "data")
    base = lay_out(folder / "ml", {"training": {"iris.csv": IRIS.read_text()}})
    assert run_forked("train", "--base-dir", base, environ=clean_environ()).returncode == 0
    return folder


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """A folder with forest, train and serve, which need not import what takes long."""
    with command_folder(tmp_path_factory.mktemp("commands") / "bin") as folder:
        yield folder


class Reader:
    """Who follows a page: one folder, one server at a time, on ports of its own."""

    def __init__(self, folder, commands):
        self.folder = folder
        self._http, self._grpc = free_port(), free_port()
        self._server = None
        self._cells = None
        (folder / ".curlrc").write_text("fail-with-body\n")  # Else curl calls an error success.
        environ = clean_environ(
            SAGEMAKER_BIND_TO_PORT=str(self._http),
            FOREST_GRPC_PORT=str(self._grpc),
            MODEL_SERVER_WORKERS="1",
            CURL_HOME=str(folder),
            **AWS,
        )
        self._environ = environ | {"PATH": f"{commands}:{BIN}:{environ['PATH']}"}

    def run(self, block, *, more=""):
        text = self._here(block.text)
        command = [sys.executable, "-"] if block.kind == "python" else ["bash", "-euo", "pipefail"]
        return subprocess.run(
            command, input=text + more, cwd=self.folder, env=self._environ,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    def run_cell(self, cells):
        """The output of the next cell; all of them are run at the first call."""
        if self._cells is None:
            done = subprocess.run(
                [sys.executable, NOTEBOOK], input=json.dumps([self._here(cell) for cell in cells]),
                cwd=self.folder, env=self._environ, capture_output=True, text=True, check=False,
                timeout=300,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            self._cells = iter(json.loads(done.stdout))
        return subprocess.CompletedProcess([], 0, next(self._cells), "")

    def serve(self, block):
        """Start the server that a block starts, in place of the one before."""
        self.end()
        log = self.folder / "serve.log"
        with log.open("wb") as output:
            self._server = subprocess.Popen(
                ["bash", "-c", f"exec env {self._here(block.text)}"], cwd=self.folder,
                env=self._environ, stdout=output, stderr=output,
            )  # fmt: skip
        for _ in range(600):
            assert self._server.poll() is None, log.read_text()
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"http://localhost:{self._http}/ping", timeout=2).status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(log.read_text())

    def end(self):
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)  # As Ctrl-C does; SIGTERM has a grace period.
            self._server.wait(timeout=60)

    def _here(self, text):
        return text.replace("localhost:8080", f"localhost:{self._http}").replace(
            "localhost:8081", f"localhost:{self._grpc}"
        )


@pytest.fixture
def reader(tmp_path, trained, commands):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    reader = Reader(tmp_path, commands)
    yield reader
    reader.end()


def read(reader, blocks):
    """Do what a page says, from its first block to its last."""
    done = None
    cells = [block.text for block in blocks if block.way == "notebook"]
    for block in blocks:
        if block.way == "output":
            assert done.stdout.rstrip("\n") == block.text.rstrip("\n")
        elif block.kind not in RUN or block.way in {"command", "python", "tested by"}:
            continue
        elif block.way == "notebook":
            done = reader.run_cell(cells)
        elif block.way == "serve":
            reader.serve(block)
        elif block.way == "dry-run":
            dry_run(reader, block)
        else:
            done = reader.run(block)
            is_refused = block.way == "fails"
            assert (done.returncode != 0) == is_refused, block.text + done.stdout + done.stderr


def dry_run(reader, block):
    defined = 'forest() { command forest "$@" --dry-run; }\n'
    told = type(block)("", "sh", defined + block.text)
    done = reader.run(told)
    assert done.returncode == 0, block.text + done.stderr


SERVE = blocks_of("<!-- serve -->\n```sh\nSAGEMAKER_BASE_DIR=ml serve\n```")
TOLD = {name: blocks_of(text) for name, text in TEXTS.items()}


def asks(blocks):
    return any("localhost:80" in one.text for one in blocks if one.way in {"run", "fails"})


@pytest.mark.parametrize("name", [name for name in TOLD if TOLD[name]])
def test_what_a_page_says_works_when_it_is_followed(name, reader):
    """Requests before a page starts a server of its own go to that of Getting started."""
    blocks = TOLD[name]
    before = list(takewhile(lambda block: block.way != "serve", blocks))
    read(reader, [*(SERVE if asks(before) else []), *blocks])


@pytest.mark.parametrize("name", TOLD)
def test_every_block_is_run_or_says_which_test_does_it(name):
    tests = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    for block in TOLD[name]:
        if block.way in {"command", "python"}:
            named = block.marker.split(": ")[1]
            assert any(f'"{named}"' in text or block.marker in text for text in tests.values())
        elif block.way == "tested by":
            path, _, test = block.marker.split(": ")[1].partition("::")
            assert f"def {test}(" in (ROOT / path).read_text()
        else:
            ways = {"run", "fails", "output", "serve", "dry-run", "notebook"}
            assert block.way in ways, block.marker
            is_checked = block.kind in RUN or block.way == "output"
            assert is_checked or block.kind in {"json", "yaml", "text"}, block.kind


def test_every_link_leads_to_a_file_or_a_heading():
    for name, text in TEXTS.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, heading = target.partition("#")
            file = (ROOT / name).parent / path if path else ROOT / name
            assert file.exists(), f"{name} links to {target}"
            if heading:
                titles = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
                assert heading in {anchor(title) for title in titles}, f"{name}: {target}"


def anchor(title):
    """The name that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_every_page_is_linked_from_the_readme():
    pages = [name for name in TEXTS if name != "README.md"]
    assert [name for name in pages if f"({name})" not in TEXTS["README.md"]] == []


def test_every_variable_is_in_the_table():
    source = (ROOT / "runtime" / "mlserver_forest" / "environment.py").read_text()
    prefixes = "SAGEMAKER|FOREST|MODEL_SERVER|MAX_CONTENT|MLSERVER"
    names = set(re.findall(rf"\"((?:{prefixes})_\w+)\"", source))
    assert names >= {"SAGEMAKER_BASE_DIR", "FOREST_TRUST_CODE", "MLSERVER_MODEL_NAME"}
    table = TEXTS["docs/configuration.md"]
    assert [name for name in sorted(names) if f"`{name}`" not in table] == []


def test_every_media_type_is_in_the_table():
    names = {name for found in FORMATS for name in found.media_types}
    table = TEXTS["docs/media-types-and-outputs.md"]
    assert [name for name in sorted(names) if f"`{name}`" not in table] == []


def test_every_output_is_in_the_table():
    table = TEXTS["docs/media-types-and-outputs.md"]
    names = {*named_outputs.ALL_NAMES, *INSIGHT_DATATYPES}
    assert [name for name in sorted(names) if f"`{name}`" not in table] == []


def test_every_metric_is_in_the_table():
    sums, processes = RequestMetrics(SharedCounters(1)), ProcessMetrics(lambda: [(0, os.getpid())])
    of_the_server = names_of([*sums.collect(), *processes.collect()])
    of_drift = names_of(DriftMetrics(SharedCounters(1)).collect())
    assert len(of_the_server) > 10
    assert len(of_drift) > 5
    for names, page in ((of_the_server, "docs/operations.md"), (of_drift, "docs/drift.md")):
        assert [name for name in sorted(names) if f"`{name}`" not in TEXTS[page]] == []


def names_of(metrics):
    return {metric.name + ("_total" if metric.type == "counter" else "") for metric in metrics}

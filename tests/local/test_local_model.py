"""A model of a directory in this process, and a server beside it."""

import copy
import pickle
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

import mixed_rows
import mlserver_forest
from mlserver_forest.artifact import model_directory
from mlserver_forest.errors import InvalidArtifact, InvalidEnvironment, InvalidInput
from mlserver_forest.insight.intervals import Intervals
from mlserver_forest.model.card import Card
from support import IRIS_NAMES, save_model

ARROW = "application/vnd.apache.arrow.stream"
EVIL = '<script>alert("x")</script>'


@pytest.fixture(scope="module")
def table(iris):
    table = pd.DataFrame(iris[0], columns=IRIS_NAMES)
    table["species"] = iris[1]
    table["side"] = ["left", "right"] * 75
    return table


@pytest.fixture(scope="module")
def directory(tmp_path_factory, iris):
    """A model with a baseline, prediction sets and a card."""
    x, y = iris
    estimator = RandomForestClassifier(10, random_state=0).fit(x, y)
    folder = tmp_path_factory.mktemp("ml") / "model"
    save_model(folder, estimator, x, has_baseline=True, intervals=Intervals(0.9, 0.7))
    card = Card(
        algorithm="random_forest",
        trained="2026-01-31T12:00:00Z",
        n_rows=150,
        metrics={"train": {"accuracy": 1.0}, "validation": {"accuracy": 0.5, EVIL: 0.25}},
        importances={"petal_width": 0.5, EVIL: 0.25},
        measure="accuracy",
        measured_on="validation",
        title="Random forest",
        target="column 'species'",
        notes=(f"a note {EVIL}",),
    )
    model_directory.replace_card(folder, card)
    return folder


@pytest.fixture(scope="module")
def model(directory):
    return mlserver_forest.load(directory)


def test_rows_of_every_form_have_the_same_answers(tmp_path):
    """Arrays are read by position; everything with names by name."""
    estimator, _ = mixed_rows.forest()
    folder = save_model(
        tmp_path / "model",
        estimator,
        mixed_rows.coded(mixed_rows.rows(20)),
        names=mixed_rows.NAMES,
        categories=mixed_rows.CATEGORIES,
    )
    model = mlserver_forest.load(folder)
    rows = mixed_rows.rows(12)
    expected = estimator.predict_proba(mixed_rows.coded(rows))
    records = [dict(reversed(list(zip(mixed_rows.NAMES, row, strict=True)))) for row in rows]
    frame = pd.DataFrame(rows, columns=mixed_rows.NAMES).astype({"size": "Float64"})
    forms = {
        "codes": mixed_rows.coded(rows),
        "lists": [list(row) for row in rows],
        "records": records,
        "frame": frame[frame.columns[::-1]],
        "arrow": pa.Table.from_pylist(records),
        "stream": pa.RecordBatchReader.from_batches(
            pa.Table.from_pylist(records).schema, pa.Table.from_pylist(records).to_batches()
        ),
    }
    for name, form in forms.items():
        assert np.array_equal(model.predict_proba(form), expected), name
    for record, answer in zip(records, expected, strict=True):
        assert np.array_equal(model.predict_proba(record), answer[None])
    lenient = replace(model, schema=replace(model.schema, ignores_extra=True))
    more = [{**record, "key": 7} for record in records]
    assert np.array_equal(model.predict_proba(more, extra="ignore"), expected)
    for form in (more, pd.DataFrame(more), more[0]):
        assert np.array_equal(lenient.predict(form), model.predict(form, extra="ignore"))
        for found, chosen in ((model, None), (lenient, "error")):
            with pytest.raises(InvalidInput, match=r"unknown 'key'.*pass extra='ignore'"):
                found.predict(form, extra=chosen)


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([{"sepal_length": 1}], "row 1 has missing 'sepal_width'"),
        ([dict.fromkeys(IRIS_NAMES, 1), [1, 2, 3, 4]], "row 2: .* does not name its values"),
        ([{**dict.fromkeys(IRIS_NAMES, 1), "petal_width": "wide"}], "'wide' is not a number"),
        ({**dict.fromkeys(IRIS_NAMES, 1.0), "petal_width": [1.0]}, "some columns hold one value"),
        ({**dict.fromkeys(IRIS_NAMES, 1), "petal_width": 10**400}, "inf is not a finite FP32"),
    ],
)
def test_named_rows_that_do_not_fit_are_refused_with_their_place(model, rows, fault):
    with pytest.raises(InvalidInput, match=fault):
        model.predict(rows)
    with pytest.raises(InvalidInput, match="extra is 'skip'; expected 'error' or 'ignore'"):
        model.predict(rows, extra="skip")


def test_an_explanation_is_a_frame_that_adds_up(model, table, iris):
    frame = model.explain(table, extra="ignore").to_frame()
    assert frame.shape == (150, 15)
    probabilities = model.predict_proba(iris[0])
    for place, label in enumerate(model.classes):
        assert list(frame[label].columns) == ["base", *IRIS_NAMES]
        np.testing.assert_allclose(frame[label].sum(axis=1), probabilities[:, place], atol=1e-12)
    x = iris[0]
    regression = RandomForestRegressor(3, random_state=0).fit(x, x[:, 0])
    small = mlserver_forest.pack(regression, sample=x)
    found = small.explain(x[:5])
    assert list(found.to_frame().columns) == ["base", *small.feature_names]
    np.testing.assert_allclose(found.to_frame().sum(axis=1), small.predict(x[:5]))
    assert "<table" in found._repr_html_()


def test_what_is_unusual_is_marked_and_compared(model, table):
    odd = {**dict.fromkeys(IRIS_NAMES, 5.0), "petal_width": 1e6}
    assert model.out_of_range(odd).tolist() == [[False, True, False, True]]
    assert model.interval(table, extra="ignore").shape == (150, 3)
    same, moved = model.drift(table), model.drift(table.assign(petal_width=9.0).head(40))
    assert same.worst < 0.01
    assert (moved.features[0].name, moved.worst > 1) == ("petal_width", True)
    assert moved.to_frame()["feature"].iloc[-1] == "prediction"
    assert repr(moved).startswith("<drift of 40 rows against 150 training rows")
    assert "srcdoc=" in moved._repr_html_()
    assert "<html" not in moved._repr_html_()  # It is escaped.
    with pytest.raises(InvalidInput, match="no row to compare"):
        model.drift(table.head(0))


def test_a_frame_is_evaluated_by_its_column_or_by_given_values(model, table, iris):
    found = model.evaluate(table, by="side")
    assert (found.target, found.n_rows) == ("species", 150)
    assert found.metrics["accuracy"] == (model.predict(iris[0]) == iris[1]).mean()
    assert [part.name for part in found.segments] == ["left", "right"]
    assert model.evaluate(iris[0], iris[1]).metrics == found.metrics
    assert model.evaluate(table.to_dict("records"), "species").metrics == found.metrics
    with pytest.raises(InvalidInput, match="no column 'specie'; did you mean 'species'"):
        model.evaluate(table, "specie")
    with pytest.raises(InvalidInput, match="does not have the model's target, 'species'"):
        model.evaluate(table.drop(columns="species"))


class _Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def test_a_notebook_shows_the_card_and_runs_nothing_of_it(model):
    html = _Tags(model._repr_html_())
    text = " ".join(html.text)
    assert set(html.tags) <= {
        "div",
        "h4",
        "p",
        "bdi",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "span",
    }
    for expected in ("predicts species from 4 features", "Accuracy", "petal_width", EVIL, "0.5"):
        assert expected in text
    assert repr(model).startswith("<model forest: predicts species from 4 features; ")
    assert "\n" not in repr(model)


def test_a_copy_is_the_model_and_a_pickle_refers_to_its_files(tmp_path, model, iris):
    assert copy.copy(model) is model
    assert copy.deepcopy([model])[0] is model
    saved = model.save(tmp_path / "model")
    text = pickle.dumps(saved)
    assert len(text) < 1000
    again = pickle.loads(text)  # noqa: S301
    assert np.array_equal(again.predict_proba(iris[0]), model.predict_proba(iris[0]))
    model_directory.replace_card(tmp_path / "model", Card("other", "", 1))
    assert pickle.loads(text).card.algorithm == "other"  # noqa: S301
    save_model(tmp_path / "model", RandomForestClassifier(2).fit(*iris), iris[0])
    with pytest.raises(InvalidArtifact, match="holds another model now; put the earlier model"):
        pickle.loads(text)  # noqa: S301
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    with pytest.raises(InvalidArtifact, match=r"a pickled model refers to .* cannot be loaded"):
        pickle.loads(text)  # noqa: S301


def test_threads_share_a_model_and_the_lock_of_python_is_free(model, iris):
    """Nobody takes the lock from a thread: it has to give it away while a kernel runs."""
    x = np.resize(iris[0], (1_000_000, 4))
    some = x[:50_000]
    expected = model.predict_proba(some)
    progress, ended = [0], threading.Event()

    def count():
        while not ended.is_set():
            progress[0] += 1
            time.sleep(0.0002)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    counter = threading.Thread(target=count)
    try:
        counter.start()
        before = progress[0]
        model.forest.sums(x)  # One call of a kernel, before and after which little happens.
        assert progress[0] - before > 20
    finally:
        ended.set()
        sys.setswitchinterval(interval)
        counter.join()
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: model.predict_proba(some), range(6)):
            assert np.array_equal(found, expected)


def test_a_report_is_shown_if_it_is_of_this_model(tmp_path, model):
    saved = model.save(tmp_path / "model")
    with pytest.raises(InvalidArtifact, match="there is no report of this model in"):
        saved.report()
    folder = tmp_path / "output" / "data"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<html>the report</html>")
    (folder / "metrics.json").write_text('{"metrics": {"train": {"accuracy": 0.1}}}')
    with pytest.raises(InvalidArtifact, match="there is no report of this model in"):
        saved.report()
    bare = replace(saved, card=replace(saved.card, metrics={"train": {"accuracy": 0.1}}))
    page = bare.report()
    assert page.save(tmp_path / "new" / "page.html").read_text() == "<html>the report</html>"
    assert 'sandbox=""' in page._repr_html_()


SERVING = """
import sys, mlserver_forest
server = mlserver_forest.load(sys.argv[1]).serve(port=None)
print(server.url, server._process.pid, flush=True)
print(repr(server), server._repr_html_().count(server.url), "is ready" in server.log(), flush=True)
sys.stdin.read()
"""


@dataclass
class Beside:
    """A server that a process has started beside itself, and what that process has printed."""

    owner: subprocess.Popen
    url: str
    pid: int
    told: str


@pytest.fixture(scope="module")
def beside(directory):
    owner = subprocess.Popen(
        [sys.executable, "-c", SERVING, directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    url, pid = owner.stdout.readline().decode().split()
    yield Beside(owner, url, int(pid), owner.stdout.readline().decode().strip())
    owner.kill()
    owner.communicate()


def test_answers_are_those_of_the_server_to_the_last_bit(model, beside):
    rng = np.random.default_rng(0)
    x = rng.normal(4, 2, (3000, 4))
    columns = {name: x[:, place].tolist() for place, name in enumerate(IRIS_NAMES)}
    sent = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, sent.schema) as writer:
        writer.write_table(sent)
    chosen = "outputs=predicted_label,probabilities,contributions"
    answer = httpx.post(
        f"{beside.url}/invocations",
        content=sink.getvalue().to_pybytes(),
        headers={
            "Content-Type": ARROW,
            "Accept": ARROW,
            "X-Amzn-SageMaker-Custom-Attributes": chosen,
        },
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    told = pa.ipc.open_stream(answer.content).read_all()
    for rows in (x, columns, pd.DataFrame(columns), sent):
        assert told["predicted_label"].to_pylist() == model.predict(rows).tolist()
        probabilities = np.array(told["probabilities"].to_pylist())
        assert np.array_equal(probabilities, model.predict_proba(rows))
    found = model.explain(columns)
    contributions = np.array(told["contributions"].to_pylist()).reshape(found.contributions.shape)
    assert np.array_equal(contributions, found.contributions)


def test_a_server_ends_with_the_process_that_started_it(beside):
    """Even if it is killed, and has no time to end anything."""
    assert beside.told == f"<server at {beside.url}, running; stop() ends it> 2 True"
    assert _is_there(beside.pid)
    beside.owner.kill()
    beside.owner.communicate()
    for _ in range(600):
        if not _is_there(beside.pid):
            break
        time.sleep(0.05)
    assert not _is_there(beside.pid)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{beside.url}/ping")


def test_a_port_that_is_taken_is_refused(model):
    """Otherwise the other server would seem to be this one."""
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InvalidEnvironment, match=f"port {port} cannot be used .*port=None"):
            model.serve(port)


def _is_there(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

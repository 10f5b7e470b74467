"""Debian's Chromium, driven by Playwright, on pages of real servers."""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from forked_command import run_forked
from support import IRIS, IRIS_NAMES, clean_environ, lay_out, serving

# How long the browser may take on a busy machine; by default Playwright waits for 30 s.
_MILLISECONDS = 180_000


@pytest.fixture(scope="module")
def chromium():
    """A headless browser; needs Debian's, or REQUIRE_CONTAINERS says that it must be there.

    While it is there its event loop is, and no other can run in this thread.
    """
    missing = pytest.fail if os.environ.get("REQUIRE_CONTAINERS") else pytest.skip
    path = shutil.which("chromium")
    if path is None:
        missing("chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"], timeout=_MILLISECONDS
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Open a page of a server; nothing may go wrong in it, and nothing leave for elsewhere."""
    contexts, faults = [], []

    def watch(page, url):
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if _is_fault(said) else None)
        page.on(
            "request",
            lambda sent: (
                None if sent.url.startswith((url, "data:", "blob:")) else faults.append(sent.url)
            ),
        )

    def start(server, path="/", **options):
        context = chromium.new_context(**options)
        context.set_default_timeout(_MILLISECONDS)
        contexts.append(context)
        page = context.new_page()
        watch(page, server.url)
        page.goto(server.url + path)
        return page

    yield start
    for context in contexts:
        context.close()
    assert faults == []


def _is_fault(said):
    """Chromium reports every 4xx; a test that causes one asserts what the page made of it."""
    return said.type in {"error", "warning"} and "status of 4" not in said.text


@pytest.fixture(scope="session")
def iris_ml(tmp_path_factory):
    """An /opt/ml tree in which `train` has trained on iris, with names."""
    header = ",".join(("species", *IRIS_NAMES))
    return _trained(
        tmp_path_factory,
        f"{header}\n{IRIS.read_text()}",
        {"random_state": "1", "prediction_interval": "0.9"},
    )


@pytest.fixture(scope="session")
def flats_ml(tmp_path_factory):
    """The same of a regression from numbers, words and booleans, some of them missing."""
    rng = np.random.default_rng(0)
    lines = ["price,size,district,balcony"]
    for size, district, balcony in zip(
        rng.integers(25, 160, 200), rng.integers(0, 3, 200), rng.integers(0, 2, 200), strict=True
    ):
        price = 4 * size + 50 * district + 20 * balcony
        word = ("north", "old town", 'the "east", <b>')[district].replace('"', '""')
        lines.append(f'{price},{size},"{word}",{("false", "true", "")[balcony]}')
    lines.append("300,,north,")
    chosen = {"algorithm": "xgboost", "n_estimators": "20", "target": "price"}
    chosen |= {"task": "regression", "prediction_interval": "0.8"}
    return _trained(tmp_path_factory, "\n".join(lines) + "\n", chosen)


@pytest.fixture(scope="session")
def cars_ml(tmp_path_factory):
    """The same of vega's cars: 304 names, dates, whole numbers, and gaps."""
    import vega_datasets

    path = Path(vega_datasets.__file__).parent / "_data" / "cars.json"
    rows = [row for row in json.loads(path.read_text()) if row["Miles_per_Gallon"] is not None]
    table = io.StringIO()
    writer = csv.DictWriter(table, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    chosen = {"target": "Miles_per_Gallon", "n_estimators": "20", "dates": "expand"}
    return _trained(tmp_path_factory, table.getvalue(), chosen | {"prediction_interval": "0.9"})


def _trained(tmp_path_factory, table, hyperparameters):
    base = lay_out(
        tmp_path_factory.mktemp("opt") / "ml", {"training": {"rows.csv": table}}, hyperparameters
    )
    run_forked("train", environ=clean_environ(SAGEMAKER_BASE_DIR=str(base))).check_returncode()
    return base


def _served(base, **variables):
    with serving(base / "model", MODEL_SERVER_WORKERS="1", **variables) as server:
        yield server


@pytest.fixture(scope="module")
def iris_page_server(iris_ml):
    yield from _served(iris_ml)


@pytest.fixture(scope="module")
def flats_page_server(flats_ml):
    yield from _served(flats_ml)


@pytest.fixture(scope="module")
def cars_page_server(cars_ml):
    yield from _served(cars_ml)

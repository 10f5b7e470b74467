"""The training report and the drift page on a phone and on a desk, with their widest tables."""

from importlib.resources import files

import pytest

from forked_command import run_forked
from support import clean_environ


@pytest.fixture(scope="module")
def pages(cars_ml, tmp_path_factory):
    """By name, the HTML of each page."""
    folder = tmp_path_factory.mktemp("pages")
    header, *lines = (cars_ml / "input/data/training/rows.csv").read_text().splitlines()
    (folder / "recent.csv").write_text("\n".join([header, *lines[-90:]]))
    drift = ("drift", cars_ml / "model", folder / "recent.csv", "--target", "Miles_per_Gallon")
    run = run_forked("forest", *drift, "--html", folder / "drift.html", environ=clean_environ())
    run.check_returncode()
    return {
        "report": (cars_ml / "output" / "data" / "report.html").read_text(),
        "drift": (folder / "drift.html").read_text(),
    }


@pytest.mark.parametrize("name", ["report", "drift"])
def test_a_page_fits_and_is_accessible(name, pages, chromium):
    """No scrolling sideways, no number cut off, and nothing that axe-core calls serious."""
    context = chromium.new_context(
        color_scheme="dark", viewport={"width": 390, "height": 844}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_content(pages[name])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    grave = [fault for fault in found if fault["impact"] in {"serious", "critical"}]
    assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in grave] == []
    if name == "drift":  # Its tables need not even be scrolled.
        widths = "[...document.querySelectorAll('.wide')].map((e) => e.scrollWidth - e.clientWidth)"
        assert max(page.evaluate(widths)) <= 0
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    context.close()

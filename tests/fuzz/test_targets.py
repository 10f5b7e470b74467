"""Every target for some seconds, as CI runs them; ``python -m tests.fuzz`` does it for longer."""

import os
import re

import pytest

from fuzz import processes, registry
from mlserver_forest.formats.registry import FORMATS
from mlserver_forest.importers.registry import IMPORTERS
from support import ROOT

SECONDS = float(os.environ.get("FUZZ_SECONDS", "1"))
TARGETS = ROOT / "tests" / "fuzz" / "targets"


@pytest.mark.parametrize("name", registry.NAMES)
def test_an_input_with_faults_is_read_or_refused(name):
    report = processes.watch(name, SECONDS)
    assert report.all_faults == []
    assert report.accepted > 5
    assert report.refused > 5


def test_every_target_is_registered_and_has_the_name_that_libfuzzer_calls():
    assert {path.stem for path in TARGETS.glob("*.py")} == {f"fuzz_{n}" for n in registry.NAMES}
    for name in registry.NAMES:
        assert f'"{name}"' in (TARGETS / f"fuzz_{name}.py").read_text()
        assert registry.load(name).TestOneInput


def test_every_format_and_every_library_has_a_target():
    texts = "".join(path.read_text() for path in TARGETS.glob("*.py"))
    named = set(re.findall(r'body_target\("\w+", "([^"]+)"', texts))
    assert named == {found.media_type for found in FORMATS}
    others = {"sklearn", "onnxruntime"}  # In skops files and pickles, and in onnx.
    assert {one.module for one in IMPORTERS} <= {*registry.FILES, *others}

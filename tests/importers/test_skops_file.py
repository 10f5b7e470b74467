"""Files of skops that are damaged are refused with what is wrong, whatever numpy or zlib raise."""

import io
import re
import zipfile

import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers import skops_file
from mlserver_forest.importers.scikit_learn.scikit_learn_model import SKOPS_TYPES


@pytest.fixture(scope="module")
def saved(iris):
    x, y = iris
    return skops.io.dumps(RandomForestClassifier(2, max_depth=2, random_state=0).fit(x, y))


def read(path, content):
    path.write_bytes(content)
    return skops_file.read(path, re.compile(SKOPS_TYPES))


def with_array_header(saved, old, new):
    """The archive with another header in each of its arrays."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved)) as source, zipfile.ZipFile(file, "w") as archive:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith(".npy"):
                content = content.replace(old, new, 1)
            archive.writestr(entry.filename, content)
    return file.getvalue()


def test_a_whole_file_is_read(saved, tmp_path):
    assert read(tmp_path / "model.skops", saved).n_estimators == 2


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"}", b" ", "TokenError"),
        (b"NUMPY", b"NUMBY", "ValueError"),
        (b"), }", b"99999999999), }", "Error"),
    ],
)
def test_an_array_with_a_damaged_header_is_refused(saved, tmp_path, old, new, reason):
    damaged = with_array_header(saved, old, new)
    with pytest.raises(UnsupportedEstimator, match=f"cannot be read by skops .*{reason}"):
        read(tmp_path / "model.skops", damaged)

"""A server for one person."""

import pytest

from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.serving.serve_locally import local_environment


def test_several_models_are_not_left_out_in_silence(tmp_path, monkeypatch):
    monkeypatch.setenv("SAGEMAKER_MULTI_MODEL", "true")
    with pytest.raises(InvalidEnvironment, match="run `serve` without a folder and options"):
        local_environment(tmp_path)

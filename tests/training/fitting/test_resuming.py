"""Every algorithm continues from its checkpoints, whatever the columns are and whatever the harm.

The result is the model of a fit that was never interrupted; a checkpoint that cannot be used costs
a line of the log.
"""

import hashlib

import numpy as np
import pytest

from mlserver_forest.schema.categories import Categories
from mlserver_forest.training.algorithms.hyperparameters import parse
from mlserver_forest.training.algorithms.registry import ALGORITHMS
from mlserver_forest.training.data.targets import Target
from mlserver_forest.training.fitting import checkpoints as checkpoints_module
from mlserver_forest.training.fitting.checkpoints import Checkpoints
from mlserver_forest.training.fitting.fit_context import fit
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.fitting.fit_spec import FitSpec
from mlserver_forest.training.fitting.progress import Progress
from mlserver_forest.training.fitting.stopping import Stop
from training.fitting.contexts import FitContext, StopAfter

COLUMNS = ["numbers", "words", "missing", "both"]
N_STEPS = 24
CHOSEN = {
    "hist_gradient_boosting": {"early_stopping": "false", "max_features": "0.5"},
    "random_forest": {"intelex": "false"},
    "extra_trees": {"intelex": "false"},
}
IN_STEPS = sorted(set(ALGORITHMS) - {"decision_tree"})


@pytest.fixture(autouse=True)
def every_step_is_kept(monkeypatch):
    forests = "mlserver_forest.training.algorithms.forests.forest_fit"
    monkeypatch.setattr(f"{forests}._SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    boosting = "mlserver_forest.training.algorithms.catboost.catboost_fit"
    monkeypatch.setattr(f"{boosting}._SECONDS_BETWEEN_SNAPSHOTS", 0)
    monkeypatch.setattr(checkpoints_module, "_LEAST_SECONDS", -1.0)
    monkeypatch.setattr(checkpoints_module, "_SECONDS_PER_SECOND_OF_KEEPING", 0.0)


def context_of(algorithm, columns, *, stop=None, checkpoints=None):
    chosen = parse({"algorithm": algorithm, **CHOSEN.get(algorithm, {})})
    random_state = np.random.default_rng(4)
    x = random_state.normal(size=(300, 4)).astype(chosen.algorithm.dtype)
    x[:, 3] = random_state.integers(0, 3, 300)
    y = (x[:, 0] + (x[:, 3] == 1) > 0.3).astype(np.int64)
    if columns in {"missing", "both"}:
        x[::7, 1] = x[::11, 3] = np.nan
    has_words = columns in {"words", "both"}
    categories = {"d": Categories(("blue", "green", "red"))} if has_words else {}
    target = Target("classification", (0, 1))
    spec = FitSpec(chosen, target, ("a", "b", "c", "d"), categories, 3, N_STEPS)
    return FitContext(
        spec=spec,
        estimator=spec.estimator(),
        training=Rows(x, y),
        validation=None,
        progress=Progress("trees", N_STEPS, lambda line: None),
        stop=stop or Stop(),
        checkpoints=checkpoints,
        say_once=lambda line: None,
    )


def answers(result, context):
    return result.estimator.predict_proba(context.training.x)


def interrupted(directory, algorithm, columns="numbers"):
    """Fit some of the steps, and keep them."""
    kept = Checkpoints(directory, "a", "f" * 64, print)
    result = fit(context_of(algorithm, columns, stop=StopAfter(1), checkpoints=kept))
    assert 0 < result.n_steps < N_STEPS


def resumed(directory, algorithm, columns="numbers", fingerprint="f" * 64):
    """The answers of a fit that is started again, and its log."""
    lines = []
    context = context_of(
        algorithm, columns, checkpoints=Checkpoints(directory, "a", fingerprint, lines.append)
    )
    return answers(fit(context), context), lines


@pytest.fixture(scope="module")
def uninterrupted():
    found = {}

    def answers_of(algorithm, columns="numbers"):
        if (algorithm, columns) not in found:
            context = context_of(algorithm, columns)
            found[algorithm, columns] = answers(fit(context), context)
        return found[algorithm, columns]

    return answers_of


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_a_fit_that_is_started_again_ends_as_if_it_had_never_stopped(
    tmp_path, algorithm, columns, uninterrupted
):
    if algorithm in IN_STEPS:
        interrupted(tmp_path, algorithm, columns)
    found, lines = resumed(tmp_path, algorithm, columns)
    np.testing.assert_allclose(found, uninterrupted(algorithm, columns), rtol=1e-6, atol=1e-9)
    assert [line for line in lines if "continuing from" in line] == lines
    assert len(lines) == (algorithm in IN_STEPS)


@pytest.mark.parametrize("algorithm", IN_STEPS)
def test_a_damaged_checkpoint_costs_a_line(tmp_path, algorithm, uninterrupted):
    """Cut at any length, with any bit flipped, or with other content under a right digest."""
    interrupted(tmp_path, algorithm)
    *_, path = sorted(tmp_path.iterdir())
    whole = path.read_bytes()
    kept = {other: other.read_bytes() for other in tmp_path.iterdir()}
    random_state = np.random.default_rng(1)
    harmed = [b"", whole[:31], whole[:32], whole[:33], whole[:-1], whole + b"\0", b"\0" * 9]
    harmed += [whole[:n] for n in random_state.integers(len(whole), size=3)]
    for place in (0, 32, len(whole) - 1, *random_state.integers(len(whole), size=3)):
        harmed.append(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
    # Boosters are read by their libraries, which trust a text or abort the process; nobody but this
    # package writes a right digest.
    if algorithm not in {"xgboost", "lightgbm", "catboost"}:
        for content in (b"", b"[]", b"PK\x03\x04", whole[40:], whole[32:-20]):
            harmed.append(checkpoints_module._digest(path.name, content) + content)
    other_version = hashlib.sha256(path.name.encode() + b"\n" + whole[32:]).digest()
    harmed.append(other_version + whole[32:])
    for raw in harmed:
        for other, content in kept.items():
            other.write_bytes(content)
        path.write_bytes(raw)
        found, (line,) = resumed(tmp_path, algorithm)
        assert f"{path.name} is damaged or of another version, and is not used; " in line
        assert ("continuing from" in line) == (len(kept) > 1)
        np.testing.assert_allclose(found, uninterrupted(algorithm), rtol=1e-6, atol=1e-9)
        for other in tmp_path.iterdir():
            other.unlink()


@pytest.mark.parametrize("algorithm", IN_STEPS)
def test_another_jobs_checkpoints_are_removed_with_a_line(tmp_path, algorithm, uninterrupted):
    interrupted(tmp_path, algorithm)
    found, (line,) = resumed(tmp_path, algorithm, fingerprint="e" * 64)
    assert "of other rows, hyperparameters or versions" in line
    assert "training begins anew" in line
    np.testing.assert_allclose(found, uninterrupted(algorithm), rtol=1e-6, atol=1e-9)

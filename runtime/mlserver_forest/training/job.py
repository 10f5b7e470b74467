"""The training job: configuration in, model directory out."""

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest import artifact
from mlserver_forest.errors import InvalidData
from mlserver_forest.forest.importer import import_estimator
from mlserver_forest.formats.quoting import quoted
from mlserver_forest.training import hyperparameters as hp
from mlserver_forest.training.channels import Table, read_channel
from mlserver_forest.training.config import TrainingConfig
from mlserver_forest.training.estimators import DTYPES, make_estimator
from mlserver_forest.training.evaluation import evaluate, hold_out, metric_lines
from mlserver_forest.training.suitability import require_suitable_labels
from mlserver_forest.training.targets import Target, learn_target

MODEL_NAME = "forest"

_RECORDED = ("mlserver-forest", "scikit-learn", "numpy")
# Enough rows for the kernel's path of eight rows at a time, twice, and for its remainder.
_SELF_TEST_ROWS = 17
_MANY_CLASSES = 200

Say = Callable[[str], None]


def run(config: TrainingConfig, say: Say) -> None:
    """Train a forest and write it to ``config.model_dir``.

    Args:
        config: what SageMaker told the job.
        say: takes each line of the log.

    Raises:
        JobError: naming what is wrong with hyperparameters or data.
        InvalidEnvironment: if the model's folder cannot be written.
    """
    chosen = hp.parse(config.hyperparameters)
    artifact.make_writable(config.model_dir)
    table = read_channel(config.training_channel(), chosen.job.header)
    target = learn_target(table, chosen.job.task)
    say(_summary(table, target))
    x, y = _features(chosen, table), target.encode(table)
    validation = _validation(config, chosen, table, target)
    estimator = _estimator(chosen, target, table)
    require_suitable_labels(chosen, y)
    if validation is not None:
        _fit(estimator, x, y)
        _report(estimator, *validation, target, say)
    else:
        _evaluate_on_hold_out(chosen, table, target, say)
        _fit(estimator, x, y)
    if getattr(chosen.algorithm, "oob_score", False):
        say(*metric_lines("train", {"oob_score": float(estimator.oob_score_)}))
    imported = import_estimator(estimator)
    artifact.save(
        config.model_dir,
        imported.forest,
        replace(imported.schema, feature_names=table.names, classes=target.classes),
        name=MODEL_NAME,
        versions=[f"{name}/{version(name)}" for name in _RECORDED],
        self_test=_self_test(estimator, x, target),
    )
    say(f"wrote the model to {config.model_dir}")


def _validation(
    config: TrainingConfig, chosen: hp.Hyperparameters, training: Table, target: Target
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    channel = config.validation_channel()
    if channel is None:
        return None
    table = read_channel(channel, chosen.job.header)
    same_names = table.names == training.names or not (table.has_header and training.has_header)
    if len(table.names) != len(training.names) or not same_names:
        raise InvalidData(
            f"{table.files[0].header_place()}: the columns {quoted(list(table.names))} are not "
            f"those of the training channel, {quoted(list(training.names))}"
        )
    return _features(chosen, table), target.encode(table)


def _features(chosen: hp.Hyperparameters, table: Table) -> NDArray[Any]:
    return table.features.astype(DTYPES[chosen.job.algorithm], copy=False)


def _estimator(chosen: hp.Hyperparameters, target: Target, table: Table) -> Any:
    seed = chosen.random_state or 0
    return make_estimator(chosen, target.kind, target.classes, table.names, {}, seed)


def _evaluate_on_hold_out(
    chosen: hp.Hyperparameters, table: Table, target: Target, say: Say
) -> None:
    x, y = _features(chosen, table), target.encode(table)
    fraction = chosen.job.validation_fraction or 0.2
    split = hold_out(y, target.kind, fraction, chosen.random_state or 0)
    if split is None:
        say("too few rows to hold some out; no validation metrics")
        return
    learn, held_out = split
    say(
        f"no validation channel: validating on {len(held_out)} held-out rows; "
        "the model itself is fitted on all rows"
    )
    estimator = _estimator(chosen, target, table)
    _fit(estimator, x[learn], y[learn])
    _report(estimator, x[held_out], y[held_out], target, say)


def _fit(estimator: Any, x: NDArray[Any], y: NDArray[Any]) -> None:
    try:
        estimator.fit(x, y)
    except ValueError as error:
        raise InvalidData(f"scikit-learn cannot fit these rows: {error}") from error


def _report(estimator: Any, x: NDArray[Any], y: NDArray[Any], target: Target, say: Say) -> None:
    for line in metric_lines("validation", evaluate(estimator, x, y, target.kind)):
        say(line)


def _self_test(
    estimator: Any, x: NDArray[Any], target: Target
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Rows spread over the data, and scikit-learn's answers summed in its own order."""
    rows = x[np.linspace(0, len(x) - 1, _SELF_TEST_ROWS).astype(int)]
    if "n_jobs" in estimator.get_params():
        estimator.set_params(n_jobs=1)
    if target.kind == "classification":
        return rows, estimator.predict_proba(rows)
    return rows, estimator.predict(rows).reshape(-1, 1)


def _summary(table: Table, target: Target) -> str:
    rows, columns = table.features.shape
    header = "a header" if table.has_header else "no header"
    text = f"read {rows} rows with {columns} features from {len(table.files)} file(s), {header}: "
    if target.kind == "regression":
        return text + "a regression"
    hint = ""
    if len(target.classes) > _MANY_CLASSES:
        hint = "; if the label is a quantity, set task=regression"
    return text + f"a classification with {len(target.classes)} classes{hint}"

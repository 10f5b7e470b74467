"""The training job: configuration in, model directory out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.artifact import model_directory
from mlserver_forest.artifact.atomic_write import make_writable
from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.insight.baseline import Baseline
from mlserver_forest.insight.coverage import CoverageResult
from mlserver_forest.model.card import Card
from mlserver_forest.model.model import Model
from mlserver_forest.reports.training import Facts, warnings_of, write_report
from mlserver_forest.reports.training.results import Results, results_of
from mlserver_forest.training.algorithms import Hyperparameters, parse
from mlserver_forest.training.cluster.join import on_all_hosts
from mlserver_forest.training.cluster.one_host import Hosts
from mlserver_forest.training.config import VALIDATION_CHANNEL, TrainingConfig
from mlserver_forest.training.data.job_data import Data
from mlserver_forest.training.fitting.fit_rows import AnyRows
from mlserver_forest.training.fitting.job_fitting import Fitted, Fitting
from mlserver_forest.training.fitting.stopping import Stop
from mlserver_forest.training.model_card import card_of
from mlserver_forest.training.validation.evaluation import coverage_lines, evaluate, metric_lines
from mlserver_forest.training.validation.holdout import Checking, Checks
from mlserver_forest.training.validation.interval_learning import Learning
from mlserver_forest.training.validation.label_checks import (
    require_held_out_rows,
    require_rows_to_calibrate,
)

MODEL_NAME = "forest"

_LIBRARIES = {"xgboost": "xgboost-cpu", "lightgbm": "lightgbm"}
# Enough rows for the kernel's path of eight rows at a time, twice, and for its remainder.
_SELF_TEST_ROWS = 17
_MANY_CLASSES = 200

Say = Callable[[str], None]


def run(config: TrainingConfig, say: Say, stop: Stop) -> None:
    """Train a model and write it to ``config.model_dir``.

    Args:
        config: what SageMaker told the job.
        say: takes each line of the log.
        stop: asked between trees or rounds; where it says so, what has grown is saved.

    Raises:
        JobError: naming what is wrong with hyperparameters or data.
        InvalidEnvironment: if the model's folder cannot be written.
    """
    chosen = parse(config.hyperparameters)
    has_validation = config.channel(VALIDATION_CHANNEL) is not None
    require_held_out_rows(chosen, has_validation=has_validation)
    on_all_hosts(config, chosen, say, stop, partial(_train, config, chosen, say, stop))


def _train(
    config: TrainingConfig, chosen: Hyperparameters, say: Say, stop: Stop, hosts: Hosts
) -> None:
    """What one host does, or the first of several, to whom the others lend their hands."""
    make_writable(config.model_dir)
    data = hosts.read()
    n_validation = None if data.validation is None else len(data.validation)
    require_rows_to_calibrate(chosen, len(data.training), n_validation)
    say(_summary(data))
    fitting = Fitting(chosen, data, hosts)
    fingerprint = fitting.fingerprint(data.training)
    seed = fitting.seed(fingerprint)
    level = chosen.job.prediction_interval
    learning = Learning(level, chosen, data, seed, say, stop) if level else None
    checks = Checking(fitting, chosen, data, seed, say, stop, learning).run()
    fitted = fitting.fit(
        data.training,
        data.validation,
        seed,
        kept_as=fingerprint,
        n_steps=checks.n_steps,
        wants_out_of_bag=data.validation is None,
    )
    stop.has_a_model = True
    sureness = learning.run(fitted, checks.trial) if learning else None
    card = card_of(chosen, data, fitted, checks.metrics)
    _save(config, chosen, data, fitted, sureness, card)
    if stop.is_requested:
        without = ", without intervals" if learning and not sureness else ""
        say(f"stopped by SIGTERM; saved what had grown, {fitted.grown.n_steps}{without}")
        return
    _evaluate(data, fitted, checks)
    for prefix, found in checks.metrics.items():
        for line in metric_lines(prefix, found):
            say(line)
    for line in coverage_lines(sureness) if sureness else ():
        say(line)
    importances = None
    if chosen.job.report:
        facts = _facts(chosen, data, fitted, checks, sureness)
        results = results_of(facts)
        importances = results.importances
        _report(config, facts, results, say)
    card = card_of(chosen, data, fitted, checks.metrics, importances)
    model_directory.replace_card(config.model_dir, card)
    say(f"wrote the model to {config.model_dir}")


def _save(
    config: TrainingConfig,
    chosen: Hyperparameters,
    data: Data,
    fitted: Fitted,
    sureness: CoverageResult | None,
    card: Card,
) -> None:
    schema = replace(
        fitted.imported.schema,
        feature_names=data.table.names,
        categories=data.table.categories,
        index_base=data.table.index_base,
    )
    forest = fitted.imported.forest
    baseline = Baseline.from_rows(data.training.shown().x, forest, schema)
    model_directory.save(
        config.model_dir,
        Model(
            schema,
            forest,
            baseline,
            sureness.intervals if sureness else None,
            card=card,
        ),
        name=MODEL_NAME,
        versions=[f"{name}/{number}" for name, number in _versions(chosen).items()],
        self_test=_self_test(fitted.grown.estimator, data),
    )


def _self_test(estimator: Any, data: Data) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Rows spread over the data, and the library's answers, summed in its own order."""
    x = data.training.shown().x
    rows = x[np.linspace(0, len(x) - 1, _SELF_TEST_ROWS).astype(int)]
    if "n_jobs" in estimator.get_params():
        estimator.set_params(n_jobs=1)
    is_classes = data.target.kind == "classification"
    answers = estimator.predict_proba(rows) if is_classes else estimator.predict(rows)
    return rows, np.asarray(answers, np.float64).reshape(len(rows), -1)


def _evaluate(data: Data, fitted: Fitted, checks: Checks) -> None:
    """Metrics of every set of rows that tells something."""
    target = data.target
    given = {"train": data.training, "validation": data.validation, "test": data.test}
    known = {name: (rows, fitted.answers_to(rows)) for name, rows in given.items() if rows}
    if fitted.grown.out_of_bag is not None:
        known["oob"] = _out_of_bag(data.training, fitted.grown.out_of_bag.answers())
    for name, (rows, answers) in known.items():
        if len(rows):
            found = evaluate(answers, rows.y, target.kind, target.classes, rows.weight)
            checks.metrics[name] = found
            checks.sets[name] = (rows.y, answers)


def _out_of_bag(rows: AnyRows, answers: NDArray[Any]) -> tuple[AnyRows, NDArray[Any]]:
    """The rows that some tree did not see, and its answers."""
    known = np.flatnonzero(~np.isnan(answers).any(axis=1))
    return rows.take(known), answers[known] if answers.shape[1] > 1 else answers[known, 0]


def _facts(
    chosen: Hyperparameters,
    data: Data,
    fitted: Fitted,
    checks: Checks,
    sureness: CoverageResult | None,
) -> Facts:
    training = data.training.shown()
    return Facts(
        model=chosen.job.algorithm,
        kind=data.target.kind,
        classes=data.target.classes,
        hyperparameters=chosen.given(),
        versions=_versions(chosen),
        names=data.table.names,
        categories=data.table.categories,
        x=training.x,
        y=training.y,
        weight=training.weight,
        metrics=checks.metrics,
        sets=checks.sets,
        held_out={
            name: (rows.shown().x, rows.shown().y)
            for name, rows in {"validation": data.validation, "test": data.test}.items()
            if rows
        },
        impurity_importances=getattr(fitted.grown.estimator, "feature_importances_", None),
        predict=fitted.answers,
        curve=[
            (n_steps, {f"validation:{name}": value for name, value in found.items()})
            for n_steps, found in fitted.grown.curve
        ],
        files=data.table.summary.files,
        sureness=sureness,
    )


def _report(config: TrainingConfig, facts: Facts, results: Results, say: Say) -> None:
    for warning in warnings_of(facts):
        say(f"warning: {warning}")
    try:
        write_report(config.output_data_dir, facts, results)
    except InvalidEnvironment as error:  # The model is saved; it is worth more than its report.
        say(f"no report: {error}")


def _versions(chosen: Hyperparameters) -> Mapping[str, str]:
    library = _LIBRARIES.get(chosen.job.algorithm, "scikit-learn")
    return {name: version(name) for name in ("mlserver-forest", library, "numpy")}


def _summary(data: Data) -> str:
    table, target = data.table, data.target
    names = "a header" if table.has_names else "no header"
    n_files = len(table.summary.files)
    rows, columns = table.x.shape
    text = f"read {rows} rows with {columns} features from {n_files} file(s), {names}: "
    if target.kind == "regression":
        return text + "a regression"
    hint = ""
    if len(target.classes) > _MANY_CLASSES:
        hint = "; if the label is a quantity, set task=regression"
    return text + f"a classification with {len(target.classes)} classes{hint}"

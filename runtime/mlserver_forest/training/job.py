"""The training job, from its configuration to the model directory.

``channels -> parse -> schema -> fit -> Model -> artifact -> report``
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.artifact import model_directory
from mlserver_forest.artifact.atomic_write import make_folder, make_writable
from mlserver_forest.artifact.earlier_model import keep_earlier_model
from mlserver_forest.artifact.folder_lock import lock_folder, lock_share
from mlserver_forest.errors import InvalidEnvironment, count
from mlserver_forest.evaluation.quality_metrics import evaluate
from mlserver_forest.importers.registry import importer_of
from mlserver_forest.insight.baseline import Baseline
from mlserver_forest.insight.coverage import CoverageResult
from mlserver_forest.insight.decision_rule import MOST_PROBABLE, DecisionRule
from mlserver_forest.model.card import Card
from mlserver_forest.optional_library import require
from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.importances import Importances
from mlserver_forest.reports.training.results import results_of
from mlserver_forest.reports.training.write_report import remove_report, warnings_of, write_report
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters, parse
from mlserver_forest.training.cluster.hosts import Hosts, OneHost, require_one_host
from mlserver_forest.training.config import VALIDATION_CHANNEL, TrainingConfig
from mlserver_forest.training.data.job_data import Data
from mlserver_forest.training.fitting.checkpoints import lock_name
from mlserver_forest.training.fitting.fit_rows import AnyRows
from mlserver_forest.training.fitting.job_fitter import FittedModel, JobFitter
from mlserver_forest.training.fitting.stopping import Stop
from mlserver_forest.training.model_card import card_of
from mlserver_forest.training.validation.decision_learner import (
    Decision,
    DecisionLearner,
    HeldOut,
    require_classes_to_decide,
)
from mlserver_forest.training.validation.holdout import HoldoutValidation, ValidationResult
from mlserver_forest.training.validation.interval_learner import HeldOutAnswers, IntervalLearner
from mlserver_forest.training.validation.label_checks import (
    require_held_out_rows,
    require_rows_to_calibrate,
)
from mlserver_forest.training.validation.metric_log import log_lines
from mlserver_forest.training.validation.trial_rows import trial_rows

# Enough rows for two blocks of the kernel's path of eight rows at a time, and a remainder.
_SELF_TEST_ROWS = 17
_ROUNDING = 1e-5

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class _Trained:
    """A job whose model is fitted.

    Attributes:
        chosen: the hyperparameters.
        data: the rows of all channels.
        model: the fitted model.
        validation: metrics and predictions by set of rows.
        coverage: intervals or prediction sets and their measured coverage, or None.
        decision: the calibration and the threshold, or None.
    """

    chosen: Hyperparameters
    data: Data
    model: FittedModel
    validation: ValidationResult
    coverage: CoverageResult | None
    decision: Decision | None = None

    @property
    def rule(self) -> DecisionRule:
        """Which class the model predicts."""
        return self.decision.result.rule if self.decision else MOST_PROBABLE

    @property
    def versions(self) -> Mapping[str, str]:
        """The libraries that the model depends on, and their versions."""
        library = self.chosen.algorithm.distribution
        return {name: version(name) for name in ("mlserver-forest", library, "numpy")}


def run(config: TrainingConfig, say: Say, stop: Stop) -> None:
    """Train a model and write it to ``config.model_dir``.

    Args:
        config: SageMaker's description of the job.
        say: is called with each line of the log.
        stop: is checked between trees or rounds; if it is set, the model so far is saved.

    Raises:
        JobError: naming what is wrong with hyperparameters or data.
        InvalidEnvironment: if the model's folder cannot be written, if another job is using it or
            the checkpoints, or if a library is missing.
    """
    chosen = parse(config.hyperparameters)
    require(chosen.algorithm.module, chosen.algorithm.extra)
    has_validation = config.channel(VALIDATION_CHANNEL) is not None
    require_held_out_rows(chosen, has_validation=has_validation)
    require_one_host(chosen, len(config.hosts))
    here = OneHost(config, chosen, say, stop)
    with _folders_of(config):
        _run_on_hosts(here, partial(_train, here))


@contextmanager
def _folders_of(config: TrainingConfig) -> Iterator[None]:
    """Hold what this host writes: the model's folder if it saves the model, and its checkpoints.

    Raises:
        InvalidEnvironment: if another job holds them, or the model's folder cannot be written.
    """
    with ExitStack() as held:
        if config.is_first:
            make_folder(config.model_dir)
            held.enter_context(lock_folder(config.model_dir))
            make_writable(config.model_dir)
        held.enter_context(lock_share(config.checkpoints, lock_name(config.host)))
        yield


def _run_on_hosts(here: OneHost, train: Callable[[Hosts], None]) -> None:
    if len(here.config.hosts) == 1:
        train(here)
        return
    require("distributed", "train")
    from mlserver_forest.training.cluster.roles import take_part  # It imports Dask.

    take_part(here, train)


def _train(here: OneHost, hosts: Hosts) -> None:
    """Train on one host, or on the first of several with the help of the others."""
    config, say, stop = here.config, here.say, here.stop
    data = _read(here, hosts)
    trained = _fit(here, hosts, data)
    _save(config, trained, say)
    if stop.is_requested:
        has_none = here.chosen.job.prediction_interval and not trained.coverage
        without = ", without intervals" if has_none else ""
        n_steps, unit = trained.model.result.n_steps, here.chosen.algorithm.unit
        say(f"stopped by SIGTERM; saved the model so far, {n_steps} {unit}{without}")
        return
    _evaluate(trained)
    decision = trained.decision.result if trained.decision else None
    metrics, coverage = trained.validation.metrics, trained.coverage
    for line in log_lines(metrics, decision, coverage, has_reader=config.has_reader):
        say(line)
    importances = _report(config, trained, say) if here.chosen.job.report else None
    _add_to_card(config, _card(trained, importances), say)
    say(f"wrote the model to {config.model_dir}")


def _read(here: OneHost, hosts: Hosts) -> Data:
    data = hosts.read()
    n_validation = None if data.validation is None else len(data.validation)
    require_classes_to_decide(here.chosen, data.target.kind, data.target.classes)
    require_rows_to_calibrate(here.chosen, len(data.training), n_validation)
    here.say(_summary(data))
    here.say(f"the target is {data.table.layout.target_name}")
    for note in data.notes:
        here.say(note.line)
    return data


def _fit(here: OneHost, hosts: Hosts, data: Data) -> _Trained:
    """Estimate how good the model will be, then fit it on all training rows."""
    chosen, say, stop = here.chosen, here.say, here.stop
    fitter = JobFitter(chosen, data, hosts, say)
    fingerprint = fitter.fingerprint(data.training)
    seed = fitter.seed(fingerprint)
    level = chosen.job.prediction_interval
    learner = IntervalLearner(level, chosen, data, seed, say, stop) if level else None
    validation = HoldoutValidation(fitter, chosen, data, seed, say, stop, learner).run()
    model = fitter.fit(
        data.training,
        data.validation,
        seed,
        kept_as=fingerprint,
        n_steps=validation.n_steps,
        wants_out_of_bag=data.validation is None,
    )
    stop.has_a_model = True
    line = model.result.early_stop(chosen.own.n_steps, chosen.own.patience)
    if line and not stop.is_requested and validation.n_steps is None:
        say(line)
    decision = _decide(here, data, model, validation, seed)
    if decision is not None:
        model = model.after(decision.predictor)
        validation = _decided(validation, decision, data)
    coverage = learner.run(model, validation.trial) if learner else None
    return _Trained(chosen, data, model, validation, coverage, decision)


def _decide(
    here: OneHost, data: Data, model: FittedModel, validation: ValidationResult, seed: int
) -> Decision | None:
    """Learn the calibration and the threshold that were asked for, on held-out rows."""
    if not here.chosen.job.decides or here.stop.is_requested:
        return None
    held_out = None
    if data.validation is not None:
        rows = data.validation
        held_out = HeldOut.of(model.answers_to(rows), rows.y, rows.weight)
    elif "validation" in validation.sets:
        y, answers = validation.sets["validation"]
        held_out = HeldOut.of(answers, y, validation.weight)
    return DecisionLearner(here.chosen, data.target.classes, seed, here.say).run(held_out)


def _decided(validation: ValidationResult, decision: Decision, data: Data) -> ValidationResult:
    """The held-out rows as the decision answers them: each half by what the other half gave."""
    held_out, answers = decision.held_out, decision.cross_fitted
    rule, target = decision.result.rule, data.target
    found = evaluate(answers, held_out.y, target.kind, target.classes, held_out.weight, rule)
    return replace(
        validation,
        metrics={**validation.metrics, "validation": found},
        sets={**validation.sets, "validation": (held_out.y, answers)},
        trial=None if validation.trial is None else HeldOutAnswers(answers, held_out.y),
    )


def _make_room(config: TrainingConfig, say: Say) -> None:
    """Prepare the folders for a model that is about to take its place."""
    if config.keeps_earlier and (kept := keep_earlier_model(config.model_dir)):
        say(f"the earlier model is kept in {kept}")
    # A report never lies beside a model that it does not describe.
    remove_report(config.output_data_dir)


def _save(config: TrainingConfig, trained: _Trained, say: Say) -> None:
    packed, coverage = trained.model.packed, trained.coverage
    rows = trained.data.training.sample()
    baseline = Baseline.from_rows(rows.x, packed.forest, packed.schema)
    model_directory.save(
        config.model_dir,
        replace(
            packed,
            baseline=baseline,
            calibration=coverage.intervals if coverage else None,
            card=_card(trained),
        ),
        name=config.model_name,
        versions=[f"{name}/{number}" for name, number in trained.versions.items()],
        self_test=_self_test(trained.model, trained.data),
        before_rename=partial(_make_room, config, say),
    )


def _card(trained: _Trained, importances: Importances | None = None) -> Card:
    return card_of(
        trained.chosen, trained.data, trained.model, trained.validation.metrics, importances
    )


def _self_test(model: FittedModel, data: Data) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Rows spread evenly over the data, and the library's own predictions for them.

    One thread sums the trees in their order, as the forest kernel does. XGBoost's dart rounds in
    another order: where it differs by no more than that, the predictions are those of the kernel.
    """
    estimator = model.result.estimator
    x = data.training.sample().x
    rows = x[np.linspace(0, len(x) - 1, _SELF_TEST_ROWS).astype(int)]
    if "n_jobs" in estimator.get_params():
        estimator.set_params(n_jobs=1)
    is_classes = data.target.kind == "classification"
    known = model.columns.matrix(rows)
    answers = estimator.predict_proba(known) if is_classes else estimator.predict(known)
    answers = np.asarray(answers, np.float64).reshape(len(rows), -1)
    own = model.forest.predict(rows).values
    is_same = own.shape == answers.shape and np.allclose(own, answers, _ROUNDING, _ROUNDING)
    if model.is_changed and is_same:
        return rows, model.packed.forest.predict(rows).values
    importer = importer_of(estimator)
    is_exact = importer is None or importer.has_exact_sums
    return rows, own if is_same and not is_exact else answers


def _evaluate(trained: _Trained) -> None:
    """Add the metrics of each set of rows to those of validation."""
    data, model, validation = trained.data, trained.model, trained.validation
    given = {"train": data.training, "validation": data.validation, "test": data.test}
    known = {name: (rows, model.answers_to(rows)) for name, rows in given.items() if rows}
    if model.result.out_of_bag is not None:
        known["oob"] = _out_of_bag(data.training, model.result.out_of_bag.average())
    target = data.target
    if trained.decision is not None:
        known.pop("validation", None)  # They are measured already, half by half.
        if "oob" in known:
            rows, answers = known["oob"]
            known["oob"] = rows, trained.decision.calibrated(answers)
    for name, (rows, answers) in known.items():
        if len(rows):
            found = evaluate(
                answers, rows.y, target.kind, target.classes, rows.weight, trained.rule
            )
            validation.metrics[name] = found
            validation.sets[name] = (rows.y, answers)


def _out_of_bag(rows: AnyRows, answers: NDArray[Any]) -> tuple[AnyRows, NDArray[Any]]:
    """The rows that at least one tree did not see, and the predictions for them."""
    known = np.flatnonzero(~np.isnan(answers).any(axis=1))
    return rows.take(known), answers[known] if answers.shape[1] > 1 else answers[known, 0]


def _add_to_card(config: TrainingConfig, card: Card, say: Say) -> None:
    try:
        model_directory.replace_card(config.model_dir, card)
    except InvalidEnvironment as error:  # The model is saved with the card that it had before.
        say(f"the model's card stays without the last metrics and importances: {error}")


def _report(config: TrainingConfig, trained: _Trained, say: Say) -> Importances:
    facts = _facts(trained, config)
    results = results_of(facts)
    for warning in warnings_of(facts):
        say(f"warning: {warning}")
    try:
        write_report(config.output_data_dir, facts, results)
    except InvalidEnvironment as error:  # The model is saved; it is worth more than its report.
        say(f"no report: {error}")
    return results.importances


def _facts(trained: _Trained, config: TrainingConfig) -> Facts:
    chosen, data, result = trained.chosen, trained.data, trained.model.result
    training = data.training.sample()
    return Facts(
        model=chosen.algorithm.name,
        title=chosen.algorithm.title,
        unit=chosen.algorithm.unit,
        kind=data.target.kind,
        classes=data.target.classes,
        hyperparameters=chosen.given(),
        versions=trained.versions,
        names=data.table.names,
        categories=data.table.categories,
        x=training.x,
        y=training.y,
        weight=training.weight,
        metrics=trained.validation.metrics,
        sets=trained.validation.sets,
        held_out={
            name: (rows.sample().x, rows.sample().y)
            for name, rows in {"validation": data.validation, "test": data.test}.items()
            if rows
        },
        trial=trial_rows(trained.validation, trained.decision),
        impurity_importances=trained.model.importances,
        part_importances=trained.model.part_importances,
        spellings=data.table.spellings,
        predict=trained.model.answers,
        curve=[
            (n_steps, {f"validation:{name}": value for name, value in found.items()})
            for n_steps, found in result.curve
        ],
        files=[config.file_titles.get(name, name) for name in data.table.summary.files],
        coverage=trained.coverage,
        decision=trained.decision.result if trained.decision else None,
        target=data.table.layout.target_title,
        notes=data.notes,
        leaderboard=config.leaderboard,
    )


def _summary(data: Data) -> str:
    table, target = data.table, data.target
    names = "a header" if table.has_names else "no header"
    n_files = len(table.summary.files)
    rows, columns = table.x.shape
    text = (
        f"read {count(rows, 'row')} with {count(columns, 'feature')} from "
        f"{count(n_files, 'file')}, {names}: "
    )
    if target.kind == "regression":
        return text + "a regression"
    return text + f"a classification with {len(target.classes)} classes"

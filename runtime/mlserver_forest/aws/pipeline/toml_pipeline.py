"""A pipeline's TOML file: its tables, read as options, become the parts of a pipeline."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlserver_forest.aws.fit.options import Check, fit_of, input_of, training_options
from mlserver_forest.aws.infrastructure import infrastructure_options
from mlserver_forest.aws.local_files import LocalFile
from mlserver_forest.aws.model_data import find_model_data
from mlserver_forest.aws.pipeline.definition import (
    EVALUATION,
    Bar,
    PackageSpec,
    PipelineSpec,
    Processing,
)
from mlserver_forest.aws.pipeline.processing_request import Machine
from mlserver_forest.aws.pipeline.section_options import (
    evaluation_options,
    predict_words,
    processing_options,
    registration_options,
)
from mlserver_forest.aws.pipeline.toml_section import TomlSection, unknown_key
from mlserver_forest.aws.platforms import AMD64, platform_of
from mlserver_forest.aws.request_check import InvalidRequest, describe_fault
from mlserver_forest.aws.session import Session
from mlserver_forest.aws.tune.search_options import tune_of, tuning_options
from mlserver_forest.errors import DeploymentError, ForestError

Files = tuple[tuple[str, LocalFile], ...]
_TRAINING = ("training", "tuning")
# SageMaker names the jobs of an execution itself.
_NOT_TRAINING = ("name",)
# The tables among the keys of the infrastructure.
_TOP_TABLES = ("tag", "env")
_TABLES: Mapping[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "processing": processing_options,
    "training": training_options,
    "tuning": lambda run: training_options(tuning_options(run)),
    "evaluation": evaluation_options,
    "registration": registration_options,
}
_OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]+)")
_SHORT = {"-p": "hyperparameter", "-r": "range"}


@dataclass(frozen=True)
class TomlPipeline:
    """What the file says.

    Attributes:
        file: its path.
        sections: its tables by name; the keys before the first one have the name "".
    """

    file: str
    sections: Mapping[str, TomlSection]

    def pipeline(
        self, session: Session, name: str, check: Check | None, folder: Path
    ) -> tuple[PipelineSpec, Files]:
        """The pipeline, and the (key, file) pairs of a local model that processing uses.

        Args:
            session: finds storage, role and image.
            name: the pipeline's name.
            check: checks hyperparameters, or None.
            folder: where the archive of a local model directory is written.

        Raises:
            ForestError: naming the file and the key.
        """
        with self._in_terms_of_keys():
            tuning = self.sections.get("tuning")
            shared = dict(self.sections[""].values)
            options = {**shared, **(tuning or self.sections["training"]).values, "data": ()}
            read = tune_of if tuning else fit_of
            training: Any = read(session, options, check, identifies=False)
            registration = dict(self.sections["registration"].values)
            self._check_platform(registration["instance_types"])
            pipeline = PipelineSpec(name, training, self._bar(), PackageSpec(**registration))
            if "processing" not in self.sections:
                return pipeline, ()
            return self._with_processing(session, pipeline, folder)

    def refusal(self, error: InvalidRequest) -> DeploymentError:
        """The same error with the keys of the file that the values come from."""
        lines: dict[tuple[Any, ...], str] = {}
        for fault in error.faults:
            keys = [key for one in self.sections.values() for key in one.keys_with(fault.value)]
            place = (tuple(keys) or fault.call, fault.expected)
            lines.setdefault(place, describe_fault(fault, keys))
        return DeploymentError("; ".join(lines.values()))

    def _check_platform(self, instance_types: Sequence[str]) -> None:
        """Check that endpoints run the image that trains, for which SageMaker has no Graviton."""
        place = self.sections["registration"].place("instance-type")
        for one in instance_types:
            if platform_of(one) != AMD64:
                raise DeploymentError(
                    f"{place} = {one!r}: it runs {platform_of(one)}, and the image that trains is "
                    f"for {AMD64}; expected a type such as ml.m5.large (forest register makes a "
                    f"version for {one})"
                )

    def _bar(self) -> Bar:
        options = dict(self.sections[EVALUATION].values)
        machine = _machine(options)
        data = input_of(EVALUATION, options.pop("data"))
        return Bar(data, machine=machine, value=options.pop("bar"), **options)

    def _with_processing(
        self, session: Session, pipeline: PipelineSpec, folder: Path
    ) -> tuple[PipelineSpec, Files]:
        options = dict(self.sections["processing"].values)
        machine, predict = _machine(options), predict_words(options)
        wanted, image = options["model"], options["image"]
        place = self.sections["processing"].place
        if bool(wanted) == bool(image):
            raise DeploymentError(
                f"{place('')}expected model, with which forest predict scores the rows, or image, "
                "and not both"
            )
        wrong = predict if image else options["entrypoint"] and ("entrypoint",)
        if wrong:
            key = wrong[0].partition("=")[0].lstrip("-")
            raise DeploymentError(
                f"{place(key)} requires {'model' if image else 'image'}; leave it out"
            )
        processing = Processing(
            options["channels"] or tuple(one.channel for one in pipeline.inputs),
            machine,
            image or pipeline.fit.infrastructure.image,
            options["entrypoint"] if image else ("forest", "predict"),
            (*predict, *options["arguments"]),
        )
        if not wanted:
            return replace(pipeline, processing=processing), ()
        storage = pipeline.fit.storage
        model = find_model_data(session.existing, storage, wanted, folder, session.say)
        if model.is_package:
            raise DeploymentError(
                f"{place('model')} = {wanted!r}: a model package; expected a training job, a model "
                "directory, a .tar.gz or its S3 URI"
            )
        return replace(pipeline, processing=replace(processing, model=model.uri)), model.files

    @contextmanager
    def _in_terms_of_keys(self) -> Iterator[None]:
        """Errors that name options name the file and its keys instead."""
        try:
            yield
        except ForestError as error:
            if isinstance(error, DeploymentError) and type(error) is not DeploymentError:
                raise  # What AWS refuses, and what it would refuse.
            if str(error).startswith(self.file):
                raise
            message = _OPTION.sub(self._key, str(error))
            for short, key in _SHORT.items():
                message = message.replace(f"{short} ", f"{key} ")
            error.args = (f"{self.file}: {message}",)
            raise

    def _key(self, option: re.Match[str]) -> str:
        """The key of an option, or the option itself if it stays one of the command line."""
        is_key = any(option[1] in one.keys for one in self.sections.values())
        return option[1] if is_key else option[0]


def read_pipeline(path: Path) -> TomlPipeline:
    """Read a file.

    Raises:
        DeploymentError: naming the file and the key, what came and what is expected.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DeploymentError(f"{path} is not TOML: {error}") from error
    except RecursionError as error:
        raise DeploymentError(f"{path} is nested too deeply; expected tables with keys") from error
    file = str(path)
    tables = {name: one for name, one in document.items() if name in _TABLES}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise DeploymentError(f"{file}: {name} is not a table; expected [{name}]")
    top = {name: one for name, one in document.items() if name not in _TABLES}
    sections = {"": _top(file, top)}
    _check_tables(file, tables)
    for name, table in tables.items():
        left_out = _NOT_TRAINING if name in _TRAINING else ()
        sections[name] = TomlSection(file, name, table, _TABLES[name], left_out)
    return TomlPipeline(file, sections)


def _top(file: str, keys: Mapping[str, Any]) -> TomlSection:
    """The keys before the first table; a table that is none of theirs is misspelled."""
    for name, value in keys.items():
        if isinstance(value, dict) and name not in _TOP_TABLES:
            known = (*_TABLES, *_TOP_TABLES)
            raise DeploymentError(unknown_key(f"{file}: [{name}]", name, dict.fromkeys(known)))
    return TomlSection(file, "", keys, infrastructure_options)


def _check_tables(file: str, tables: Mapping[str, Any]) -> None:
    if len([name for name in _TRAINING if name in tables]) != 1:
        raise DeploymentError(
            f"{file}: expected either [training], one job, or [tuning], a search, and not both"
        )
    for name in (EVALUATION, "registration"):
        if name not in tables:
            raise DeploymentError(f"{file}: there is no [{name}]; expected a table of this name")


def _machine(options: dict[str, Any]) -> Machine:
    return Machine(*(options.pop(name) for name in ("instance_type", "volume_gb", "max_run")))

"""The definition of a pipeline: process, train or tune, evaluate, compare with the bar, register.

Its form is AWS's "pipeline definition JSON schema" (aws-sagemaker-mlops on GitHub) with what the
SageMaker SDK writes beyond it: property files, Std:JsonGet and Std:Join. The arguments of a step
are the request of the job that it runs, without the job's name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.fit.plan import Fit, Input, definition
from mlserver_forest.aws.inference_specification import inference_specification
from mlserver_forest.aws.naming import tag_list
from mlserver_forest.aws.pipeline.expressions import (
    EXECUTION_ID,
    join,
    json_member,
    parameter,
    property_of,
)
from mlserver_forest.aws.pipeline.processing_request import (
    Machine,
    ProcessingRequest,
    local_path,
)
from mlserver_forest.aws.register.model_quality import MEDIA_TYPE
from mlserver_forest.aws.step import members
from mlserver_forest.aws.tune.plan import Tune, is_minimized, search_request

TRAIN, TUNE, EVALUATE, REGISTER = "Train", "Tune", "Evaluate", "Register"
_CHECK, _STOP = "CheckBar", "BarNotReached"
INSTANCE_TYPE, BAR = "InstanceType", "Bar"
EVALUATION = "evaluation"
_MODEL, _DATA, _OUTPUT = "model", "data", "output"
_PROPERTY_FILE, _RESULT = "Evaluation", "evaluation.json"


@dataclass(frozen=True)
class Processing:
    """What is done with data before they are used.

    Attributes:
        channels: the channels that are processed; ``evaluation`` is the data of the evaluation.
        machine: what the jobs run on.
        image: the image.
        entrypoint: its command.
        arguments: the words after it.
        model: the S3 URI of the model with which rows are scored, or empty.
    """

    channels: tuple[str, ...]
    machine: Machine
    image: str
    entrypoint: tuple[str, ...]
    arguments: tuple[str, ...]
    model: str = ""


@dataclass(frozen=True)
class Bar:
    """The evaluation, and what it must reach.

    Attributes:
        data: the rows whose targets are known.
        target: the column of the targets.
        metric: the metric, as ``forest evaluate`` names it.
        value: what it must reach; losses and errors must not be above it.
        by: a column by whose values the rows are divided, too, or empty.
        machine: what the job runs on.
    """

    data: Input
    target: str
    metric: str
    value: float
    by: str
    machine: Machine


@dataclass(frozen=True)
class PackageSpec:
    """The model package that is made of a model that has reached the bar."""

    group: str
    approval: str
    description: str = ""
    instance_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class PipelineSpec:
    """A pipeline.

    Attributes:
        name: its name.
        training: one training job, or a search.
        processing: what is done with data first, or None.
    """

    name: str
    training: Fit | Tune
    bar: Bar
    registration: PackageSpec
    processing: Processing | None = None

    @property
    def fit(self) -> Fit:
        """The options of the training job, or of each one of a search."""
        return self.training.fit if isinstance(self.training, Tune) else self.training

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All data: the channels of training, and those of the evaluation."""
        return (*self.fit.inputs, self.bar.data)

    def folder(self, *parts: Any) -> dict[str, Any]:
        """The S3 URI of a folder that each execution has for itself."""
        return join(self.fit.storage.uri("pipelines", self.name), EXECUTION_ID, *parts)


def data_parameter(channel: str) -> str:
    """The name of the parameter with the S3 URI of a channel's data, such as TrainData."""
    return f"{channel.capitalize()}Data"


def parameters_of(pipeline: PipelineSpec) -> dict[str, str | float]:
    """The parameters that an execution can be given, with their defaults."""
    uris = {
        data_parameter(one.channel): one.uri_in(pipeline.fit.storage) for one in pipeline.inputs
    }
    return {
        **uris,
        INSTANCE_TYPE: pipeline.fit.machines.instance_type,
        BAR: pipeline.bar.value,
    }


def pipeline_definition(pipeline: PipelineSpec) -> dict[str, Any]:
    """The whole document."""
    parameters = [
        {
            "Name": name,
            "Type": "String" if isinstance(value, str) else "Float",
            "DefaultValue": value,
        }
        for name, value in parameters_of(pipeline).items()
    ]
    wanted = pipeline.processing
    processing = (
        [_processing(pipeline, wanted, one) for one in _processed(pipeline)] if wanted else []
    )
    steps = [*processing, _training(pipeline), _evaluation(pipeline), _condition(pipeline)]
    return {"Version": "2020-12-01", "Parameters": parameters, "Steps": steps}


def _processed(pipeline: PipelineSpec) -> list[str]:
    wanted = pipeline.processing.channels if pipeline.processing else ()
    return [one.channel for one in pipeline.inputs if one.channel in wanted]


def _source(pipeline: PipelineSpec, channel: str) -> dict[str, str]:
    """Where a channel's data are: where they were, or what the processing step has written."""
    if channel not in _processed(pipeline):
        return parameter(data_parameter(channel))
    path = f"ProcessingOutputConfig.Outputs['{_OUTPUT}'].S3Output.S3Uri"
    return property_of(_step_name(channel), path)


def _step_name(channel: str) -> str:
    return f"Process-{channel}"


def _step(name: str, kind: str, arguments: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "Arguments": dict(arguments), **more}


def _processing(pipeline: PipelineSpec, wanted: Processing, channel: str) -> dict[str, Any]:
    model = {_MODEL: wanted.model} if wanted.model else {}
    paths = [local_path(one) for one in (*model, _DATA)]
    written = ["--out", local_path(_OUTPUT)] if wanted.model else []
    request = ProcessingRequest(
        wanted.image,
        wanted.entrypoint,
        (*(paths if wanted.model else ()), *written, *wanted.arguments),
        inputs={**model, _DATA: parameter(data_parameter(channel))},
        outputs={_OUTPUT: pipeline.folder(channel)},
    )
    shared = pipeline.fit.infrastructure
    return _step(_step_name(channel), "Processing", request.members(shared, wanted.machine))


def _training(pipeline: PipelineSpec) -> dict[str, Any]:
    fit = pipeline.fit
    body = definition(fit)
    for channel in body["InputDataConfig"]:
        source = channel["DataSource"]["S3DataSource"]
        source["S3Uri"] = _source(pipeline, channel["ChannelName"])
    body["ResourceConfig"]["InstanceType"] = parameter(INSTANCE_TYPE)
    # Another execution must not go on from the checkpoints of one that has ended.
    prefix = fit.checkpoints or fit.storage.uri("checkpoints", pipeline.name)
    if fit.machines.spot or fit.checkpoints:
        body["CheckpointConfig"] = {"S3Uri": join(prefix.rstrip("/"), EXECUTION_ID)}
    tags = {"Tags": tag_list(fit.infrastructure.tags)}
    fixed = dict(fit.hyperparameters)
    if not isinstance(pipeline.training, Tune):
        return _step(TRAIN, "Training", {**body, **members(HyperParameters=fixed), **tags})
    config = search_request(pipeline.training)
    search = {
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": {**body, **members(StaticHyperParameters=fixed)},
    }
    return _step(TUNE, "Tuning", {**search, **tags})


def _model(pipeline: PipelineSpec) -> dict[str, Any]:
    """The S3 URI of the model, which for a search is that of its best training job."""
    if not isinstance(pipeline.training, Tune):
        return property_of(TRAIN, "ModelArtifacts.S3ModelArtifacts")
    fit = pipeline.fit
    output = (fit.output or fit.storage.uri("jobs")).rstrip("/")
    job = property_of(TUNE, "BestTrainingJob.TrainingJobName")
    return join(output, job, "output", "model.tar.gz")


def _evaluation(pipeline: PipelineSpec) -> dict[str, Any]:
    bar, shared = pipeline.bar, pipeline.fit.infrastructure
    # With =, because a column may be called --by.
    words = [local_path(_MODEL), local_path(_DATA), f"--target={bar.target}"]
    words += [f"--by={bar.by}"] if bar.by else []
    request = ProcessingRequest(
        shared.image,
        ("forest", "evaluate"),
        (*words, "--out", f"{local_path(_OUTPUT)}/{_RESULT}"),
        inputs={_MODEL: _model(pipeline), _DATA: _source(pipeline, EVALUATION)},
        outputs={_OUTPUT: pipeline.folder(EVALUATION)},
    )
    file = {"PropertyFileName": _PROPERTY_FILE, "OutputName": _OUTPUT, "FilePath": _RESULT}
    arguments = request.members(shared, bar.machine)
    return _step(EVALUATE, "Processing", arguments, PropertyFiles=[file])


def _condition(pipeline: PipelineSpec) -> dict[str, Any]:
    bar = pipeline.bar
    condition = {
        "Type": "LessThanOrEqualTo" if is_minimized(bar.metric) else "GreaterThanOrEqualTo",
        "LeftValue": json_member(EVALUATE, _PROPERTY_FILE, f"metrics.{bar.metric}"),
        "RightValue": parameter(BAR),
    }
    said = join(
        f"{bar.metric} on the evaluation data has not reached the bar,",
        parameter(BAR),
        "so nothing was registered",
        separator=" ",
    )
    arguments = {
        "Conditions": [condition],
        "IfSteps": [_registration(pipeline)],
        "ElseSteps": [_step(_STOP, "Fail", {"ErrorMessage": said})],
    }
    return _step(_CHECK, "Condition", arguments)


def _registration(pipeline: PipelineSpec) -> dict[str, Any]:
    wanted = pipeline.registration
    result = pipeline.folder(EVALUATION, _RESULT)
    statistics = {"ContentType": MEDIA_TYPE, "S3Uri": result}
    container = {"Image": pipeline.fit.infrastructure.image, "ModelDataUrl": _model(pipeline)}
    arguments = members(
        ModelPackageGroupName=wanted.group,
        ModelPackageDescription=wanted.description,
        ModelApprovalStatus=wanted.approval,
        InferenceSpecification=inference_specification(container, wanted.instance_types),
        ModelMetrics={"ModelQuality": {"Statistics": statistics}},
    )
    return _step(REGISTER, "RegisterModel", arguments)

"""``forest pipeline``: data, the model package group, the pipeline, its schedule, an execution."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlserver_forest.aws.existing import UNKNOWN, Existing, Found
from mlserver_forest.aws.local_files import LocalFile
from mlserver_forest.aws.model_group import group_step
from mlserver_forest.aws.naming import tag_list
from mlserver_forest.aws.pipeline.definition import PipelineSpec, pipeline_definition
from mlserver_forest.aws.pipeline.execution import FollowExecution
from mlserver_forest.aws.pipeline.schedule import (
    PIPELINE_ARN,
    Schedule,
    schedule_steps,
)
from mlserver_forest.aws.resource_kinds import tags_of
from mlserver_forest.aws.step import Answer, Call, Plan, Step, members
from mlserver_forest.aws.storage import bucket_steps, upload_steps

EXECUTION_ARN = "ARN of the execution"
_LINES_AROUND = 2


@dataclass(frozen=True)
class Execution:
    """An execution that is to be started.

    Attributes:
        parameters: values in place of the defaults, as text.
        token: makes a call that is repeated after a lost answer start no second one.
        poll: seconds between two checks, or None not to wait.
    """

    parameters: Mapping[str, str]
    token: str
    poll: float | None = None


@dataclass(frozen=True)
class PipelineChange:
    """A pipeline as it is wanted, and what exists.

    Attributes:
        pipeline: what is wanted.
        found: the description of the present one.
        files: (key, file) pairs of a local model, which is uploaded.
        token: as in ``Execution``, for the pipeline.
        execution: what is started afterwards, or None.
        schedule: the schedule, or None to leave it as it is.
        found_schedule: the description of the present one.
    """

    pipeline: PipelineSpec
    found: Found
    token: str
    files: tuple[tuple[str, LocalFile], ...] = ()
    execution: Execution | None = None
    schedule: Schedule | None = None
    found_schedule: Found = None
    text: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", definition_text(self.pipeline))

    @property
    def arn(self) -> str:
        """The pipeline's ARN, or a name for it until it is created."""
        known = self.found is not None and self.found is not UNKNOWN
        return str(self.found["PipelineArn"]) if known else f"<{PIPELINE_ARN}>"  # type: ignore[index]

    @property
    def is_unchanged(self) -> bool:
        """Whether the present pipeline is the same."""
        return not self.changes() if self.found and self.found is not UNKNOWN else False

    def changes(self) -> list[str]:
        """What an update changes, as lines of a diff."""
        if self.found is None or self.found is UNKNOWN:
            return []
        before, after = json.loads(self.found["PipelineDefinition"]), json.loads(self.text)
        old, new = (json.dumps(one, indent=1, sort_keys=True) for one in (before, after))
        diff = difflib.unified_diff(old.split("\n"), new.split("\n"), n=_LINES_AROUND, lineterm="")
        lines = [line for line in list(diff)[2:] if not line.startswith("@@")]
        role, wanted = self.found["RoleArn"], self.pipeline.fit.infrastructure.role
        return lines if role == wanted else [f"-role: {role}", f"+role: {wanted}", *lines]


def find_pipeline(existing: Existing, name: str) -> Found:
    """The description of a pipeline, None if there is none, or UNKNOWN."""
    return existing.find(_look_up(name))


def definition_text(pipeline: PipelineSpec) -> str:
    """The definition as it is written and sent."""
    return json.dumps(pipeline_definition(pipeline), indent=1)


def plan(change: PipelineChange, existing: Existing) -> Plan:
    """The steps: bucket, uploads, group, pipeline, schedule and execution.

    Args:
        change: what is wanted and what exists.
        existing: the account.
    """
    pipeline = change.pipeline
    storage, shared = pipeline.fit.storage, pipeline.fit.infrastructure
    files = [
        *(
            (storage.key(*one.prefix, file.name), file)
            for one in pipeline.inputs
            for file in one.files
        ),
        *change.files,
    ]
    schedule = change.schedule
    return (
        *bucket_steps(storage, existing),
        *upload_steps(storage, files, existing, shared.kms_key),
        group_step(existing, pipeline.registration.group, shared.tags),
        *_pipeline_steps(change),
        *_tag_steps(change, existing),
        *(schedule_steps(schedule, change.found_schedule, change.arn) if schedule else ()),
        *(_execution_steps(pipeline, change.execution) if change.execution else ()),
    )


def _pipeline_steps(change: PipelineChange) -> Plan:
    name = change.pipeline.name
    shared = change.pipeline.fit.infrastructure
    body = {
        "PipelineName": name,
        "PipelineDefinition": change.text,
        "RoleArn": shared.role,
    }
    create = Step(
        Call(
            "sagemaker",
            "CreatePipeline",
            {**body, "ClientRequestToken": change.token, "Tags": tag_list(shared.tags)},
        ),
        found_by=_look_up(name),
        gives=_arn_of,
        makes=f"pipeline {name}",
        removed_by=f"aws sagemaker delete-pipeline --pipeline-name {name}",
    )
    update = Step(
        Call("sagemaker", "UpdatePipeline", body), gives=_arn_of, says=f"updated pipeline {name}"
    )
    if change.found is UNKNOWN:
        return (replace(create, unless=create.found_by), replace(update, only_if=create.found_by))
    if change.found is None:
        return (create,)
    return (replace(create, found=change.found),) if change.is_unchanged else (update,)


def _tag_steps(change: PipelineChange, existing: Existing) -> Plan:
    """The user's tags that a present pipeline does not have yet."""
    if change.found is None or change.found is UNKNOWN:
        return ()
    there = tags_of(existing, change.arn)
    wanted = change.pipeline.fit.infrastructure.tags
    new = [{"Key": key, "Value": text} for key, text in wanted if there.get(key) != text]
    request = {"ResourceArn": change.arn, "Tags": new}
    return (Step(Call("sagemaker", "AddTags", request)),) if new else ()


def _execution_steps(pipeline: PipelineSpec, execution: Execution) -> Plan:
    given = [{"Name": name, "Value": value} for name, value in execution.parameters.items()]
    request = {
        "PipelineName": pipeline.name,
        **members(PipelineParameters=given),
        "ClientRequestToken": execution.token,
    }
    start = Step(
        Call("sagemaker", "StartPipelineExecution", request),
        gives=lambda answer: {EXECUTION_ARN: answer["PipelineExecutionArn"]},
    )
    if execution.poll is None:
        return (start,)
    follow = FollowExecution(f"<{EXECUTION_ARN}>", execution.poll)
    return (start, Step(follow, given=(EXECUTION_ARN,)))


def _look_up(name: str) -> Call:
    return Call("sagemaker", "DescribePipeline", {"PipelineName": name})


def _arn_of(answer: Answer) -> Mapping[str, Any]:
    return {PIPELINE_ARN: answer["PipelineArn"]}

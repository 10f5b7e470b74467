"""The container of a model package, and what it reads, writes and runs on."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlserver_forest.aws.step import members
from mlserver_forest.formats.registry import FORMATS, answer_formats


def inference_specification(
    container: Mapping[str, Any],
    instance_types: Sequence[str],
    transform_instance_types: Sequence[str] = (),
) -> dict[str, Any]:
    """CreateModelPackage's member InferenceSpecification.

    Args:
        container: the image, the artifact and the variables.
        instance_types: those of endpoints; empty if nothing is said about them.
        transform_instance_types: those of batch transform jobs; empty if nothing is said about
            them.
    """
    return members(
        Containers=[dict(container)],
        SupportedTransformInstanceTypes=list(transform_instance_types),
        SupportedRealtimeInferenceInstanceTypes=list(instance_types),
        SupportedContentTypes=[name for one in FORMATS for name in one.media_types],
        SupportedResponseMIMETypes=[name for one in answer_formats() for name in one.media_types],
    )

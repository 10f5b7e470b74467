"""The metrics of a version in the registry, whoever has registered it.

``forest register`` writes them into the version's metadata. A pipeline cannot: its RegisterModel
step has had no CustomerMetadataProperties (sagemaker-python-sdk#2972), and names the file in S3
that ``forest evaluate --out`` has written in the same execution.
"""

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlserver_forest.aws.aws_errors import Refused
from mlserver_forest.aws.package_metadata import HEADLINE, metrics_of_package
from mlserver_forest.aws.step import Answer, Call
from mlserver_forest.aws.storage import split_uri

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws

# The set of rows that a pipeline measures a model on.
_ROWS = "evaluation"
# The result of an evaluation has a few kilobytes.
_MOST_BYTES = 1 << 22

Say = Callable[[str], None]


def find_metrics(aws: "Aws", found: Answer, say: Say) -> dict[str, float]:
    """The metrics of a version by name, such as "validation:accuracy" or "evaluation:accuracy".

    Args:
        aws: the account, in which the file of a pipeline's evaluation is read.
        found: the version's description.
        say: prints a line if the file cannot be read.

    Returns:
        The metrics, the headline first; empty if none are known.
    """
    metrics = metrics_of_package(found)
    if metrics:
        first = (found.get("CustomerMetadataProperties") or {}).get(HEADLINE, "")
        return {name: metrics[name] for name in sorted(metrics, key=lambda one: one != first)}
    quality = (found.get("ModelMetrics") or {}).get("ModelQuality") or {}
    uri = str((quality.get("Statistics") or {}).get("S3Uri", ""))
    if not uri:
        return {}
    try:
        return _evaluated(_read(aws, uri))
    except Refused as error:
        say(f"the metrics of version {found.get('ModelPackageVersion')} are not known: {error}")
        return {}


def _read(aws: "Aws", uri: str) -> bytes:
    """The bytes of an object; empty if there is none, or if it is too large for an evaluation."""
    bucket, key = split_uri(uri)
    call = Call("s3", "GetObject", {"Bucket": bucket, "Key": key})
    answer = aws.find(call)
    if answer is None or answer["ContentLength"] > _MOST_BYTES:
        return b""
    return b"".join(aws.blocks(call, answer))


def _evaluated(content: bytes) -> dict[str, float]:
    """The metrics in what ``forest evaluate --out`` writes; empty for any other document."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    metrics: Any = document.get("metrics") if isinstance(document, dict) else None
    if not isinstance(metrics, dict):
        return {}
    return {
        f"{_ROWS}:{name}": float(value)
        for name, value in metrics.items()
        if type(value) in {int, float} and math.isfinite(value)
    }

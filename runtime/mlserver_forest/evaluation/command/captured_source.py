"""Where captured data are: below a prefix in S3, or where an endpoint captures its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mlserver_forest.errors import InvalidData
from mlserver_forest.evaluation.captured.capture_record import (
    CaptureRecord,
    parse_records,
    variant_in_key,
)

if TYPE_CHECKING:
    from mlserver_forest.aws.session import Session

_ARCHIVE = ".tar.gz"


@dataclass(frozen=True)
class CapturedSource:
    """Prefixes in S3, and the model that answered.

    Attributes:
        prefixes: S3 URIs.
        start: the time of the first record, or None for all of them.
        archive: the S3 URI of the model's archive, or empty if the caller has the model.
    """

    prefixes: tuple[str, ...]
    start: datetime | None
    archive: str = ""


def source_of_prefixes(prefixes: tuple[str, ...], since: timedelta | None) -> CapturedSource:
    """Captured data below prefixes.

    Args:
        prefixes: S3 URIs.
        since: how long ago the first record was written, or None for all of them.
    """
    return CapturedSource(prefixes, datetime.now(UTC) - since if since else None)


def source_of_endpoint(session: "Session", endpoint: str, since: timedelta) -> CapturedSource:
    """What an endpoint has captured, and the model of the variant with the most traffic now.

    Args:
        session: the account.
        endpoint: the endpoint's name.
        since: how long ago the first record was written.

    Raises:
        DeploymentError: if there is no such endpoint.
        InvalidData: if it captures nothing, or its model is no archive in S3.
    """
    from mlserver_forest.aws.captured_data import variants_below
    from mlserver_forest.aws.compare.plan import find_compared
    from mlserver_forest.aws.sagemaker_model import data_that_is_served, model_look_up

    found = find_compared(session.existing, endpoint, since, "")
    if not found.capture_uri:
        raise InvalidData(
            f"endpoint {endpoint} captures no answers; forest deploy --capture captures those to "
            "come, and forest evaluate MODEL s3://PREFIX reads what was captured before"
        )
    if found.shadow:
        session.say(
            f"{found.shadow} is a shadow variant: its answers, which nobody got, count as well, "
            "and are apart in the table of variants"
        )
    model = session.existing.need(model_look_up(found.models[found.baseline]))
    archives = data_that_is_served(session.existing, model) if isinstance(model, dict) else []
    if not archives or not archives[0].endswith(_ARCHIVE):
        raise InvalidData(
            f"the model of endpoint {endpoint} is no archive in S3; give the model directory and "
            f"the prefix: forest evaluate MODEL {found.captured}"
        )
    prefixes = variants_below(session.existing, found.captured)
    return CapturedSource(prefixes, found.start, archives[0])


def read_records(session: "Session", source: CapturedSource) -> list[CaptureRecord]:
    """Read the records; a line says if there are older ones that were not read.

    Args:
        session: the account.
        source: where they are.

    Raises:
        Refused: if they cannot be read.
    """
    from mlserver_forest.aws.captured_data import ReadCaptured
    from mlserver_forest.aws.step import Step

    # Only the prefixes of variants are known to have the folders of hours right below.
    start = source.start if source.archive else None
    (answer,) = session.executor().run((Step(ReadCaptured(source.prefixes, start)),))
    if answer["Left"]:
        session.say(f"{answer['Left']} older files of captured data were not read")
    return list(_records(answer["Files"], source.start))


def _records(files: list[tuple[str, bytes]], start: datetime | None) -> Iterator[CaptureRecord]:
    for key, content in files:
        for one in parse_records(content, variant_in_key(key), key):
            if start is None or start <= one.time:
                yield one

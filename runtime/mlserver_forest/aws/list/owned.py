"""Which of the resources that are listed this tool created, by its tags, in few calls.

The Resource Groups Tagging API names all resources with a tag in pages of a hundred. It lags behind
by minutes, and asking for it is a permission of its own, so the tags of some resources are read one
by one. Beyond that, a resource is known by its name, which ends in a digest.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mlserver_forest.aws.aws_errors import Refused
from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.naming import OURS, OURS_BEFORE, is_ours
from mlserver_forest.aws.resource_kinds import tags_of
from mlserver_forest.aws.step import Call

# The number of resources whose tags are read one by one.
_MOST_READ = 16
_LAG = timedelta(minutes=15)
_DIGEST_AT_END = re.compile(r"(?P<begin>.+)-[0-9a-f]{10}(-[0-9]+)?")

Say = Callable[[str], None]
# The name of a resource, its ARN, and the time at which it was created, or None.
Resource = tuple[str, str, datetime | None]


def tag_calls() -> list[Call]:
    """The calls that name all resources with one of this tool's tags."""
    filters = [{"Key": key, "Values": [value]} for key, value in (OURS, OURS_BEFORE)]
    service, operation = "resourcegroupstaggingapi", "GetResources"
    return [
        Call(
            service,
            operation,
            {
                "TagFilters": [one],
                "ResourceTypeFilters": ["sagemaker"],
                "ResourcesPerPage": 100,
            },
            items="ResourceTagMappingList",
        )
        for one in filters
    ]


def find_owned(existing: Existing, resources: Sequence[Resource], say: Say) -> set[str]:
    """The ARNs of the resources that this tool created.

    Args:
        existing: the account.
        resources: what is listed, in the order in which tags are read one by one.
        say: prints a line if some are known by their names only, or not at all.
    """
    indexed = _indexed(existing, say)
    owned = {arn for _, arn, _ in resources if arn in indexed}
    rest = [one for one in resources if one[1] not in indexed]
    if indexed:
        # What was created before the index was last written is not this tool's if it is not in it.
        rest = [one for one in rest if _is_recent(one[2])]
    owned |= {arn for _, arn, _ in rest[:_MOST_READ] if _has_our_tag(existing, arn, say)}
    by_name = _named_by_us([name for name, _, _ in resources])
    guessed = {arn for name, arn, _ in rest[_MOST_READ:] if name in by_name}
    if guessed:
        say(
            f"{len(guessed)} resources are listed by their names, because AWS's index of tags "
            "(tag:GetResources) does not name them"
        )
    if hidden := len(rest[_MOST_READ:]) - len(guessed):
        say(f"the tags of {hidden} more resources were not read; --any lists those, too")
    return owned | guessed


def _indexed(existing: Existing, say: Say) -> set[str]:
    found: list[Mapping[str, Any]] = []
    for call in tag_calls():
        try:
            found.extend(existing.items(call))
        except Refused as error:
            say(f"tags are read one by one: {error}")
            break
    return {one["ResourceARN"] for one in found}


def _has_our_tag(existing: Existing, arn: str, say: Say) -> bool:
    try:
        return is_ours(tags_of(existing, arn))
    except Refused as error:
        say(f"not listed, because its tags cannot be read: {arn}: {error}")
        return False


def _is_recent(created: datetime | None) -> bool:
    return created is None or datetime.now(UTC) - created < _LAG


def _named_by_us(names: Sequence[str]) -> set[str]:
    """Names that end in a digest, and those of endpoints that such a name begins with."""
    ending = {name: match for name in names if (match := _DIGEST_AT_END.fullmatch(name))}
    return set(ending) | {match["begin"] for match in ending.values()}

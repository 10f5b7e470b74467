"""The last configurations of an endpoint, newest first, in the endpoint's own tags.

The value of a tag has at most 256 characters, and the name of a configuration at most 63, so a tag
holds four names. The tags are written before an update. If AWS rolls the update back, the newest
name is that of the present configuration, which is left out when the tags are read: a rollback by
AWS therefore loses nothing, and for that reason one name more than ``KEPT`` is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mlserver_forest.aws.naming import PREVIOUS

KEPT = 10
_NAMES_PER_TAG = 4
_KEYS = (PREVIOUS, f"{PREVIOUS}-2", f"{PREVIOUS}-3")


@dataclass(frozen=True)
class History:
    """An endpoint's earlier configurations.

    Attributes:
        names: the names, newest first, without the present configuration.
    """

    names: tuple[str, ...]

    @property
    def kept(self) -> tuple[str, ...]:
        """The configurations that ``forest rollback`` reaches."""
        return self.names[:KEPT]

    def after(self, before: str, configuration: str) -> "History":
        """The history after an update, including what is then too old.

        Args:
            before: the present configuration.
            configuration: the new one.
        """
        names = dict.fromkeys((before, *self.names))
        names.pop(configuration, None)
        return History(tuple(names))

    @property
    def too_old(self) -> tuple[str, ...]:
        """The configurations that are removed after an update."""
        return self.names[KEPT:]

    def tags(self) -> dict[str, str]:
        """The tags that hold the history."""
        names = self.names[: KEPT + 1]
        starts = range(0, len(names), _NAMES_PER_TAG)
        parts = (" ".join(names[start : start + _NAMES_PER_TAG]) for start in starts)
        return dict(zip(_KEYS, parts, strict=False))


def read_history(tags: Mapping[str, str], present: str) -> History:
    """Read the history of an endpoint.

    Args:
        tags: the endpoint's tags.
        present: the name of its present configuration.
    """
    names = dict.fromkeys(" ".join(tags.get(key, "") for key in _KEYS).split())
    names.pop(present, None)
    return History(tuple(names))

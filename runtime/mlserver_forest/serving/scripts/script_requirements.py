"""A script's ``requirements.txt``: what of it is not installed. Nothing is ever installed."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

_MOST_BYTES = 1 << 20


def missing_requirements(path: Path) -> list[str]:
    """The requirements in a file that this environment does not meet.

    Args:
        path: a file in pip's format. Options, and what names a file or an address, are counted as
            not met, because only pip can tell.

    Returns:
        A text for each, such as ``lightgbm==4.6.0 (4.5.0 is installed)``; empty if the file does
        not exist.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    lines = (line.partition(" #")[0].strip() for line in text.replace("\\\n", " ").splitlines())
    found = (_unmet(line) for line in lines if line and not line.startswith("#"))
    return [each for each in found if each]


def _unmet(line: str) -> str:
    try:
        requirement = Requirement(line.partition(" --")[0])
    except InvalidRequirement:
        return line
    if requirement.marker is not None and not requirement.marker.evaluate():
        return ""
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        return f"{line} (not installed)"
    if requirement.specifier.contains(installed, prereleases=True):
        return ""
    return f"{line} ({installed} is installed)"

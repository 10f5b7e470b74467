"""Whether the class of another runtime could be imported."""

from importlib.util import find_spec
from pathlib import Path

from mlserver_forest.artifact.known_runtimes import find_known
from mlserver_forest.errors import InvalidArtifact


def check_installed(implementation: str, directory: Path) -> None:
    """Check that a runtime could be imported, without importing it.

    Raises:
        InvalidArtifact: saying what to install.
    """
    top = implementation.partition(".")[0]
    is_own = (directory / f"{top}.py").is_file() or (directory / top / "__init__.py").is_file()
    if is_own or find_spec(top) is not None:
        return
    known = find_known(implementation)
    advice = f"pip install {known.distribution}" if known else "install the package that has it"
    raise InvalidArtifact(
        f"the implementation {implementation} is not installed, and {directory} has no {top}.py; "
        f"{advice}, or put the module beside model-settings.json"
    )

"""Libraries that the package's extras install; serving does not need them."""

from importlib.util import find_spec

from mlserver_forest.errors import MissingLibrary


def is_installed(module: str) -> bool:
    """Whether a library is installed; it is not imported."""
    return find_spec(module) is not None


def require(module: str, extra: str) -> None:
    """Check that a library can be imported.

    Args:
        module: the name under which it is imported.
        extra: the extra of this package that installs it.

    Raises:
        MissingLibrary: if it is not installed, with the command that installs it.
    """
    if not is_installed(module):
        raise MissingLibrary(
            f"{module} is not installed; install it with pip install 'mlserver-forest[{extra}]', "
            f"or in a clone of the repository with pip install '.[{extra}]'"
        )

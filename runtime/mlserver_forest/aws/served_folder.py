"""What the container serves: a folder or an archive is checked here as ``serve`` checks it there.

``serve`` takes a packed model, folders of a model's versions, a script with its model, or one file
of a model library, all at the top. A folder around the model, such as the one that ``forest train``
writes with its data and its report, is refused.
"""

import re
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from mlserver_forest.errors import DeploymentError, ForestError

_SETTINGS, _FOREST, _CODE = "model-settings.json", ".safetensors", "code"
_HANDLER = "MAR-INF"
_VERSION = re.compile(r"[vV]?[0-9].*")
_FOLDERS = 2


def check_model_folder(folder: Path) -> None:
    """Check that a folder is a model directory.

    Raises:
        DeploymentError: if ``serve`` would not serve it, naming the model directory in it if there
            is one.
    """
    names = [path.relative_to(folder).as_posix() for path in _visible(folder)]
    if not names:
        raise DeploymentError(f"{folder} is empty; expected a model directory")
    if _is_model(names):
        _check_settings(folder)
        return
    inner = _models_inside(names)
    if inner and not _are_versions(inner):
        raise DeploymentError(
            f"{folder} is not a model directory; {folder / inner[0]} in it is: give that one"
        )
    if not inner and not _is_code(names):
        _check_library_file(folder, "a model directory that forest train or forest pack wrote")


def check_model_archive(archive: Path) -> None:
    """Check that a file is a model.tar.gz.

    Raises:
        DeploymentError: if it is not an archive, or ``serve`` would not serve what it holds.
    """
    try:
        with tarfile.open(archive, "r:gz") as members:
            names = [_plain(one.name) for one in members if one.isfile()]
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise DeploymentError(
            f"{archive} is not a .tar.gz ({error}); expected the archive of a model directory, or "
            "give the directory itself"
        ) from error
    if not names:
        raise DeploymentError(f"{archive} is empty; expected the archive of a model directory")
    if _is_model(names):
        return
    inner = _models_inside(names)
    if inner and not _are_versions(inner):
        raise DeploymentError(
            f"{archive} holds {inner[0]}/{_SETTINGS} in a folder, and SageMaker unpacks it there; "
            "pack the content of the model directory, or give the directory itself"
        )
    if not inner and not _is_code(names):
        _check_library_file(archive, "the archive of a model directory")


def _visible(folder: Path) -> Iterable[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") for part in parts):
            yield path


def _plain(name: str) -> str:
    return PurePosixPath(name).as_posix().lstrip("/")


def _is_model(names: Iterable[str]) -> bool:
    """Whether a packed model, or settings that name a runtime, lie at the top."""
    tops = [name for name in names if "/" not in name]
    return any(name == _SETTINGS or name.endswith(_FOREST) for name in tops)


def _is_code(names: Iterable[str]) -> bool:
    """Whether a script or a handler lies there, which the container runs if it may."""
    return any(
        name.startswith((f"{_CODE}/", f"{_HANDLER}/")) or name.endswith(".py") for name in names
    )


def _models_inside(names: Iterable[str]) -> list[str]:
    """The folders in which models lie, without those inside others; the nearest first."""
    found = {
        str(path.parent)
        for path in map(PurePosixPath, names)
        if path.name == _SETTINGS or path.suffix == _FOREST
    }
    return sorted(found, key=lambda one: (one.count("/"), one))


def _are_versions(folders: list[str]) -> bool:
    """Whether ``serve`` takes the folders for versions of one model."""
    tops = [one for one in folders if "/" not in one]
    return bool(tops) and (len(tops) >= _FOLDERS or bool(_VERSION.fullmatch(tops[0])))


def _check_settings(folder: Path) -> None:
    from mlserver_forest.artifact.model_directory import read_settings

    try:
        read_settings(folder.resolve(), trust_code=True)
    except ForestError as error:
        raise DeploymentError(str(error)) from error


def _check_library_file(path: Path, expected: str) -> None:
    """Check that there is one file of a model library, which ``serve`` packs when it starts."""
    from mlserver_forest.importers.pack.model_file import find_model

    with tempfile.TemporaryDirectory(prefix="forest-check-") as folder:
        try:
            find_model(path, Path(folder))
        except ForestError as error:
            raise DeploymentError(
                f"{path} holds no {_SETTINGS} and nothing else that serve would serve ({error}); "
                f"expected {expected}"
            ) from error

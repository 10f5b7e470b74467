"""Where the code of a model lies: a script in ``code/``, or a handler that a manifest names.

Nothing is imported here. The folders are those of AWS's images: sagemaker-inference looks for the
module of SAGEMAKER_PROGRAM in ``code/`` of the model, sagemaker-containers in
SAGEMAKER_SUBMIT_DIRECTORY, multi-model-server for the handler of ``MAR-INF/MANIFEST.json`` in the
model directory.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserver_forest.errors import InvalidArtifact, format_error, format_value

# What ``implementation`` names for them.
SCRIPT_RUNTIME = "mlserver_forest.serving.scripts.script_model.ScriptModel"
HANDLER_RUNTIME = "mlserver_forest.serving.scripts.handler_model.HandlerModel"
CODE_RUNTIMES = frozenset({SCRIPT_RUNTIME, HANDLER_RUNTIME})
# The key of ``CodeSettings`` among a model's parameters.
CODE_KEY = "code"
DEFAULT_PROGRAM = "inference.py"
CODE_FOLDER = "code"
MANIFEST_FILE = "MAR-INF/MANIFEST.json"
REQUIREMENTS_FILE = "requirements.txt"
_MOST_BYTES = 1 << 20
_MOST_SHOWN = 6


@dataclass(frozen=True)
class CodeSettings:
    """What the operator says about scripts.

    Attributes:
        program: the script's file name or module (``SAGEMAKER_PROGRAM``); None for inference.py.
        submit_directory: a folder with the script (``SAGEMAKER_SUBMIT_DIRECTORY``), or None.
        default_accept: the media type of answers to requests without a preference
            (``SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT``); None for JSON.
    """

    program: str | None = None
    submit_directory: str | None = None
    default_accept: str | None = None


@dataclass(frozen=True)
class FoundCode:
    """The code of a model.

    Attributes:
        file: where it lies.
        module: the name of its module.
        folders: where its modules are found, the first searched first.
        manifest: the content of MANIFEST.json, if it is a handler of multi-model-server.
        function: the handler's function or None for ``handle``, if it is one.
    """

    file: Path
    module: str
    folders: tuple[Path, ...]
    manifest: dict[str, Any] | None = None
    function: str | None = None

    @property
    def title(self) -> str:
        """What it is, for messages."""
        if self.manifest is None:
            return "a script for AWS's script mode (model_fn, predict_fn, ...)"
        return "a handler for multi-model-server"


def find_code(directory: Path, settings: CodeSettings) -> FoundCode | None:
    """The code of the model in a directory; None if there is none.

    Raises:
        InvalidArtifact: if MANIFEST.json is there and names no handler, if the operator named a
            script that is not there, or if nobody says which of several files is the script.
    """
    script = _script(directory, settings)
    handler = _handler(directory)
    if handler is not None and (script is None or handler.file.exists()):
        return handler
    if script is None and settings.program:
        _refuse_missing(directory, settings.program, settings.submit_directory)
    others = sorted(path.name for path in (directory / CODE_FOLDER).glob("*.py"))
    if script is None and others:
        raise InvalidArtifact(
            f"{directory / CODE_FOLDER} holds {', '.join(others[:_MOST_SHOWN])}, but not "
            f"{DEFAULT_PROGRAM}; name the script in SAGEMAKER_PROGRAM, or serve the model without "
            f"code: forest pack {directory} --out NEW_FOLDER"
        )
    return script


def _script(directory: Path, settings: CodeSettings) -> FoundCode | None:
    module = (settings.program or DEFAULT_PROGRAM).removesuffix(".py")
    name = module.replace(".", "/")
    folders = [directory / CODE_FOLDER]
    given = settings.submit_directory
    if given and "://" not in given:
        folders.append(Path(given))
    for folder in folders:
        for file in (folder / f"{name}.py", folder / name / "__init__.py"):
            if file.is_file():
                return FoundCode(file, module, (folder.resolve(),))
    return None


def _handler(directory: Path) -> FoundCode | None:
    path = directory / MANIFEST_FILE
    try:
        with path.open("rb") as file:
            manifest = json.loads(file.read(_MOST_BYTES))
        named = manifest["model"]["handler"]
        place, _, function = str(named).partition(":")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidArtifact(
            f"{path} cannot be used ({format_error(error)}); it needs model.handler, such as "
            '{"model": {"modelName": "NAME", "handler": "service.py:handle"}}'
        ) from error
    folder, _, name = place.removesuffix(".py").rpartition("/")
    if ".." in Path(place).parts or place.startswith("/") or not name:
        raise InvalidArtifact(
            f"{path}: the handler is {format_value(named)}; expected a file of the model's folder"
        )
    first = (directory / folder).resolve()
    folders = [first, directory, directory / CODE_FOLDER]
    found = tuple(dict.fromkeys(each for each in folders if each.is_dir()))
    return FoundCode(first / f"{name}.py", name, found, manifest, function or None)


def _refuse_missing(directory: Path, program: str, submit_directory: str | None) -> None:
    if submit_directory and "://" in submit_directory:
        raise InvalidArtifact(
            f"SAGEMAKER_SUBMIT_DIRECTORY is {submit_directory}, and nothing is downloaded here; "
            f"put {program} into the folder {directory / CODE_FOLDER}"
        )
    raise InvalidArtifact(
        f"SAGEMAKER_PROGRAM is {program}, but there is no such file in {directory / CODE_FOLDER}"
        f"{f' or {submit_directory}' if submit_directory else ''}; put it there, or unset the "
        "variable"
    )

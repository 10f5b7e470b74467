"""The files of a model directory: their checksum, and their content for other processes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from mlserver_forest.artifact import model_directory
from mlserver_forest.errors import InvalidArtifact


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The content of a model directory.

    Attributes:
        contents: the content of each file, by its name.
    """

    contents: tuple[tuple[str, bytes], ...]

    @classmethod
    def read(cls, directory: Path) -> "ModelFiles":
        """Read a model directory.

        Raises:
            InvalidArtifact: if there is no model, or it is a pickle.
        """
        return cls(tuple((path.name, path.read_bytes()) for path in _files_of(directory)))

    def write(self, folder: Path) -> None:
        """Write the files to an empty folder."""
        for name, content in self.contents:
            (folder / name).write_bytes(content)


def checksum_of(directory: Path) -> str:
    """The SHA-256 of a model's files together, in hexadecimal digits.

    Raises:
        InvalidArtifact: as ``ModelFiles.read``.
    """
    together = hashlib.sha256()
    for path in _files_of(directory):
        with path.open("rb") as file:
            together.update(hashlib.file_digest(file, "sha256").digest())
    return together.hexdigest()


def _files_of(directory: Path) -> list[Path]:
    if directory.is_file():
        raise InvalidArtifact(
            f"{directory} is a file; give the model directory: an archive is unpacked with "
            f"`mkdir model && tar -xzf {directory} -C model`"
        )
    found = model_directory.read_settings(directory.resolve(), trust_code=False)
    settings = directory / model_directory.SETTINGS_FILE
    return [*([settings] if settings.exists() else []), Path(found["parameters"]["uri"])]

"""The files of a model directory: read once, so that a cluster's workers need not have them."""

import hashlib
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mlserver_forest.artifact import model_directory
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.model.model import Model


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The content of a model directory.

    Attributes:
        settings: of model-settings.json.
        name: of the forest file.
        forest: its content.
    """

    settings: bytes
    name: str
    forest: bytes

    @classmethod
    def read(cls, directory: Path) -> "ModelFiles":
        """Read a model directory.

        Raises:
            InvalidArtifact: if there is no model, or it is a pickle.
        """
        if directory.is_file():
            raise InvalidArtifact(
                f"{directory} is a file; give the model directory: an archive is unpacked with "
                f"`mkdir model && tar -xzf {directory} -C model`"
            )
        found = model_directory.read_settings(directory.resolve(), trust_pickle=False)
        forest, settings = (
            Path(found["parameters"]["uri"]),
            directory / model_directory.SETTINGS_FILE,
        )
        written = settings.read_bytes() if settings.exists() else b""
        return cls(written, forest.name, forest.read_bytes())

    @property
    def sha256(self) -> str:
        """The checksum of both files."""
        return hashlib.sha256(
            hashlib.sha256(self.settings).digest() + hashlib.sha256(self.forest).digest()
        ).hexdigest()


@lru_cache(2)
def model_of(files: ModelFiles) -> Model:
    """The model that files hold; a worker of a cluster keeps it for the next piece.

    Raises:
        InvalidArtifact: if it is damaged.
    """
    with tempfile.TemporaryDirectory(prefix="forest-predict-") as folder:
        directory = Path(folder)
        if files.settings:
            (directory / model_directory.SETTINGS_FILE).write_bytes(files.settings)
        (directory / files.name).write_bytes(files.forest)
        return model_directory.load(directory)

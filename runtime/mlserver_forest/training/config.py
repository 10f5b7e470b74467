"""/opt/ml/input/config/*.json -> TrainingConfig."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserver_forest.errors import InvalidData, InvalidEnvironment

TRAINING_CHANNELS = ("training", "train")
VALIDATION_CHANNEL = "validation"
# Newer SageMaker text says that FastFile jobs show File; both are plain directories.
_MODES = frozenset({"File", "FastFile", "Pipe"})


@dataclass(frozen=True)
class Channel:
    """One entry of inputdataconfig.json.

    Attributes:
        name: of the channel.
        directory: of its files; in Pipe mode the streams have this path and ``_0`` and so on.
        content_type: what its files hold, if that was said.
        mode: "File", "FastFile" or "Pipe".
        record_wrapper: "None", or "RecordIO" where each object comes as a record of a stream.
        compression: "None" or "Gzip".
        distribution: "FullyReplicated" or "ShardedByS3Key".
    """

    name: str
    directory: Path
    content_type: str | None = None
    mode: str = "File"
    record_wrapper: str = "None"
    compression: str = "None"
    distribution: str = "FullyReplicated"


@dataclass(frozen=True)
class TrainingConfig:
    """What SageMaker told the job.

    Attributes:
        base_dir: /opt/ml or its stand-in.
        hyperparameters: as they stand in hyperparameters.json, still strings.
        channels: by name.
    """

    base_dir: Path
    hyperparameters: Mapping[str, Any]
    channels: Mapping[str, Channel]

    @property
    def model_dir(self) -> Path:
        return self.base_dir / "model"

    def training_channel(self) -> Channel:
        """The channel to learn from.

        Raises:
            InvalidData: if it is missing, given under both of its names, or has a mode
                that this version does not read.
        """
        found = [self.channels[name] for name in TRAINING_CHANNELS if name in self.channels]
        if len(found) == 1:
            return _readable(found[0])
        given = ", ".join(map(repr, self.channels)) or "none"
        fault = "there is no channel" if not found else "there are two channels"
        raise InvalidData(
            f"{fault} with the training data; expected exactly one of "
            f"{' or '.join(map(repr, TRAINING_CHANNELS))}; channels given: {given}"
        )

    def validation_channel(self) -> Channel | None:
        channel = self.channels.get(VALIDATION_CHANNEL)
        return _readable(channel) if channel else None


def read_config(base_dir: Path) -> TrainingConfig:
    """Read the three files of input/config; each may be absent off the platform.

    Raises:
        InvalidEnvironment: if a file is not the JSON that SageMaker writes.
        InvalidData: if the job has several machines.
    """
    directory = base_dir / "input" / "config"
    resources = _read_object(directory / "resourceconfig.json")
    hosts = resources.get("hosts")
    hosts = tuple(map(str, hosts)) if isinstance(hosts, list) else ()
    if len(hosts) > 1:
        raise InvalidData(
            f"the job has {len(hosts)} machines ({', '.join(hosts)}); this version trains on "
            "one; set InstanceCount to 1"
        )
    return TrainingConfig(
        base_dir=base_dir,
        hyperparameters=_read_object(directory / "hyperparameters.json"),
        channels=_channels(base_dir, _read_object(directory / "inputdataconfig.json")),
    )


def _channels(base_dir: Path, described: Mapping[str, Any]) -> Mapping[str, Channel]:
    data = base_dir / "input" / "data"
    if not described:
        # No description at all, as in a folder laid out by hand: take the known names.
        names = (*TRAINING_CHANNELS, VALIDATION_CHANNEL)
        return {name: Channel(name, data / name) for name in names if (data / name).is_dir()}
    return {name: _channel(name, data / name, entry) for name, entry in described.items()}


def _channel(name: str, directory: Path, entry: Any) -> Channel:
    """A channel as described; keys of another type than SageMaker's are as good as absent."""
    texts = {key: value for key, value in dict(entry or {}).items() if isinstance(value, str)}
    return Channel(
        name,
        directory,
        texts.get("ContentType"),
        texts.get("TrainingInputMode", "File"),
        texts.get("RecordWrapperType", "None"),
        texts.get("CompressionType", "None"),
        texts.get("S3DistributionType", "FullyReplicated"),
    )


def _readable(channel: Channel) -> Channel:
    if channel.mode not in _MODES:
        raise InvalidData(
            f"channel {channel.name!r} has TrainingInputMode {channel.mode!r}; "
            "expected File, FastFile or Pipe; change the channel's InputMode"
        )
    return channel


def _read_object(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidEnvironment(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise InvalidEnvironment(f"{path} holds {type(content).__name__}; expected a JSON object")
    return content

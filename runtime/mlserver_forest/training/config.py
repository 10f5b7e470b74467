"""/opt/ml/input/config/*.json -> TrainingConfig."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlserver_forest.artifact.model_name import DEFAULT
from mlserver_forest.errors import InvalidData, InvalidEnvironment

if TYPE_CHECKING:
    from mlserver_forest.reports.training.leaderboard import Leaderboard

TRAINING_CHANNELS = ("training", "train")
VALIDATION_CHANNEL = "validation"
TEST_CHANNEL = "test"
PIPE = "Pipe"
SHARDED = "ShardedByS3Key"
KNOWN_CHANNELS = (*TRAINING_CHANNELS, VALIDATION_CHANNEL, TEST_CHANNEL)
_OTHER_NAMES = {
    "val": VALIDATION_CHANNEL,
    "valid": VALIDATION_CHANNEL,
    "validate": VALIDATION_CHANNEL,
    "eval": VALIDATION_CHANNEL,
    "evaluation": VALIDATION_CHANNEL,
    "dev": VALIDATION_CHANNEL,
    "holdout": VALIDATION_CHANNEL,
    "testing": TEST_CHANNEL,
}
_MODES = ("File", "FastFile", PIPE)


@dataclass(frozen=True)
class Channel:
    """One entry of inputdataconfig.json, and where its files are.

    Attributes:
        name: its key in inputdataconfig.json.
        directory: the folder of its files; the FIFOs of Pipe mode, ``<name>_<epoch>``, are beside
            it.
        paths: files and folders to read instead, wherever they are.
        content_type: ContentType, or None if the job's owner did not set it.
        mode: "File", "FastFile" (newer SageMaker documentation says that such jobs show File) or
            "Pipe".
        record_wrapper: "None", or "RecordIO" if SageMaker wraps each object in a record.
        distribution: "FullyReplicated", or "ShardedByS3Key" if each host has a part of the files.
    """

    name: str
    directory: Path
    content_type: str | None = None
    mode: str = "File"
    record_wrapper: str = "None"
    distribution: str = "FullyReplicated"
    paths: tuple[Path, ...] = ()

    @property
    def is_sharded(self) -> bool:
        """Whether each host has only a part of the files."""
        return self.distribution == SHARDED


@dataclass(frozen=True)
class TrainingConfig:
    """SageMaker's description of the job.

    Attributes:
        base_dir: /opt/ml or its stand-in.
        hyperparameters: the object in hyperparameters.json; values are strings.
        channels: the channels by name.
        host: this machine's name among ``hosts``.
        hosts: all machines of the job, sorted; the first one saves the model.
        checkpoints: the folder of checkpoints.
        network_interface: the interface by which the machines reach each other, if SageMaker
            named one.
        model_name: the model's name on the V2 protocol.
        has_reader: whether a person reads the log, and not the regexes of SageMaker.
        leaderboard: the algorithms among which this one was chosen, for the report; or None.
        keeps_earlier: whether a model that the new one replaces is kept under another name.
        file_titles: what files are called in the report, by their paths; others by their paths.
    """

    base_dir: Path
    hyperparameters: Mapping[str, Any]
    channels: Mapping[str, Channel]
    host: str
    hosts: tuple[str, ...]
    checkpoints: Path
    network_interface: str | None = None
    model_name: str = DEFAULT
    has_reader: bool = False
    keeps_earlier: bool = False
    leaderboard: "Leaderboard | None" = None
    file_titles: Mapping[str, str] = field(default_factory=dict)

    @property
    def model_dir(self) -> Path:
        """The folder that SageMaker packs as the model artifact."""
        return self.base_dir / "model"

    @property
    def output_data_dir(self) -> Path:
        """The folder that SageMaker packs as the job's other output."""
        return self.base_dir / "output" / "data"

    @property
    def is_first(self) -> bool:
        """Whether this machine is the one that saves the model."""
        return self.host == self.hosts[0]

    @property
    def unknown_channels(self) -> tuple[str, ...]:
        """The names of channels that are not read."""
        return tuple(name for name in self.channels if name not in KNOWN_CHANNELS)

    def training_channel(self) -> Channel:
        """The channel to learn from.

        Raises:
            InvalidData: if it is missing, or given under both of its names.
        """
        found = [self.channels[name] for name in TRAINING_CHANNELS if name in self.channels]
        if len(found) == 1:
            return found[0]
        given = ", ".join(map(repr, self.channels)) or "none"
        fault = "there is no channel" if not found else "there are two channels"
        raise InvalidData(
            f"{fault} with the training data; expected exactly one of "
            f"{' or '.join(map(repr, TRAINING_CHANNELS))}; channels given: {given}"
        )

    def channel(self, name: str) -> Channel | None:
        """The channel ``validation`` or ``test``; None if the job does not have it."""
        return self.channels.get(name)


def read_config(base_dir: Path) -> TrainingConfig:
    """Read the files of input/config; outside SageMaker each may be absent.

    Raises:
        InvalidEnvironment: if a file is not JSON in the form that SageMaker writes.
        InvalidData: if a channel has an unknown mode.
    """
    directory = base_dir / "input" / "config"
    resources = _read_object(directory / "resourceconfig.json")
    host, hosts = _hosts(resources, directory)
    kept = _read_object(directory / "checkpointconfig.json").get("LocalPath")
    return TrainingConfig(
        base_dir=base_dir,
        hyperparameters=_read_object(directory / "hyperparameters.json"),
        channels=_channels(base_dir, _read_object(directory / "inputdataconfig.json")),
        host=host,
        hosts=hosts,
        checkpoints=Path(kept) if isinstance(kept, str) and kept else base_dir / "checkpoints",
        network_interface=str(resources.get("network_interface_name") or "") or None,
    )


def _hosts(resources: Mapping[str, Any], directory: Path) -> tuple[str, tuple[str, ...]]:
    """This machine's name, and all of them."""
    listed = resources.get("hosts")
    hosts = tuple(sorted(map(str, listed))) if isinstance(listed, list) and listed else ()
    host = str(resources.get("current_host") or (hosts[0] if hosts else "algo-1"))
    if hosts and host not in hosts:
        raise InvalidEnvironment(
            f"{directory / 'resourceconfig.json'}: current_host is {host!r}, which is not one of "
            f"the hosts {', '.join(hosts)}"
        )
    return host, hosts or (host,)


def _channels(base_dir: Path, described: Mapping[str, Any]) -> Mapping[str, Channel]:
    data = base_dir / "input" / "data"
    if not described:
        _refuse_misnamed(path.name for path in data.glob("*") if path.is_dir())
        # A folder that was laid out by hand has no description: take the known names.
        return {
            name: Channel(name, data / name) for name in KNOWN_CHANNELS if (data / name).is_dir()
        }
    _refuse_misnamed(described)
    return {name: _channel(name, data / name, entry) for name, entry in described.items()}


def _refuse_misnamed(names: Iterable[str]) -> None:
    """Refuse a channel whose name is another word for a known one.

    Raises:
        InvalidData: naming both.
    """
    for name in names:
        plain = name.lower().replace("-", "_").removesuffix("_data").removesuffix("_set")
        meant = _OTHER_NAMES.get(plain, plain)
        if name not in KNOWN_CHANNELS and meant in KNOWN_CHANNELS:
            raise InvalidData(
                f"channel {name!r} is not known; rename it to {meant!r}; the known channels are "
                f"{', '.join(KNOWN_CHANNELS)}"
            )


def _channel(name: str, directory: Path, entry: Any) -> Channel:
    """Make a channel from its description; values of unexpected types are ignored."""
    entry = entry if isinstance(entry, dict) else {}
    texts = {key: value for key, value in entry.items() if isinstance(value, str)}
    mode = texts.get("TrainingInputMode", "File")
    if mode not in _MODES:
        raise InvalidData(
            f"channel {name!r} has TrainingInputMode {mode!r}; expected {', '.join(_MODES)}"
        )
    return Channel(
        name,
        directory,
        texts.get("ContentType"),
        mode,
        texts.get("RecordWrapperType", "None"),
        texts.get("S3DistributionType", "FullyReplicated"),
    )


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

"""What was learned about the data in training and is enforced in serving.

A schema travels in model-settings.json as V2 metadata: one input tensor per
feature, and the outputs ``predict`` and (for classifiers) ``predict_proba``. The
classes stand, in the order of the probability columns, in the parameters of
``predict``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidArtifact, InvalidInput

PREDICT = "predict"
PREDICT_PROBA = "predict_proba"

Label = str | int
FeatureDatatype = Literal["FP32", "FP64"]
TargetKind = Literal["classification", "regression", "unknown"]
MetadataTensors = list[dict[str, Any]]

_DTYPES: Mapping[str, np.dtype[Any]] = {
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
}

_NAMES_SHOWN = 8


@dataclass(frozen=True)
class Schema:
    """The features a model reads and the answers it gives.

    Attributes:
        feature_names: the features in the order of the columns of ``X``; NaN
            stands for a missing value. Empty for a runtime whose
            model-settings.json describes no inputs: any width will do.
        kind: "classification", "regression", or "unknown" for such a runtime.
        classes: the labels, all strings or all integers, in the order of the
            columns of ``predict_proba``; empty if this is no classification.
        datatype: the V2 datatype of the features, hence the dtype of ``X``.
    """

    feature_names: tuple[str, ...]
    kind: TargetKind
    classes: tuple[Label, ...] = ()
    datatype: FeatureDatatype = "FP32"

    def __post_init__(self) -> None:
        if len(set(self.feature_names)) != len(self.feature_names):
            raise InvalidArtifact("two features have the same name; each needs its own")
        if len(set(self.classes)) != len(self.classes):
            raise InvalidArtifact("two classes have the same label; each needs its own")
        if (self.kind == "classification") != bool(self.classes):
            raise InvalidArtifact("a classification has classes and nothing else has")

    @property
    def n_features(self) -> int:
        return len(self.feature_names)

    @property
    def output_names(self) -> tuple[str, ...]:
        return (PREDICT, PREDICT_PROBA) if self.classes else (PREDICT,)

    @property
    def label_datatype(self) -> str:
        """V2 datatype of ``predict``: BYTES, INT64 or FP64."""
        if not self.classes:
            return "FP64"
        return "INT64" if isinstance(self.classes[0], int) else "BYTES"

    def of_width(self, width: int) -> "Schema":
        """This schema, or where it names no feature one that names ``width`` of them."""
        if self.feature_names:
            return self
        names = tuple(f"feature_{position}" for position in range(width))
        return replace(self, feature_names=names)

    def describe(self) -> str:
        """The expected row, for error messages."""
        shown = ", ".join(self.feature_names[:_NAMES_SHOWN])
        more = ", ..." if self.n_features > _NAMES_SHOWN else ""
        return f"{self.n_features} ({shown}{more})"

    def conform(self, values: NDArray[Any]) -> NDArray[Any]:
        """Turn numbers into the matrix that the model reads.

        Args:
            values: numbers of any dtype, shape (n_samples, n_features).

        Returns:
            C-contiguous array of the same shape in the dtype of ``datatype``,
            rounded as scikit-learn rounds ``X``.

        Raises:
            InvalidInput: for another width, or a value that is infinite or
                does not fit the dtype (scikit-learn refuses those too).
        """
        if values.ndim != 2 or (self.feature_names and values.shape[1] != self.n_features):
            raise InvalidInput(
                f"the input has shape {list(values.shape)}; "
                f"the model expects [n, {self.n_features}] ({self.describe()})"
            )
        with np.errstate(over="ignore"):
            x = np.ascontiguousarray(values, dtype=_DTYPES[self.datatype])
        if np.isinf(x).any():
            row, column = np.argwhere(np.isinf(x))[0]
            place = self.of_width(values.shape[1]).locate(row, column)
            raise InvalidInput(
                f"{place}: {values[row, column]} is not a finite {self.datatype} number; "
                "send a finite number, or an empty field (null in JSON) for a missing value"
            )
        return x

    def locate(self, row: int, column: int) -> str:
        """The place of a value, counted from 1, for error messages."""
        return f"row {row + 1}, column {column + 1} ({self.feature_names[column]})"

    def positions(self, names: Sequence[str], where: str) -> list[int]:
        """Where each feature of the model stands among ``names``.

        Raises:
            InvalidInput: naming features that are missing, unknown or repeated.
        """
        if not self.feature_names:
            raise InvalidInput(f"{where} names features, but this model has no names; send lists")
        index = {name: position for position, name in enumerate(names)}
        missing = [name for name in self.feature_names if name not in index]
        unknown = [name for name in index if name not in set(self.feature_names)]
        faults = [
            f"{label} {', '.join(map(repr, found[:_NAMES_SHOWN]))}"
            for label, found in (("missing", missing), ("unknown", unknown))
            if found
        ]
        if len(index) != len(names):
            faults.append("a name that occurs twice")
        if faults:
            raise InvalidInput(
                f"{where} has {' and '.join(faults)}; the model's features are {self.describe()}"
            )
        return [index[name] for name in self.feature_names]

    def inputs(self) -> MetadataTensors:
        """V2 metadata of the inputs, as model-settings.json holds it."""
        return [
            {"name": name, "datatype": self.datatype, "shape": [-1, 1]}
            for name in self.feature_names
        ]

    def outputs(self) -> MetadataTensors:
        """V2 metadata of the outputs, as model-settings.json holds it."""
        predict: dict[str, Any] = {
            "name": PREDICT,
            "datatype": self.label_datatype,
            "shape": [-1, 1],
        }
        if not self.classes:
            return [predict]
        predict["parameters"] = {"classes": list(self.classes)}
        shape = [-1, len(self.classes)]
        return [predict, {"name": PREDICT_PROBA, "datatype": "FP64", "shape": shape}]


def from_metadata(inputs: Any, outputs: Any) -> Schema:
    """Read a schema back from the V2 metadata of a model-settings.json.

    Args:
        inputs: the input tensors as dictionaries.
        outputs: the output tensors; both are empty where a foreign runtime
            describes nothing.

    Raises:
        InvalidArtifact: if the metadata is not what ``Schema`` writes.
    """
    if not inputs and not outputs:
        return Schema((), "unknown", datatype="FP64")
    try:
        names = tuple(str(tensor["name"]) for tensor in inputs)
        (datatype,) = {tensor["datatype"] for tensor in inputs}
        predict = next(tensor for tensor in outputs if tensor["name"] == PREDICT)
        classes = tuple((predict.get("parameters") or {}).get("classes") or ())
    except (TypeError, KeyError, ValueError, AttributeError, StopIteration) as error:
        raise InvalidArtifact(
            "model-settings.json has no usable `inputs` and `outputs`; "
            "they describe the model's features and classes, so train or pack the model again"
        ) from error
    if datatype not in _DTYPES:
        raise InvalidArtifact(f"the features are {datatype}; expected one of {', '.join(_DTYPES)}")
    if {type(label) for label in classes} not in ({str}, {int}, set()):
        raise InvalidArtifact("the classes in model-settings.json are not all strings or integers")
    return Schema(names, "classification" if classes else "regression", classes, datatype)

"""A schema as the V2 metadata of a model-settings.json, and back.

There is one input tensor per feature. The outputs are ``predict``, ``predict_proba`` for a
classifier, ``score_samples`` and ``decision_function`` for an anomaly detector, and the model's
insights. The parameters of ``predict`` list the classes in the order of the probability columns.
A categorical feature has the datatype BYTES, and the parameters of its input list the categories
in the order of their codes, or name the hash that tells them apart; a boolean feature has the
datatype BOOL. The parameters of a numeric feature hold the spelling of its numbers, if training saw
more than plain ones; a feature of dates has the datatype BYTES.
"""

from collections.abc import Mapping
from typing import Any

from mlserver_forest.errors import InvalidArtifact, format_value
from mlserver_forest.schema.categories import BOOLEAN, Categories
from mlserver_forest.schema.date_spelling import DateSpelling
from mlserver_forest.schema.hashed_categories import HASHES, HashedCategories
from mlserver_forest.schema.number_spelling import NumberSpelling
from mlserver_forest.schema.output_names import INSIGHT_DATATYPES, PREDICT, SCORE_SAMPLES
from mlserver_forest.schema.schema import DTYPES, Schema, TargetKind

MetadataTensors = list[dict[str, Any]]
# The low 32 bits of the hash of a text in UTF-8 (city_hash.py).
_HASH = "CityHash64 v1, low 32 bits"
# The same of texts without white space around them; a missing value is NaN. Another name, so that
# a version of this package that does not know it refuses the model.
_DATE = "none, a date"
_HASH_OR_MISSING = "CityHash64 v1, low 32 bits, or missing"


def to_metadata(schema: Schema) -> dict[str, MetadataTensors]:
    """The ``inputs`` and ``outputs`` of a model-settings.json."""
    return {"inputs": _inputs(schema), "outputs": _outputs(schema)}


def from_metadata(inputs: Any, outputs: Any) -> Schema:
    """Read a schema back from the V2 metadata of a model-settings.json.

    Args:
        inputs: the input tensors as dictionaries.
        outputs: the output tensors as dictionaries. Both are empty if a foreign runtime does
            not describe itself.

    Raises:
        InvalidArtifact: if ``to_metadata`` cannot have written the metadata.
    """
    if not inputs and not outputs:
        return Schema((), "unknown", datatype="FP64")
    try:
        names = tuple(str(tensor["name"]) for tensor in inputs)
        parameters = [tensor.get("parameters") or {} for tensor in inputs]
        pairs = list(zip(inputs, parameters, strict=True))
        (datatype,) = {found.get("codes", tensor["datatype"]) for tensor, found in pairs}
        categories = {
            str(tensor["name"]): _categories(found)
            for tensor, found in pairs
            if "codes" in found and "date" not in found
        }
        spellings = {
            str(tensor["name"]): spelling
            for tensor, found in pairs
            if str(tensor["name"]) not in categories and (spelling := _spelling(found))
        }
        missing = {str(tensor["name"]): bool(found.get("missing", True)) for tensor, found in pairs}
        takes_missing = any(missing.values())
        ranges = {
            str(tensor["name"]): (float(found["minimum"]), float(found["maximum"]))
            for tensor, found in pairs
            if "minimum" in found
        }
        absent = [bool(found.get("absent_is_missing", False)) for found in parameters]
        missing_number = parameters[0].get("missing_number")
        missing_number = None if missing_number is None else float(missing_number)
        ignores_extra = parameters[0].get("extra") == "ignore"
        ignored = tuple(map(str, parameters[0].get("ignored", ())))
        index_base = int(parameters[0].get("index_base", 0))
        described = {tensor["name"]: tensor for tensor in outputs}
        predict = described[PREDICT]
        classes = tuple((predict.get("parameters") or {}).get("classes") or ())
        n_targets = int(predict["shape"][1])
        insights = {
            name: tuple(map(int, described[name]["shape"][1:]))
            for name in INSIGHT_DATATYPES
            if name in described
        }
    except (TypeError, KeyError, ValueError, AttributeError, IndexError) as error:
        raise InvalidArtifact(
            "model-settings.json has no usable `inputs` and `outputs`; "
            "they describe the model's features and classes, so train or pack the model again"
        ) from error
    if datatype not in DTYPES:
        raise InvalidArtifact(
            f"the features are {format_value(datatype)}; expected one of {', '.join(DTYPES)}"
        )
    if {type(label) for label in classes} not in ({str}, {int}, {bool}, set()):
        raise InvalidArtifact(
            "the classes in model-settings.json are not all strings, integers or booleans"
        )
    kind: TargetKind = "classification" if classes else "regression"
    if SCORE_SAMPLES in described:
        kind = "anomaly_detection"
    return Schema(
        feature_names=names,
        kind=kind,
        classes=classes,
        datatype=datatype,
        n_targets=n_targets,
        takes_missing=takes_missing,
        absent_is_missing=all(absent),
        missing_number=missing_number,
        index_base=index_base,
        ignores_extra=ignores_extra,
        ignored=ignored,
        categories=categories,
        spellings=spellings,
        insights=insights,
        required=frozenset(name for name in names if takes_missing and not missing[name]),
        ranges=ranges,
    )


def _inputs(schema: Schema) -> MetadataTensors:
    parameters = {
        name: value
        for name, value, default in (
            ("absent_is_missing", schema.absent_is_missing, False),
            ("missing_number", schema.missing_number, None),
            ("index_base", schema.index_base, 0),
            ("extra", "ignore" if schema.ignores_extra else "error", "error"),
            ("ignored", list(schema.ignored), []),
        )
        if value != default
    }
    return [_input(name, schema, parameters) for name in schema.feature_names]


def _input(name: str, schema: Schema, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The tensor of a feature.

    Args:
        name: of the feature.
        schema: the schema.
        parameters: what all features share.
    """
    missing = {} if schema.may_be_missing(name) else {"missing": False}
    parameters = {**missing, **parameters}
    if name in schema.categories:
        return _categorical_tensor(name, schema.datatype, parameters, schema.categories[name])
    if name in schema.ranges:
        parameters |= dict(zip(("minimum", "maximum"), schema.ranges[name], strict=True))
    tensor = {"name": name, "datatype": schema.datatype, "shape": [-1, 1]}
    if name in schema.spellings:
        parameters |= schema.spellings[name].to_parameters()
        if schema.spellings[name].is_date:
            # A version that does not know dates finds categories of no kind.
            parameters |= {"codes": schema.datatype, "hash": _DATE}
            tensor["datatype"] = "BYTES"
    return {**tensor, "parameters": parameters} if parameters else tensor


def _spelling(parameters: Mapping[str, Any]) -> NumberSpelling | None:
    if "date" in parameters:
        return DateSpelling.from_parameters(parameters)
    return NumberSpelling.from_parameters(parameters)


def _categorical_tensor(
    name: str, codes: str, shared: Mapping[str, Any], categories: Categories
) -> dict[str, Any]:
    """The input of a categorical feature; ``codes`` is the datatype of the matrix."""
    parameters = {**shared, "codes": codes}
    if isinstance(categories, HashedCategories):
        parameters |= _hash_parameters(categories)
    elif not categories.is_boolean:
        parameters["categories"] = list(categories.names)
        parameters["unseen"] = (
            "error"
            if categories.refuses_unseen
            else ("category" if categories.has_unseen_code else "missing")
        )
        if categories.missing:
            parameters["missing_values"] = sorted(categories.missing)
    datatype = "BOOL" if categories.is_boolean else "BYTES"
    return {"name": name, "datatype": datatype, "shape": [-1, 1], "parameters": parameters}


def _hash_parameters(categories: HashedCategories) -> dict[str, Any]:
    found: dict[str, Any] = {"hash": _HASH, "known": list(categories.names)}
    if categories.has_missing:
        found |= {"hash": _HASH_OR_MISSING, "buckets": categories.n_buckets}
        found |= {"missing_values": sorted(categories.missing)} if categories.missing else {}
        found |= {"not_missing": sorted(categories.kept)} if categories.kept else {}
    return found


def _outputs(schema: Schema) -> MetadataTensors:
    predict: dict[str, Any] = {
        "name": PREDICT,
        "datatype": schema.label_datatype,
        "shape": [-1, schema.n_targets],
    }
    if schema.classes:
        predict["parameters"] = {"classes": list(schema.classes)}
    scores = [
        {"name": name, "datatype": "FP64", "shape": [-1, columns.stop - columns.start]}
        for name, columns in schema.score_columns.items()
    ]
    insights = [
        {"name": name, "datatype": INSIGHT_DATATYPES[name], "shape": [-1, *shape]}
        for name, shape in schema.insights.items()
    ]
    return [predict, *scores, *insights]


def _categories(parameters: Mapping[str, Any]) -> Categories:
    """The categories of an input tensor; it is boolean if it does not list any."""
    if "hash" in parameters:
        return _hashed(parameters)
    if "categories" not in parameters:
        return BOOLEAN
    names = tuple(parameters["categories"])
    if not names or len(set(names)) != len(names) or not all(isinstance(n, str) for n in names):
        raise ValueError("categories are one or more distinct strings")
    return Categories(
        names,
        refuses_unseen=parameters.get("unseen") == "error",
        missing=frozenset(map(str, parameters.get("missing_values", ()))),
        has_unseen_code=parameters.get("unseen") == "category",
    )


def _hashed(parameters: Mapping[str, Any]) -> HashedCategories:
    known = tuple(map(str, parameters.get("known", ())))
    if parameters["hash"] == _HASH:
        return HashedCategories(known)
    n_buckets = parameters.get("buckets")
    if parameters["hash"] != _HASH_OR_MISSING or type(n_buckets) is not int:
        raise ValueError("categories of an unknown hash")
    if not 1 <= n_buckets <= HASHES:
        raise ValueError("buckets of no hash")
    return HashedCategories(
        known,
        missing=frozenset(map(str, parameters.get("missing_values", ()))),
        n_buckets=n_buckets,
        has_missing=True,
        kept=frozenset(map(str, parameters.get("not_missing", ()))),
    )

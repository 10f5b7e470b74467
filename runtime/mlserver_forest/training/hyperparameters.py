"""Hyperparameters: strings in every encoding that SageMaker's clients use -> typed values."""

import ast
import difflib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mlserver_forest.errors import InvalidHyperparameters
from mlserver_forest.formats.quoting import quoted

# Keys that SageMaker and its SDKs add for themselves.
_INJECTED_PREFIX = "sagemaker_"
_INJECTED = frozenset({"_tuning_objective_metric", "default_user_module_name"})
_MOST_WRAPPINGS = 4
_WORDS = {"True": True, "False": False, "None": None, "": None}

CRITERIA = {
    "classification": ("gini", "entropy", "log_loss"),
    "regression": ("squared_error", "absolute_error", "friedman_mse", "poisson"),
}
# The fields that are passed on to scikit-learn are all but these.
_OWN_FIELDS = frozenset({"algorithm", "task", "header", "validation_fraction"})


def _not_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError  # noqa: TRY004  # pydantic turns ValueError into a fault
    return value


def _keys_as_text(value: Any) -> Any:
    """Python's ``{0: 1}``, as the SDK's Estimator sends it, is JSON's ``{"0": 1}``."""
    if isinstance(value, dict):
        return {str(key): weight for key, weight in value.items()}
    return value


def _with_a_point(value: Any) -> Any:
    if not isinstance(value, float):
        raise ValueError  # noqa: TRY004  # 1 is one row, 1.0 all of them, as in scikit-learn
    return value


_Whole = Annotated[int, BeforeValidator(_not_bool)]
# scikit-learn's trees count in 32 bits.
_Count = Annotated[_Whole, Field(ge=1, lt=2**31)]
_AtLeastTwo = Annotated[_Whole, Field(ge=2, lt=2**31)]
_NotNegative = Annotated[float, BeforeValidator(_not_bool), Field(ge=0)]
_Share = Annotated[float, BeforeValidator(_with_a_point), Field(gt=0, le=1)]
_ClassWeight = Annotated[
    Literal["balanced", "balanced_subsample"] | dict[str, _NotNegative],
    BeforeValidator(_keys_as_text),
]
_Threads = _Count | Annotated[_Whole, Field(le=-1)]


class Hyperparameters(BaseModel):
    """What a training job may set; scikit-learn's names, meanings and defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    algorithm: Literal["random_forest", "extra_trees"] = Field(
        "random_forest", description="random_forest or extra_trees"
    )
    task: Literal["classification", "regression"] | None = Field(
        None, description="classification or regression; by default the labels decide"
    )
    header: Literal["auto", "present", "absent"] = Field(
        "auto", description="auto, present or absent: whether CSV files start with names"
    )
    validation_fraction: float = Field(
        0.2, gt=0, lt=1, description="a number between 0 and 1: the share of rows held out"
    )
    n_estimators: _Count = Field(100, description="a whole number of 1 or more")
    criterion: str | None = Field(
        None, description=" or ".join(", ".join(names) for names in CRITERIA.values())
    )
    max_depth: _Count | None = Field(None, description="a whole number of 1 or more, or None")
    min_samples_split: _AtLeastTwo | _Share = Field(
        2, description="a whole number of 2 or more, or a share above 0 and up to 1.0"
    )
    min_samples_leaf: _Count | Annotated[_Share, Field(lt=1)] = Field(
        1, description="a whole number of 1 or more, or a share between 0 and 1"
    )
    min_weight_fraction_leaf: Annotated[_NotNegative, Field(le=0.5)] = Field(
        0.0, description="a number from 0 to 0.5"
    )
    max_features: Literal["sqrt", "log2"] | _Count | _Share | None = Field(
        None, description="sqrt, log2, a whole number of 1 or more, a share up to 1.0, or None"
    )
    max_leaf_nodes: _AtLeastTwo | None = Field(
        None, description="a whole number of 2 or more, or None"
    )
    min_impurity_decrease: _NotNegative = Field(0.0, description="a number of 0 or more")
    bootstrap: bool = Field(True, description="true or false")
    oob_score: bool = Field(False, description="true or false")
    n_jobs: _Threads | None = Field(
        -1, description="a whole number of threads, not 0; -1 for all CPUs"
    )
    random_state: Annotated[_Whole, Field(ge=0, lt=2**32)] | None = Field(
        None, description="a whole number from 0 to 4294967295, or None"
    )
    verbose: Annotated[_Whole, Field(ge=0)] = Field(0, description="a whole number of 0 or more")
    class_weight: _ClassWeight | None = Field(
        None, description='balanced, balanced_subsample, {"label": weight, ...}, or None'
    )
    ccp_alpha: _NotNegative = Field(0.0, description="a number of 0 or more")
    max_samples: _Count | _Share | None = Field(
        None, description="a whole number of 1 or more, a share up to 1.0, or None"
    )

    def estimator_parameters(self) -> dict[str, Any]:
        """What was set, for scikit-learn's constructor; its own defaults do the rest."""
        chosen = self.model_dump(include=self.model_fields_set - _OWN_FIELDS)
        return {"n_jobs": self.n_jobs, **chosen}


def parse(raw: Mapping[str, Any]) -> Hyperparameters:
    """Check all hyperparameters.

    Args:
        raw: as hyperparameters.json holds them; SageMaker's own keys are skipped.

    Raises:
        InvalidHyperparameters: with every fault, each naming what came and what
            was expected.
    """
    values = {name: decode(value) for name, value in raw.items() if not _is_injected(name)}
    unknown = [name for name in values if name not in Hyperparameters.model_fields]
    known = {name: value for name, value in values.items() if name not in unknown}
    try:
        parsed = Hyperparameters.model_validate(known)
        wrong: list[str] = []
    except ValidationError as error:
        wrong = list(dict.fromkeys(str(fault["loc"][0]) for fault in error.errors()))
        parsed = Hyperparameters.model_construct(
            _fields_set=set(known) - set(wrong),
            **{name: value for name, value in known.items() if name not in wrong},
        )
    faults = [_unknown(name) for name in unknown]
    faults += [_wrong(name, known[name]) for name in wrong]
    faults += _contradictions(parsed)
    if faults:
        raise InvalidHyperparameters(faults)
    return parsed


def decode(value: Any) -> Any:
    r"""The value inside a string, whichever client wrote it.

    JSON text, Python's words and literals, and text that is JSON once more inside
    (``"\"512\""``, as tuning jobs send categories) are understood; anything else
    is the string itself.
    """
    for _ in range(_MOST_WRAPPINGS):
        if not isinstance(value, str):
            break
        value = _decode_once(value.strip())
    return value


def criterion_fault(criterion: str | None, kind: str) -> str | None:
    """Why a criterion does not suit the kind of target, or None if it does."""
    if criterion is None or criterion in CRITERIA[kind]:
        return None
    return f"criterion is {criterion!r}; a {kind} needs {', '.join(CRITERIA[kind])}"


def _decode_once(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if text[0] not in "{[":
        return text
    try:
        return ast.literal_eval(text)  # The SDK's Estimator writes dictionaries as Python does.
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _is_injected(name: str) -> bool:
    return name.startswith(_INJECTED_PREFIX) or name in _INJECTED


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, Hyperparameters.model_fields, n=1)
    hint = f"did you mean {close[0]}?" if close else "remove it"
    return f"{quoted(name)} is unknown; {hint}"


def _wrong(name: str, value: Any) -> str:
    return f"{name} is {quoted(value)}; expected {Hyperparameters.model_fields[name].description}"


def _contradictions(values: Hyperparameters) -> list[str]:
    faults = []
    bootstrap = values.bootstrap
    if values.algorithm == "extra_trees" and "bootstrap" not in values.model_fields_set:
        bootstrap = False
    if not bootstrap and values.oob_score:
        faults.append("oob_score needs bootstrap=true")
    if not bootstrap and values.max_samples is not None:
        faults.append("max_samples needs bootstrap=true")
    if values.task == "regression" and values.class_weight is not None:
        faults.append("class_weight is for classification, but task is regression")
    kinds = [values.task] if values.task else list(CRITERIA)
    why = [criterion_fault(values.criterion, kind) for kind in kinds]
    if all(why):
        faults.append(str(why[0]) if values.task else _wrong("criterion", values.criterion))
    return faults

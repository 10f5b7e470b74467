"""What a hyperparameter's string holds, whichever client wrote it."""

import ast
import json
from collections.abc import Mapping
from typing import Any

# Keys that SageMaker and its SDKs add for themselves.
_INJECTED_PREFIX = "sagemaker_"
_INJECTED = frozenset({"_tuning_objective_metric", "default_user_module_name"})
_MOST_WRAPPINGS = 4
_WORDS = {"True": True, "False": False, "None": None, "": None}


def decoded(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The values of hyperparameters.json, without the keys that SageMaker adds."""
    return {name: decode(value) for name, value in raw.items() if not _is_injected(name)}


def decode(value: Any) -> Any:
    r"""The value inside a string.

    JSON text, Python's words and literals, and text that is JSON once more inside
    (``"\"512\""``, as tuning jobs send categories) are understood; anything else
    is the string itself.
    """
    for _ in range(_MOST_WRAPPINGS):
        if not isinstance(value, str):
            break
        value = _decode_once(value.strip())
    return value


def _decode_once(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if text[0] not in "{[(":
        return text
    try:
        return ast.literal_eval(text)  # The SDK's Estimator writes dictionaries as Python does.
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _is_injected(name: str) -> bool:
    return name.startswith(_INJECTED_PREFIX) or name in _INJECTED

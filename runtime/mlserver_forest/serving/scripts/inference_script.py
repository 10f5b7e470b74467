"""The functions of a script for AWS's script mode, and how they answer one request.

A script defines ``model_fn(model_dir)`` and either ``transform_fn(model, body, content_type,
accept)`` or some of ``input_fn(body, content_type)``, ``predict_fn(data, model)`` and
``output_fn(prediction, accept)``; each may take ``context`` as its last argument. What it leaves
out is done as in AWS's scikit-learn and XGBoost images.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import Parameter, signature
from types import ModuleType
from typing import Any

from mlserver_forest.errors import (
    InvalidArtifact,
    InvalidInput,
    NotAcceptable,
    RequestError,
    UnsupportedMediaType,
    format_error,
    printable,
)
from mlserver_forest.serving.models.raw_answer import RawAnswer, as_body, from_response
from mlserver_forest.serving.scripts import default_codecs
from mlserver_forest.serving.scripts.request_context import RequestContext

_N_ARGUMENTS = {"model_fn": 1, "input_fn": 2, "predict_fn": 2, "output_fn": 2, "transform_fn": 4}
_PARTS = ("input_fn", "predict_fn", "output_fn")
# What code raises when a body does not hold what it looks for.
_REFUSALS = (ValueError, TypeError, KeyError, IndexError, AttributeError)
_LONGEST_REASON = 300


@dataclass(frozen=True)
class InferenceScript:
    """A script that was imported.

    Attributes:
        module: the script.
        default_accept: the media type of answers to requests without a preference.
    """

    module: ModuleType
    default_accept: str
    _takes_context: dict[str, bool] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Check that the functions go together and can be called.

        Raises:
            InvalidArtifact: naming the function and what is expected of it.
        """
        if not self._has("model_fn"):
            raise InvalidArtifact(
                f"{self.module.__name__} does not define model_fn(model_dir), which loads the model"
            )
        parts = [name for name in _PARTS if self._has(name)]
        if self.defines_transform and parts:
            raise InvalidArtifact(
                f"{self.module.__name__} defines transform_fn and {', '.join(parts)}; transform_fn "
                "takes the place of all three"
            )
        for name, n_arguments in _N_ARGUMENTS.items():
            if self._has(name):
                takes = _takes_context(getattr(self.module, name), n_arguments)
                self._takes_context[name] = takes

    @property
    def defines_transform(self) -> bool:
        """Whether one function turns bytes into bytes, so that no other can be asked."""
        return self._has("transform_fn")

    def load(self, model_dir: str, context: RequestContext) -> Any:
        """The model of ``model_fn``."""
        return self._call("model_fn", (model_dir,), context)

    def answer(
        self,
        model: Any,
        body: bytes,
        content_type: str | None,
        accept: str | None,
        context: RequestContext,
    ) -> RawAnswer:
        """Answer one request.

        Args:
            model: from ``load``.
            body: JSON and CSV reach the script as text.
            content_type: the header; without one, the body is JSON.
            accept: the header.
            context: of the request.

        Raises:
            RequestError: if the script says that it cannot read the body or write the answer.
            Exception: whatever the script raises.
        """
        sent = content_type or default_codecs.JSON
        wanted = accept if accept and accept != default_codecs.ANY else self.default_accept
        content = _text(body, sent) if sent in default_codecs.TEXT_TYPES else body
        if self.defines_transform:
            found = self._transform(model, content, sent, wanted, context)
        else:
            data = self._input(model, content, sent, context)
            found = self._output(self.predict(model, data, context), wanted, context)
        return from_response(found) or _from_result(found, wanted, self.default_accept)

    def predict(self, model: Any, data: Any, context: RequestContext) -> Any:
        """The prediction for decoded data."""
        if self._has("predict_fn"):
            return self._call("predict_fn", (data, model), context)
        if _is_booster(model):
            return model.predict(data, validate_features=False)
        return model.predict(data)

    def from_matrix(self, model: Any, x: Any) -> Any:
        """Rows as ``predict`` takes them, if no ``input_fn`` says otherwise."""
        if not self._has("input_fn") and _is_booster(model):
            import xgboost

            return xgboost.DMatrix(x)
        return x

    def _transform(
        self, model: Any, content: str | bytes, sent: str, wanted: str, context: RequestContext
    ) -> Any:
        try:
            return self._call("transform_fn", (model, content, sent, wanted), context)
        except Exception as error:
            if _is_about(error, sent):
                raise UnsupportedMediaType(_reason("transform_fn", error)) from error
            if _is_about(error, wanted):
                raise NotAcceptable(_reason("transform_fn", error)) from error
            raise

    def _input(self, model: Any, content: str | bytes, sent: str, context: RequestContext) -> Any:
        try:
            if self._has("input_fn"):
                return self._call("input_fn", (content, sent), context)
            return _decoded(model, content, sent)
        except RequestError:
            raise
        except Exception as error:
            if _is_about(error, sent):
                raise UnsupportedMediaType(_reason("input_fn", error)) from error
            if isinstance(error, _REFUSALS):
                raise InvalidInput(_reason("input_fn", error)) from error
            raise

    def _output(self, prediction: Any, wanted: str, context: RequestContext) -> Any:
        if not self._has("output_fn"):
            return default_codecs.encode(prediction, wanted)
        try:
            return self._call("output_fn", (prediction, wanted), context)
        except Exception as error:
            if _is_about(error, wanted):
                raise NotAcceptable(_reason("output_fn", error)) from error
            raise

    def _has(self, name: str) -> bool:
        return callable(getattr(self.module, name, None))

    def _call(self, name: str, arguments: tuple[Any, ...], context: RequestContext) -> Any:
        function = getattr(self.module, name)
        return function(*arguments, context) if self._takes_context[name] else function(*arguments)


def _decoded(model: Any, content: str | bytes, sent: str) -> Any:
    """What the image's own ``input_fn`` returns."""
    decode = default_codecs.decode_for_booster if _is_booster(model) else default_codecs.decode
    try:
        return decode(content, sent)
    except RequestError:
        raise
    except Exception as error:
        reason = printable(" ".join(str(error).split()), _LONGEST_REASON)
        raise InvalidInput(f"the body is not the {sent} that it should be: {reason}") from error


def _text(body: bytes, sent: str) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the body is {sent} but not UTF-8 ({error.reason})") from error


def _takes_context(function: Callable[..., Any], n_arguments: int) -> bool:
    """Whether a function takes a context after its arguments.

    A further parameter with a default value is one only if its name says so: AWS's scikit-learn
    image never passes a context, so such a parameter may be anything.

    Raises:
        InvalidArtifact: if it takes fewer or more arguments.
    """
    found = list(signature(function).parameters.values())
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    positional = [each for each in found if each.kind in kinds]
    if any(each.kind == Parameter.VAR_POSITIONAL for each in found):
        return False
    further = positional[n_arguments:]
    needed = [each for each in further[1:] if each.default is Parameter.empty]
    if len(positional) < n_arguments or needed:
        raise InvalidArtifact(
            f"{getattr(function, '__name__', function)} takes {len(positional)} arguments; "
            f"expected {n_arguments}, and perhaps context"
        )
    if not further:
        return False
    return further[0].default is Parameter.empty or further[0].name in {"context", "ctx"}


def _is_booster(model: Any) -> bool:
    kind = type(model)
    return kind.__name__ == "Booster" and kind.__module__.partition(".")[0] == "xgboost"


def _is_about(error: Exception, media_type: str) -> bool:
    """Whether an error says that a media type is not supported.

    The toolkits have a class for it, and scripts name the media type in their messages.
    """
    return type(error).__name__ == "UnsupportedFormatError" or media_type in str(error)


def _reason(function: str, error: Exception) -> str:
    message = printable(" ".join(str(error).split()), _LONGEST_REASON) or format_error(error)
    return f"the model's {function} refused the request: {message}"


def _from_result(found: Any, wanted: str, default: str) -> RawAnswer:
    """The answer for a body, or for a body and its media type."""
    is_pair = isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], str)
    body, media_type = found if is_pair else (found, _first(wanted, default))
    return RawAnswer(as_body(body), media_type)


def _first(accept: str, default: str) -> str:
    """The first media type of an Accept header that names one."""
    names = (part.partition(";")[0].strip() for part in accept.split(","))
    return next((name for name in names if name and "*" not in name), default)

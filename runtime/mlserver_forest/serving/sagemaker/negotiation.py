"""Content negotiation: how the body of an invocation is read, and how its response is written.

Which of the modules below does it depends on what the model's runtime wants of a body: rows of its
schema (``negotiated_rows.py``), a table (``negotiated_table.py``) or the bytes
(``negotiated_body.py``).
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from mlserver_forest.formats.matrix import Body
from mlserver_forest.serving.models.body_kind import BodyKind
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.pipeline import Inference
from mlserver_forest.serving.sagemaker.invocation_headers import (
    InvocationDefaults,
    InvocationHeaders,
)
from mlserver_forest.serving.sagemaker.negotiated_body import NegotiatedBody
from mlserver_forest.serving.sagemaker.negotiated_rows import NegotiatedRows
from mlserver_forest.serving.sagemaker.negotiated_table import NegotiatedTable


class Negotiated(Protocol):
    """A request whose headers have been read, but not its body.

    Attributes:
        may_expand: whether a small body may hold many rows.
    """

    may_expand: bool

    def parse(self, body: Body, headers: Mapping[bytes, bytes]) -> Inference:
        """Parse a body that came with headers; raises ForestError if the model cannot answer it."""


_KINDS: Mapping[
    BodyKind, Callable[[InvocationHeaders, InvocationDefaults, LoadedModel], Negotiated]
] = {
    BodyKind.ROWS: NegotiatedRows,
    BodyKind.TABLE: NegotiatedTable,
    BodyKind.RAW: NegotiatedBody,
}


def negotiate(
    headers: InvocationHeaders, defaults: InvocationDefaults, model: LoadedModel
) -> Negotiated:
    """Read the headers of a request to a model.

    Raises:
        UnsupportedMediaType: if the model does not read the body's media type.
        NotAcceptable: if Accept excludes all media types of answers.
        InvalidInput: if an output is chosen that the model does not have.
    """
    return _KINDS[model.runtime.body_kind](headers, defaults, model)

"""What a runtime wants of the body of an invocation; negotiation has a row for each kind."""

from enum import Enum, auto


class BodyKind(Enum):
    """How the body of ``/invocations`` reaches a runtime. V2 requests reach all of them alike.

    Attributes:
        ROWS: parsed by the model's schema: ``Runtime.answer`` takes the matrix.
        TABLE: parsed as columns whose names and types the body has: ``Runtime.infer`` takes them
            as a V2 request.
        RAW: not parsed: ``RawRuntime.answer_body`` takes the bytes.
    """

    ROWS = auto()
    TABLE = auto()
    RAW = auto()

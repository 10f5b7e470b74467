"""The source of JSON text: its name, the errors to raise, and the sizes of its blocks."""

import re
import time
from dataclasses import dataclass

import orjson

from mlserver_forest.errors import ForestError
from mlserver_forest.formats.file_name_hint import file_name_hint
from mlserver_forest.formats.parsing import SERVING, ParsePolicy
from mlserver_forest.formats.source import Source

_NOT_A_NUMBER = re.compile(r"-?(nan|inf)", re.IGNORECASE)
# What bodies that are not JSON may be, by how they begin.
_OTHER_FORMS = (
    (re.compile(r"\s*-?[\d.]+\s*,"), "; the body looks like CSV: send Content-Type: text/csv"),
    (re.compile(r"\s*[\[{]+\s*'"), "; JSON has double quotes: send what json.dumps(rows) writes"),
)
_PAUSE_SECONDS = 2e-5


@dataclass(frozen=True, slots=True)
class Sizes:
    """How text is divided into blocks, in bytes.

    Attributes:
        whole: documents up to this size are parsed at once.
        small_array: in larger documents, arrays up to this size are parsed with the text
            around them.
        block: the text of a large array, or of lines, that is parsed at a time; 2 or more.
        longest: the limit for one element of a large array, for one line, and for all text
            outside of large arrays. orjson parses 4 MB in about 20 ms.
    """

    whole: int = 2**18
    small_array: int = 1024
    block: int = 2**16
    longest: int = 2**22


# Blocks of a file are larger, because no other request waits.
_SIZES = {False: Sizes(), True: Sizes(block=2**21, longest=2**26)}


@dataclass(frozen=True, slots=True)
class JsonSource:
    """The source of JSON text, and how it is parsed.

    Attributes:
        name: the file or stream; empty for a request body.
        policy: the errors to raise.
        sizes: of the blocks.
        names: of the columns, if they are known from other files of a channel.
        has_one_column: whether rows are known to have one value, so that a list of values is one of
            rows, as MLflow, TensorFlow Serving and V2 read it.
    """

    name: str = ""
    policy: ParsePolicy = SERVING
    sizes: Sizes = Sizes()
    names: tuple[str, ...] = ()
    has_one_column: bool = False

    @classmethod
    def of(cls, source: Source, policy: ParsePolicy, sizes: Sizes | None = None) -> "JsonSource":
        """The source of the text of a body or file; the policy decides sizes that are None."""
        names = (source.names or ()) if policy.is_training else ()
        has_one = source.width == 1 and not policy.is_training
        return cls(source.name, policy, sizes or _SIZES[policy.reads_files], names, has_one)

    @property
    def title(self) -> str:
        """The name in error messages."""
        return self.name or "the body"

    def not_json(
        self, error: orjson.JSONDecodeError, location: str = "", unit: str = ""
    ) -> ForestError:
        """The error for text that orjson refuses.

        Args:
            error: from orjson.
            location: of the fault, if orjson did not parse the whole text.
            unit: the line that orjson parsed, such as ``line 3``; empty for a document.
        """
        location = location or f"line {error.lineno} column {error.colno} (char {error.pos})"
        title = self.title if not unit else f"{self.name}, {unit}" if self.name else unit
        hint = ""
        if _NOT_A_NUMBER.match(error.doc, error.pos):
            hint = "; JSON has no NaN and no Infinity: send null for a missing value"
        elif not self.name and error.pos == 0:
            hint = file_name_hint(error.doc)
        if not hint and not self.name:
            hint = next((step for form, step in _OTHER_FORMS if form.match(error.doc)), "")
        return self.policy.invalid(f"{title} is not JSON: {error.msg}: {location}{hint}")


BODY = JsonSource()


def give_way() -> None:
    """Let other threads run, between two blocks.

    A thread that waits for CPython's lock asks for it after 5 ms without a release. NumPy
    releases it every few microseconds and takes it back before the other thread wakes up,
    which made the other thread wait for 400 ms (measured).
    """
    time.sleep(_PAUSE_SECONDS)

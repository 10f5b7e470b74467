"""The machine that a pickle is a program for, with every object of a class as an inert record.

The opcodes are those of CPython's ``pickletools`` (protocols 0 to 5). Strings of Python 2 are read
as Latin-1, as scikit-learn and NumPy do.
"""

import codecs
import struct
from collections.abc import Callable, Mapping
from typing import Any

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.byte_stream import ByteStream
from mlserver_forest.importers.pickles.numpy_objects import (
    REDUCERS,
    UnfinishedArray,
    UnfinishedDtype,
    read_wrapped,
)
from mlserver_forest.importers.pickles.record import GlobalName, Record, checked_key

MOST_OPCODES = 100_000_000
# A pickle in a pickle is an array of objects, as joblib writes them.
_MOST_NESTED = 8
_MOST_DIGITS = 1000
_MOST_LINE = 1 << 20
_HIGHEST_PROTOCOL = 5
_SEVERAL_FILES = ("NDArrayWrapper", "ZNDArrayWrapper")
_JOBLIB_ARRAY = "NumpyArrayWrapper"
_MARK = object()


class PickleMachine:
    """Follows one pickle to its end.

    Args:
        stream: the bytes, which are read up to the end of the pickle.
        depth: the pickles around this one.
    """

    def __init__(self, stream: ByteStream, depth: int = 0) -> None:
        self._stream = stream
        self._depth = depth
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._result: Any = None
        self._is_finished = False

    def run(self) -> Any:
        """Read the object.

        Returns:
            Numbers, strings, lists, tuples, sets and dictionaries as they are, NumPy's arrays and
            scalars rebuilt, everything else as a ``Record`` or a ``GlobalName``.

        Raises:
            UnsupportedEstimator: if the pickle is damaged, too large, or in several parts.
        """
        read = self._stream.read
        for _ in range(MOST_OPCODES):
            opcode = read(1)[0]
            handler = _HANDLERS.get(opcode)
            if handler is None:
                raise self.fault(f"has the byte {opcode:#04x}, which is not an opcode of a pickle")
            try:
                handler(self)
            except (IndexError, KeyError) as error:
                raise self.fault("uses a value that it does not have") from error
            except (TypeError, ValueError, OverflowError, struct.error, UnicodeError) as error:
                raise self.fault(f"holds a damaged value ({error})") from error
            if self._is_finished:
                return self._result
        raise self.fault(f"has more than {MOST_OPCODES} opcodes")

    def fault(self, reason: str) -> UnsupportedEstimator:
        """The error for a pickle that cannot be read, at the current position."""
        return UnsupportedEstimator(f"the pickle {reason}, at byte {self._stream.position}")

    # Constants.

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _number(self, form: str) -> int:
        (number,) = struct.unpack(form, self._stream.read(struct.calcsize(form)))
        return int(number)

    def _text(self, form: str) -> None:
        data = self._stream.read(self._number(form))
        self._push(data.decode("utf-8", "surrogatepass"))

    def _bytes(self, form: str) -> None:
        self._push(self._stream.read(self._number(form)))

    def _python2_bytes(self, form: str) -> None:
        self._push(self._stream.read(self._number(form)).decode("latin-1"))

    def _python2_string(self) -> None:
        line = self._stream.read_line(_MOST_LINE)
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in {b"'", b'"'}:
            raise self.fault("holds a string without quotes")
        self._push(codecs.escape_decode(line[1:-1])[0].decode("latin-1"))

    def _line(self) -> str:
        return self._stream.read_line(_MOST_LINE).decode("utf-8")

    def _digits(self) -> str:
        return self._stream.read_line(_MOST_DIGITS).decode("ascii")

    def _int(self) -> None:
        line = self._digits()
        self._push({"00": False, "01": True}[line] if line in {"00", "01"} else int(line))

    def _long(self, form: str) -> None:
        n_bytes = self._number(form)
        if not 0 <= n_bytes <= _MOST_DIGITS:
            raise self.fault(f"holds an integer of {n_bytes} bytes")
        self._push(int.from_bytes(self._stream.read(n_bytes), "little", signed=True))

    # Containers.

    def _since_mark(self) -> list[Any]:
        """Take everything that was pushed since the last mark."""
        for position in range(len(self._stack) - 1, -1, -1):
            if self._stack[position] is _MARK:
                found = self._stack[position + 1 :]
                del self._stack[position:]
                return found
        raise self.fault("closes a list that it did not open")

    def _take(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise self.fault("uses a mark as a value")
        return value

    def _dictionary(self) -> None:
        values = self._since_mark()
        self._push({})
        self._set_items(values)

    def _take_tuple(self, size: int) -> None:
        if size:
            values = tuple(self._stack[-size:])
            if len(values) < size or any(value is _MARK for value in values):
                raise self.fault("makes a tuple of too few values")
            del self._stack[-size:]
            self._push(values)
        else:
            self._push(())

    def _append(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(values)
        elif isinstance(target, Record):
            target.items.extend(values)
        else:
            raise self.fault("appends to something that is not a list")

    def _set_items(self, values: list[Any]) -> None:
        target = self._stack[-1]
        pairs = list(zip(values[::2], values[1::2], strict=False))
        if len(values) % 2 or not isinstance(target, dict | Record):
            raise self.fault("sets items of something that is not a dictionary")
        if isinstance(target, Record):
            target.items.extend(pairs)
            return
        for key, value in pairs:
            target[checked_key(key)] = value

    def _add(self) -> None:
        values = self._since_mark()
        target = self._stack[-1]
        if isinstance(target, Record):
            target.items.extend(values)
        elif isinstance(target, set):
            target.update(map(checked_key, values))
        else:
            raise self.fault("adds to something that is not a set")

    def _frozen_set(self) -> None:
        self._push(frozenset(map(checked_key, self._since_mark())))

    # The memo.

    def _remember(self, position: int) -> None:
        value = self._memo[position] = self._stack[-1]
        if isinstance(value, UnfinishedArray):
            value.memo_positions.append(position)

    def _recall(self, position: int) -> None:
        self._push(self._memo[position])

    # Objects.

    def _global(self) -> None:
        module = self._line()
        self._push(GlobalName.of(module, self._line()))

    def _stack_global(self) -> None:
        name, module = self._take(), self._take()
        if not isinstance(name, str) or not isinstance(module, str):
            raise self.fault("names a class by something that is not text")
        self._push(GlobalName.of(module, name))

    def _make(self, kind: Any, arguments: Any) -> None:
        """What a call or the making of an object leaves: a record, or one of NumPy's objects."""
        if isinstance(kind, Record):  # A class that the pickle itself makes, as cloudpickle does.
            kind, arguments = kind.kind, (kind, arguments)
        if not isinstance(kind, GlobalName) or not isinstance(arguments, tuple):
            raise self.fault("makes an object of something that is not a class")
        reduce = REDUCERS.get(str(kind))
        self._push(Record(kind, arguments) if reduce is None else reduce(kind, arguments))

    def _reduce(self) -> None:
        arguments = self._take()
        self._make(self._take(), arguments)

    def _new_with_keywords(self) -> None:
        keywords, arguments = self._take(), self._take()
        self._make(self._take(), (*arguments, keywords) if keywords else arguments)

    def _instance(self) -> None:
        arguments = tuple(self._since_mark())
        kind = GlobalName.of(self._line(), self._line())
        self._make(kind, arguments)

    def _object(self) -> None:
        kind, *arguments = self._since_mark()
        self._make(kind, tuple(arguments))

    def _build(self) -> None:
        state, target = self._take(), self._stack[-1]
        if isinstance(target, UnfinishedArray):
            self._stack[-1] = target.finish(state)
            for position in target.memo_positions:
                self._memo[position] = self._stack[-1]
        elif isinstance(target, UnfinishedDtype):
            target.restore(state)
        elif isinstance(target, Record):
            if target.name in _SEVERAL_FILES:
                raise self.fault(
                    "is the first of several files, as joblib before 0.10 wrote them; load the "
                    "model where it was written, and save it again with joblib.dump(estimator, "
                    "file, compress=3)"
                )
            target.state = state
            if target.name == _JOBLIB_ARRAY:
                self._stack[-1] = read_wrapped(target, self._stream, self._nested)
        else:
            raise self.fault(f"restores a {type(target).__name__}")

    def _nested(self) -> Any:
        """An object whose pickle follows in the same bytes, as joblib writes arrays of objects."""
        if self._depth >= _MOST_NESTED:
            raise self.fault(f"holds pickles in pickles, more than {_MOST_NESTED} deep")
        return PickleMachine(self._stream, self._depth + 1).run()

    def _protocol(self) -> None:
        protocol = self._number("<B")
        if protocol > _HIGHEST_PROTOCOL:
            raise self.fault(f"is of protocol {protocol}; the highest is {_HIGHEST_PROTOCOL}")

    def _stop(self) -> None:
        self._result = self._take()
        self._is_finished = True

    def _refuse(self, reason: str) -> None:
        raise self.fault(f"{reason}; save the estimator alone, with joblib.dump(estimator, file)")


# ruff: noqa: SLF001  # The table belongs to the class.
_M = PickleMachine
_HANDLERS: Mapping[int, Callable[[PickleMachine], object]] = {
    ord("\x80"): _M._protocol,
    ord("\x95"): lambda m: m._number("<Q"),  # A frame only groups what follows.
    ord("."): _M._stop,
    ord("("): lambda m: m._push(_MARK),
    ord("0"): lambda m: m._stack.pop(),
    ord("1"): lambda m: m._since_mark(),
    ord("2"): lambda m: m._push(m._stack[-1]),
    ord("N"): lambda m: m._push(None),
    ord("\x88"): lambda m: m._push(True),
    ord("\x89"): lambda m: m._push(False),
    ord("I"): _M._int,
    ord("L"): lambda m: m._push(int(m._digits().removesuffix("L"))),
    ord("J"): lambda m: m._push(m._number("<i")),
    ord("K"): lambda m: m._push(m._number("<B")),
    ord("M"): lambda m: m._push(m._number("<H")),
    ord("\x8a"): lambda m: m._long("<B"),
    ord("\x8b"): lambda m: m._long("<i"),
    ord("F"): lambda m: m._push(float(m._digits())),
    ord("G"): lambda m: m._push(struct.unpack(">d", m._stream.read(8))[0]),
    ord("S"): _M._python2_string,
    ord("T"): lambda m: m._python2_bytes("<I"),
    ord("U"): lambda m: m._python2_bytes("<B"),
    ord("B"): lambda m: m._bytes("<I"),
    ord("C"): lambda m: m._bytes("<B"),
    ord("\x8e"): lambda m: m._bytes("<Q"),
    ord("\x96"): lambda m: m._bytes("<Q"),
    ord("V"): lambda m: m._push(
        codecs.raw_unicode_escape_decode(m._stream.read_line(_MOST_LINE))[0]
    ),
    ord("X"): lambda m: m._text("<I"),
    ord("\x8c"): lambda m: m._text("<B"),
    ord("\x8d"): lambda m: m._text("<Q"),
    ord("]"): lambda m: m._push([]),
    ord("}"): lambda m: m._push({}),
    ord(")"): lambda m: m._push(()),
    ord("\x8f"): lambda m: m._push(set()),
    ord("l"): lambda m: m._push(m._since_mark()),
    ord("t"): lambda m: m._push(tuple(m._since_mark())),
    ord("\x85"): lambda m: m._take_tuple(1),
    ord("\x86"): lambda m: m._take_tuple(2),
    ord("\x87"): lambda m: m._take_tuple(3),
    ord("d"): _M._dictionary,
    ord("\x91"): _M._frozen_set,
    ord("a"): lambda m: m._append([m._take()]),
    ord("e"): lambda m: m._append(m._since_mark()),
    ord("s"): lambda m: m._set_items([*reversed([m._take(), m._take()])]),
    ord("u"): lambda m: m._set_items(m._since_mark()),
    ord("\x90"): _M._add,
    ord("p"): lambda m: m._remember(int(m._digits())),
    ord("q"): lambda m: m._remember(m._number("<B")),
    ord("r"): lambda m: m._remember(m._number("<I")),
    ord("\x94"): lambda m: m._remember(len(m._memo)),
    ord("g"): lambda m: m._recall(int(m._digits())),
    ord("h"): lambda m: m._recall(m._number("<B")),
    ord("j"): lambda m: m._recall(m._number("<I")),
    ord("c"): _M._global,
    ord("\x93"): _M._stack_global,
    ord("R"): _M._reduce,
    ord("\x81"): _M._reduce,
    ord("\x92"): _M._new_with_keywords,
    ord("i"): _M._instance,
    ord("o"): _M._object,
    ord("b"): _M._build,
    ord("P"): lambda m: m._refuse("refers to an object outside of it"),
    ord("Q"): lambda m: m._refuse("refers to an object outside of it"),
    ord("\x82"): lambda m: m._refuse("uses a registry of the program that wrote it"),
    ord("\x83"): lambda m: m._refuse("uses a registry of the program that wrote it"),
    ord("\x84"): lambda m: m._refuse("uses a registry of the program that wrote it"),
    ord("\x97"): lambda m: m._refuse("keeps its arrays in other files"),
    ord("\x98"): lambda m: m._refuse("keeps its arrays in other files"),
}

"""Pickles of any protocol are read as Python reads them, and nothing in them is executed."""

import collections
import decimal
import gzip
import io
import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from joblib.numpy_pickle import NumpyArrayWrapper

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.byte_stream import open_stream
from mlserver_forest.importers.pickles.pickle_machine import PickleMachine
from mlserver_forest.importers.pickles.record import GlobalName, Record

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
KEYS = st.one_of(st.text(), st.integers(-(2**59), 2**59), st.booleans(), st.none())
VALUES = st.recursive(
    st.one_of(KEYS, st.floats(allow_nan=False), st.binary(), st.integers(-(2**300), 2**300)),
    lambda inner: st.one_of(
        st.lists(inner), st.tuples(inner, inner), st.dictionaries(KEYS, inner), st.sets(KEYS)
    ),
)
DTYPES = st.one_of(
    *(arrays.boolean_dtypes(), arrays.integer_dtypes(), arrays.unsigned_integer_dtypes()),
    *(arrays.floating_dtypes(), arrays.unicode_string_dtypes(), arrays.byte_string_dtypes()),
    st.just(np.dtype([("a", "<i8"), ("b", ">f4"), ("c", "u1")])),
)


def read(content):
    return PickleMachine(open_stream(io.BufferedReader(io.BytesIO(content)), len(content))).run()


@given(VALUES, st.sampled_from(PROTOCOLS))
def test_plain_values_are_read_as_python_reads_them(value, protocol):
    assert read(pickle.dumps(value, protocol)) == value


@given(
    DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_side=0))),
    st.sampled_from(PROTOCOLS),
    st.sampled_from("CF"),
)
def test_arrays_are_rebuilt(x, protocol, order):
    x = np.array(x, order=order)
    found = read(pickle.dumps([x, x], protocol))
    for one in found:
        assert one.dtype == x.dtype
        assert one.shape == x.shape
        assert one.tobytes() == x.tobytes()


@pytest.mark.parametrize("compress", [0, 1, ("gzip", 3), ("bz2", 3), ("xz", 1), ("lzma", 1)])
def test_joblibs_files_are_read(tmp_path, compress):
    """Arrays stand in them between the opcodes, arrays of objects as pickles of their own."""
    mixed = np.array(["a", None, (1, np.arange(3))], object)
    joblib.dump({"x": np.arange(9.0).reshape(3, 3).T, "y": mixed}, tmp_path / "x", compress)
    found = read((tmp_path / "x").read_bytes())
    assert np.array_equal(found["x"], np.arange(9.0).reshape(3, 3).T)
    assert found["y"].tolist()[:2] == ["a", None]
    assert np.array_equal(found["y"][2][1], np.arange(3))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_scalars_of_numpy_are_read(protocol):
    values = [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("é"), np.float64("nan")]
    found = read(pickle.dumps(values, protocol))
    assert list(map(type, found)) == list(map(type, values))
    assert found[:4] == values[:4]
    assert np.isnan(found[4])


class Thing:
    def __init__(self):
        self.name = "x"


class Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_object_is_a_record(protocol):
    found = read(pickle.dumps(Thing(), protocol))
    assert isinstance(found, Record)
    assert str(found.kind) == f"{Thing.__module__}.Thing"
    assert found.attributes == {"name": "x"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_would_be_called_is_a_record(tmp_path, protocol):
    found = read(pickle.dumps([Bomb(tmp_path / "made")], protocol))[0]
    assert (found.kind.name, found.arguments) == ("mkdir", (str(tmp_path / "made"),))
    assert not (tmp_path / "made").exists()


def test_containers_of_other_classes_keep_their_items():
    ordered = read(pickle.dumps(collections.OrderedDict(a=1, b=2)))
    assert (ordered.name, ordered.items) == ("OrderedDict", [("a", 1), ("b", 2)])
    assert read(pickle.dumps(decimal.Decimal("1.5"))).arguments == ("1.5",)


WATCH = """
import sys
from pathlib import Path
from mlserver_forest.importers.pickles.pickle_reader import read_pickle

path = Path(sys.argv[1])
read_pickle(path)  # So that everything is imported.
events, is_watched = [], False
sys.addaudithook(lambda name, _: events.append(name) if is_watched else None)
is_watched = True
read_pickle(path)
is_watched = False
print(sorted(set(events)))
"""


def test_nothing_is_imported_opened_or_executed(tmp_path, iris_forest):
    """Python's audit hooks see every import, file, process, socket, and compiled code."""
    joblib.dump([iris_forest, Bomb(tmp_path / "made"), Thing()], tmp_path / "x.joblib", 3)
    command = [sys.executable, "-c", WATCH, tmp_path / "x.joblib"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['open']"
    assert not (tmp_path / "made").exists()


class Outside(pickle.Pickler):
    def persistent_id(self, value):
        return "outside" if isinstance(value, Thing) else None


def pickled_outside():
    file = io.BytesIO()
    Outside(file).dump([Thing()])
    return file.getvalue()


def separate():
    return pickle.dumps(pickle.PickleBuffer(b"abc"), 5, buffer_callback=lambda _: None)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\x80\x04", "ends at byte 2, in the middle of a value; it was cut off"),
        (b"\x80\x06.", "is of protocol 6; the highest is 5"),
        (b"\x80\x04\xff.", "has the byte 0xff, which is not an opcode"),
        (b"\x80\x04e.", "closes a list that it did not open"),
        (b"\x80\x04h\x09.", "uses a value that it does not have"),
        (b"\x80\x04(.", "uses a mark as a value"),
        (b"\x80\x04]}K\x01s.", "sets items of something that is not a dictionary"),
        (b"\x80\x04](K\x01\x90.", "adds to something that is not a set"),
        (b"\x80\x04K\x01K\x02R.", "makes an object of something that is not a class"),
        (b"\x80\x04}]K\x01s.", "a key of the type list"),
        (b"\x80\x04}\x8a\x09" + b"\x01" * 9 + b"Ns.", "a key of more than 60 bits"),
        (b"\x80\x04\x8b\xff\xff\xff\x7f.", "holds an integer of 2147483647 bytes"),
        (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x00.", "in the middle of a value"),
        (b"\x80\x04X\x02\x00\x00\x00\xff\xff.", "holds a damaged value"),
        (pickled_outside(), "refers to an object outside of it; save the estimator alone"),
        (separate(), "keeps its arrays in other files"),
    ],
)
def test_a_fault_is_named_with_its_place(content, fault):
    with pytest.raises(UnsupportedEstimator, match=fault):
        read(content)


def test_deep_nesting_ends(tmp_path):
    """Neither Python's stack nor that of C is used for it."""
    depth = 200_000
    assert read(b"\x80\x04" + b"]" * depth + b"a" * (depth - 1) + b".")
    with pytest.raises(UnsupportedEstimator, match="a key of the type tuple"):
        read(b"\x80\x04})" + b"\x85" * depth + b"Ns.")


@pytest.mark.parametrize(("depth", "is_read"), [(8, True), (9, False)])
def test_pickles_in_pickles_end(depth, is_read):
    """joblib writes an array of objects as a pickle in the pickle, which may hold another one."""
    wrapper = NumpyArrayWrapper(np.ndarray, (1,), "C", np.dtype(object))
    outer = pickle.dumps(wrapper, 4).removesuffix(b".")
    content = outer * depth + pickle.dumps(np.array([1], object), 4) + b"." * depth
    if is_read:
        assert read(content).tolist() == [1]
        return
    with pytest.raises(UnsupportedEstimator, match="pickles in pickles, more than 8 deep"):
        read(content)


@pytest.mark.parametrize("compress", [("gzip", 9), ("bz2", 9), ("xz", 6)])
def test_a_bomb_ends_before_it_fills_the_memory(tmp_path, compress):
    joblib.dump(np.zeros(1 << 25), tmp_path / "bomb", compress)
    size = (tmp_path / "bomb").stat().st_size
    assert size < (1 << 28) / 500
    with pytest.raises(UnsupportedEstimator, match="inflates to more than 67108864 bytes"):
        read((tmp_path / "bomb").read_bytes())


@pytest.mark.parametrize("content", [b'{"learner": {}}', b"a,b\n1,2\n", b""])
def test_a_compressed_file_of_something_else_is_named(content):
    with pytest.raises(UnsupportedEstimator, match=r"holds no pickle but a file that starts with"):
        read(gzip.compress(content, mtime=0))


def test_arrays_in_several_files_are_refused():
    kind = b"joblib.numpy_pickle_compat\nNDArrayWrapper\n"
    with pytest.raises(UnsupportedEstimator, match=r"first of several files.*compress=3"):
        read(b"\x80\x02c" + kind + b")\x81}b.")


def test_the_names_of_python_2_are_those_of_python_3():
    assert read(b"c__builtin__\nobject\n.") == GlobalName("builtins", "object")

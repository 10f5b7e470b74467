"""Each way in which reading a model may fail has a sentence of its own."""

import traceback

import numpy as np
import pytest
import scipy.sparse

from mlserver_forest.importers.pack.failure import describe_exception, describe_exit


def raised(function):
    try:
        function()
    except BaseException as error:  # noqa: BLE001  # It is described.
        return error
    raise AssertionError


def test_memory_is_named_with_the_bound():
    error = raised(lambda: np.empty(1 << 55))
    assert isinstance(error, MemoryError), traceback.format_exception(error)
    assert describe_exception("m.txt", error, 5 << 30).startswith("m.txt takes more than 5.0 GiB")


def test_a_library_that_fails_is_named_with_its_version():
    error = raised(lambda: scipy.sparse.csr_matrix(([1], [2, 3], [0]), shape=(1, 1)))
    assert describe_exception("m.pkl", error, 0) == (
        f"m.pkl: scipy {scipy.__version__} failed while it read the model ({type(error).__name__}: "
        f"{error}); the file is damaged, or was written by another version of scipy: save it again "
        "with this one, or run forest pack where it was written"
    )


def test_a_fault_of_our_own_is_one():
    error = raised(lambda: describe_exit("m", 1, None))
    assert "which is a fault of mlserver-forest (AttributeError: " in describe_exception(
        "m", error, 0
    )


@pytest.mark.parametrize(
    ("code", "stderr", "expected"),
    [
        (-11, "", "m: a library crashed while it read the model (SIGSEGV; it wrote no message); "),
        (-6, "terminate called: std::bad_alloc", "m: a library ran out of memory"),
        (-9, "", "m: the process that read it was killed (SIGKILL), as the system does when"),
        (-15, "", "m: the process that read it was stopped (SIGTERM); run it again"),
        (1, "a\nlast line\n", "(exit code 1; last line); nothing was packed"),
    ],
)
def test_each_end_is_told_apart(code, stderr, expected):
    assert expected in describe_exit("m", code, stderr)

"""text/csv in answers: one per line, as any CSV reader reads it back."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserver_forest.formats.csv.csv_writer import encode
from mlserver_forest.formats.predictions import Predictions

NAN = float("nan")


def answers(*columns, are_selected=False):
    names = ("predict", "predict_proba", "more")
    found = Predictions(dict(zip(names, columns, strict=False)), are_selected)
    return b"".join(encode(found)).decode()


def labels(*texts):
    return np.array(texts, dtype=object)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (labels("setosa", "virginica"), "setosa\nvirginica\n"),
        (np.array([1, 2]), "1\n2\n"),
        (np.array([True, False]), "True\nFalse\n"),
        (np.array([0.1, 1e-20, 1e16, NAN]), "0.1\n1e-20\n1e+16\nnan\n"),
        (labels("a,b", 'c"d', "é", "e\nf", "g\rh", ""), '"a,b"\n"c""d"\né\n"e\nf"\n"g\rh"\n""\n'),
        (np.array([[0.5, 1e-7], [2.0, 3.0]]), "0.5,1e-07\n2.0,3.0\n"),
        (np.array([["a", "b,c"]], dtype=object), 'a,"b,c"\n'),
    ],
)
def test_answers_are_one_per_line(values, expected):
    assert answers(values) == expected


def test_chosen_outputs_stand_side_by_side_and_lists_as_json():
    probabilities = np.array([[0.1, 0.9], [1.0, NAN]])
    assert answers(labels("x", "y,z"), probabilities, np.array([1, 0]), are_selected=True) == (
        'x,"[0.1, 0.9]",1\n"y,z","[1.0, null]",0\n'
    )
    assert answers(probabilities, are_selected=True) == '"[0.1, 0.9]"\n"[1.0, null]"\n'
    assert answers(probabilities[:, :1], are_selected=True) == "[0.1]\n[1.0]\n"
    assert answers(np.array([["a", "b"]], dtype=object), are_selected=True) == '"[""a"", ""b""]"\n'


@given(st.lists(st.tuples(st.text(max_size=4), st.floats()), min_size=1, max_size=9))
def test_any_csv_reader_reads_the_answers_back(rows):
    written = answers(labels(*(text for text, _ in rows)), np.array([number for _, number in rows]))
    read = list(csv.reader(io.StringIO(written, newline=""), strict=True))
    assert read == [[text, repr(number)] for text, number in rows]


def test_many_answers_are_written_in_blocks():
    blocks = list(encode(Predictions({"predict": np.arange(40_000)})))
    assert len(blocks) == 3
    assert b"".join(blocks) == b"".join(b"%d\n" % value for value in range(40_000))


def test_wide_answers_are_written_in_smaller_blocks():
    rows = np.random.default_rng(0).random((300, 1000))
    blocks = list(encode(Predictions({"predict_proba": rows})))
    assert max(map(len, blocks)) < 2**19
    assert np.array_equal(np.loadtxt(io.BytesIO(b"".join(blocks)), delimiter=","), rows)

"""Captured answers of every form, and how those of two variants differ."""

import base64
import json

import pytest
from scipy.stats import binomtest

from mlserver_forest.errors import InvalidData
from mlserver_forest.evaluation.captured.answer_comparison import (
    are_labels,
    distributions,
    joined_answers,
)
from mlserver_forest.evaluation.captured.answer_rows import AnsweredRow, answered_rows
from mlserver_forest.evaluation.captured.capture_record import parse_records, variant_in_key
from mlserver_forest.evaluation.captured.difference_intervals import (
    mean_difference,
    share_difference,
    share_interval,
)

V2 = {
    "outputs": [
        {"name": "predict", "datatype": "BYTES", "shape": [2, 1], "data": ["no", "yes"]},
        {
            "name": "predict_proba",
            "datatype": "FP64",
            "shape": [2, 2],
            "data": [0.9, 0.1, 0.2, 0.8],
        },
    ]
}
LABELED = [("no", True, (0.9, 0.1)), ("yes", True, (0.2, 0.8))]
DOCUMENTS = [{"predicted_label": "no", "probabilities": [0.9, 0.1]}]
DOCUMENTS += [{"predicted_label": "yes", "probabilities": [0.2, 0.8]}]
FORMS = {
    "labels in CSV": (
        "text/csv; charset=utf-8",
        "no\nyes\n",
        [("no", None, ()), ("yes", None, ())],
    ),
    "numbers in CSV": ("text/csv", "1.5\n2\n", [(1.5, None, ()), (2.0, None, ())]),
    "outputs in CSV": ("text/csv", 'no,"[0.9, 0.1]"\nyes,"[0.2, 0.8]"', None),
    "JSON": ("application/json", json.dumps({"predictions": DOCUMENTS}), LABELED),
    "JSON lines": ("application/jsonlines", "\n".join(map(json.dumps, DOCUMENTS)), LABELED),
    "V2": ("application/json", json.dumps(V2), LABELED),
    "scores": ("application/json", '{"predictions": [{"score": 3}]}', [(3.0, False, ())]),
    "whole labels": ("application/json", '[{"predicted_label": 1.0}]', [("1", True, ())]),
    "a bare list": ("application/json", "[0.5, 1]", [(0.5, None, ()), (1.0, None, ())]),
}


def line(media_type, data, encoding="CSV"):
    output = {"observedContentType": media_type, "mode": "OUTPUT", "data": data}
    metadata = {"eventId": "e", "inferenceTime": "2026-06-01T10:00:00Z"}
    captured = {"endpointOutput": {**output, "encoding": encoding}}
    document = {"captureData": captured, "eventMetadata": metadata, "eventVersion": "0"}
    return json.dumps(document).encode()


@pytest.mark.parametrize("form", FORMS)
def test_answers_of_every_form_are_read(form):
    media_type, data, expected = FORMS[form]
    packed = base64.b64encode(data.encode()).decode()
    content = line(media_type, data) + b"\n\n" + line(media_type, packed, "BASE64")
    plain, in_base64 = parse_records(content, "a", "f")
    found = answered_rows(plain)
    assert found == answered_rows(in_base64)
    if expected is None:
        expected = [(answer, None, values) for answer, _, values in LABELED]
    assert found == [AnsweredRow(*row) for row in expected]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (line("application/x-npy", "eA==", "BASE64"), "type application/x-npy cannot be compared"),
        (line("application/json", "{}"), "has another form than those of serve"),
        (line("text/csv", "x", "BASE64"), "is not a record of captured data"),
        (b"{", "f: line 1: '{' is not a record"),
        (
            line("", None).replace(b"endpointOutput", b"endpointInput"),
            "the answer was not captured",
        ),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(content, said):
    with pytest.raises(InvalidData, match="f: line 1") as error:
        [answered_rows(one) for one in parse_records(content, "a", "f")]
    assert said in str(error.value)


def test_a_key_names_the_variant():
    assert variant_in_key("captured/churn/new/2026/06/01/10/59-00.jsonl") == "new"
    assert variant_in_key("copied/59-00.jsonl") == ""


@pytest.mark.parametrize(("found", "total"), [(0, 9), (1, 10), (30, 400), (7, 7)])
def test_intervals_of_shares_are_wilsons(found, total):
    expected = binomtest(found, total).proportion_ci(method="wilson")
    interval = share_interval(found, total)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_differences_have_newcombes_interval():
    """The first example of table II of the paper: 56 of 70 against 48 of 80."""
    interval = share_difference((48, 80), (56, 70))
    assert (interval.low, interval.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert interval.is_certain
    assert not share_difference((0, 3), (0, 4)).is_certain
    assert not mean_difference([1.0], [5.0, 5.0]).is_certain
    assert mean_difference([1.0, 2.0] * 20, [5.0, 6.0] * 20).is_certain


def test_labels_are_labels_however_they_are_answered():
    one, two = [AnsweredRow(1.0)], [AnsweredRow("1", True)]
    assert are_labels([*one, *two])
    assert not are_labels([AnsweredRow(1.0, False)])
    assert not are_labels([AnsweredRow(1.5)])
    joined = joined_answers(list(zip(one, two, strict=True)), are_classes=True)
    assert (joined.n_rows, joined.n_different, joined.mean_distance) == (1, 0, None)
    rare = [AnsweredRow(f"c{number}") for number in range(20)]
    found = distributions([*rare, *rare], rare, are_classes=True)
    assert list(found.labels)[-1] == "(others)"
    assert sum(one for one, _ in found.shares.values()) == pytest.approx(1)
    near = joined_answers([(AnsweredRow(0.5), AnsweredRow(0.5 + 1e-9))], are_classes=False)
    assert near.n_different == 0

"""The baseline: what training saw, kept in the artifact and held against rows."""

import asyncio
import io
import json
from dataclasses import replace

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlserver import ModelSettings
from mlserver.types import InferenceRequest, RequestInput, RequestOutput

from formats.request_bodies import decoder
from mlserver_forest import ForestModel
from mlserver_forest.artifact import model_directory
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.insight import histograms
from mlserver_forest.insight.baseline import Baseline, baseline_from_arrays
from mlserver_forest.model.model import Model
from mlserver_forest.schema.categories import BOOLEAN, UNSEEN, Categories
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.v2.input_tensors import matrix_of
from support import IRIS_NAMES, save_model, serving

decode_parquet = decoder("application/x-parquet")
decode_arrow = decoder("application/vnd.apache.arrow.stream")


NAN = float("nan")


@pytest.fixture(scope="module")
def forest(iris_forest):
    return import_estimator(iris_forest).forest


@pytest.fixture(scope="module")
def schema():
    return Schema(IRIS_NAMES, "classification", ("setosa", "versicolor", "virginica"))


@pytest.fixture(scope="module")
def baseline(iris, forest, schema):
    return Baseline.from_rows(iris[0], forest, schema)


@pytest.fixture(scope="module")
def known_model(tmp_path_factory, iris, iris_forest):
    """The iris forest with its baseline."""
    directory = tmp_path_factory.mktemp("known") / "model"
    return save_model(directory, iris_forest, iris[0], has_baseline=True)


def test_a_feature_of_numbers_has_ten_bins_of_about_the_same_share():
    x = np.random.default_rng(0).normal(size=(5000, 1))
    found = histograms.learn(x, {}, 30)
    assert (
        found.edges.tolist()
        == np.quantile(x, np.arange(1, 10) / 10, method="inverted_cdf").tolist()
    )
    assert found.shares.tolist() == [0, 0, *[0.1] * 10]


def test_bins_of_the_same_value_are_one():
    x = np.array([[0.0]] * 95 + [[1.0]] * 3 + [[2.0]] * 2)
    found = histograms.learn(x, {}, 30)
    assert found.edges.tolist() == [0]
    assert found.shares.tolist() == [0, 0, 0.95, 0.05]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_categories_have_a_bin_each_beside_missing_and_unseen_values(dtype):
    x = np.array([[0, 1], [2, NAN], [2, 5], [NAN, 5]], dtype)
    found = histograms.learn(x, {0: 3}, 30)
    assert found.shares[:5].tolist() == [0.25, 0, 0.25, 0, 0.5]
    new = np.array([[UNSEEN, 1], [NAN, 1], [1, 9]]).astype(dtype)
    assert found.count(new).tolist() == [1, 1, 0, 1, 0, 0, 0, 2, 1]
    assert found.missing(found.count(new)).tolist() == [1, 0]
    assert found.unseen(found.count(new)).tolist() == [1, 0]


def test_of_many_words_neighbours_share_a_bin():
    x = np.arange(3000.0).reshape(-1, 1) % 1000
    found = histograms.learn(x, {0: 1000}, 30)
    assert found.bins(found.shares, 0).size == 30
    assert found.shares.sum() == pytest.approx(1)


def test_a_column_without_a_value_has_one_bin():
    found = histograms.learn(np.full((4, 1), NAN), {}, 30)
    assert found.shares.tolist() == [1, 0, 0]


def test_the_share_of_missing_values_may_be_known_of_more_rows():
    x = np.array([[1.0], [2.0]])
    found = histograms.learn(x, {}, 30, np.array([0.5]))
    assert found.shares.tolist() == [0.5, 0, 0.25, 0.25]


def test_the_stability_index_is_the_one_of_the_literature():
    """sum((actual - expected) * ln(actual / expected)), with no share below 0.0001."""
    found = histograms.learn(np.array([[0.0], [0.0], [1.0], [1.0]]), {}, 30)
    assert found.stability_index(found.count(np.array([[0.0], [1.0]]))).tolist() == [0]
    index = found.stability_index(found.count(np.array([[0.0], [0.0], [0.0], [1.0]])))
    assert index == pytest.approx(0.25 * np.log(0.75 / 0.5) - 0.25 * np.log(0.25 / 0.5))
    index = found.stability_index(found.count(np.array([[NAN], [1.0]])))
    expected = (0.5 - 1e-4) * np.log(0.5 / 1e-4) + (1e-4 - 0.5) * np.log(1e-4 / 0.5)
    assert index == pytest.approx(expected)


def test_ranges_are_those_of_all_rows(baseline, iris):
    assert baseline.ranges.tolist() == np.stack([iris[0].min(0), iris[0].max(0)], 1).tolist()
    assert baseline.n_rows == 150


def test_the_predicted_classes_have_their_shares(baseline, forest, iris):
    expected = np.bincount(forest.predict(iris[0]).positions) / 150
    assert baseline.predictions.bins(baseline.predictions.shares, 0).tolist() == expected.tolist()


def test_a_regression_has_the_tenths_of_its_predictions(iris):
    from sklearn.ensemble import RandomForestRegressor

    x = iris[0]
    imported = import_estimator(RandomForestRegressor(20, random_state=0).fit(x[:, :3], x[:, 3]))
    schema = Schema(IRIS_NAMES[:3], "regression")
    found = Baseline.from_rows(np.ascontiguousarray(x[:, :3]), imported.forest, schema)
    assert found.predictions.n_columns == 1
    assert 5 <= found.predictions.bins(found.predictions.shares, 0).size <= 10
    assert baseline_from_arrays(found.arrays, schema).n_rows == 150


def test_many_rows_are_sampled_but_for_ranges_and_missing_values(forest, schema):
    """One missing value among 300,000 is enough for missing values not to be strange."""
    x = np.random.default_rng(1).random((300_000, 4), np.float32)
    x[7, 2], x[11, 0] = NAN, 9
    found = Baseline.from_rows(x, forest, schema)
    assert found.n_rows == 300_000
    assert found.ranges[0, 1] == 9
    assert found.features.missing(found.features.shares).tolist() == [0, 0, 1 / 300_000, 0]
    odd = found.out_of_range(np.array([[0.5, NAN, NAN, 0.5]], np.float32))
    assert odd.tolist() == [[False, True, False, False]]


def test_what_is_out_of_range():
    schema = Schema(
        ("a", "b", "c", "d"),
        "regression",
        datatype="FP64",
        categories={"b": Categories(("x", "y")), "c": BOOLEAN},
    )
    x = np.array([[1, 0, 1, NAN], [3, 1, NAN, NAN]])
    found = Baseline(
        histograms.learn(x, {1: 2, 2: 2}, 30),
        histograms.learn(x[:, :1], {}, 30),
        np.array([[1, 3], [0, 1], [1, 1], [NAN, NAN]]),
        2,
    )
    assert baseline_from_arrays(found.arrays, schema)
    odd = found.out_of_range(
        np.array(
            [
                [1, 0, 1, NAN],
                [3, 1, NAN, NAN],
                [0.9, UNSEEN, 0, 5],
                [3.1, NAN, UNSEEN, -5],
                [NAN, 1, 1, NAN],
            ]
        )
    )
    assert odd.tolist() == [
        [False, False, False, False],
        [False, False, False, False],
        [True, True, True, True],
        [True, True, True, True],
        [True, False, False, False],
    ]


def test_the_forest_file_gives_the_baseline_back(known_model, baseline):
    found = model_directory.load(known_model).baseline
    assert {name: array.tolist() for name, array in found.arrays.items()} == {
        name: array.tolist() for name, array in baseline.arrays.items()
    }


def test_without_a_baseline_there_are_no_such_outputs(forest, schema):
    assert set(Model(schema, forest).insight_shapes) == {"contributions", "expected_value"}
    assert baseline_from_arrays({}, schema) is None


def _changed(name, change):
    def changed(arrays):
        arrays[name] = change(arrays[name].copy())

    changed.__name__ = f"{name}-{change.__name__}"
    return changed


def is_narrow(array):
    return array.astype(np.float32)


def is_short(array):
    return array[:-1]


def is_nan(array):
    array.flat[0] = NAN
    return array


def is_infinite(array):
    array.flat[0] = np.inf
    return array


def is_reversed(array):
    return np.ascontiguousarray(array[..., ::-1])


def is_negative(array):
    array.flat[2] = -1
    return array


def is_large(array):
    array.flat[-1] += 1
    return array


def is_zero(array):
    return np.zeros_like(array)


FAULTS = [
    _changed(f"baseline_{name}", change)
    for name, changes in {
        "ranges": (is_narrow, is_short, is_nan, is_infinite, is_reversed),
        "n_rows": (is_narrow, is_short, is_zero),
        "features_edges": (is_narrow, is_short, is_nan, is_infinite, is_reversed),
        "features_edge_starts": (is_narrow, is_short, is_reversed, is_large),
        "features_shares": (is_narrow, is_short, is_nan, is_negative, is_large, is_zero),
        "predictions_edges": (is_narrow, is_short, is_nan, is_reversed),
        "predictions_edge_starts": (is_narrow, is_short, is_large),
        "predictions_shares": (is_narrow, is_short, is_zero),
    }.items()
    for change in changes
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_arrays_that_training_does_not_write_are_refused(baseline, schema, fault):
    arrays = dict(baseline.arrays)
    fault(arrays)
    with pytest.raises(InvalidArtifact):
        baseline_from_arrays(arrays, schema)


@pytest.mark.parametrize("name", ["features_edge_starts", "features_shares", "n_rows"])
def test_arrays_that_are_not_there_are_refused(baseline, schema, name):
    arrays = {key: array for key, array in baseline.arrays.items() if key != f"baseline_{name}"}
    with pytest.raises(InvalidArtifact):
        baseline_from_arrays(arrays, schema)


def test_v2_answers_what_is_out_of_range(known_model):
    settings = ModelSettings(**json.loads((known_model / "model-settings.json").read_text()))
    settings.parameters.uri = str(known_model / "forest.safetensors")
    model = ForestModel(settings)
    asyncio.run(model.load())
    request = InferenceRequest(
        inputs=[
            RequestInput(
                name="x", datatype="FP32", shape=[2, 4], data=[5.1, 3.5, 1.4, 0.2, 50, 3.5, 1.4, -1]
            )
        ],
        outputs=[RequestOutput(name="out_of_range"), RequestOutput(name="out_of_range_features")],
    )
    rows, features = asyncio.run(model.predict(request)).outputs
    assert (rows.datatype, rows.shape, list(rows.data)) == ("BOOL", [2, 1], [False, True])
    assert (features.datatype, features.shape) == ("BOOL", [2, 4])
    assert list(features.data) == [False] * 4 + [True, False, False, True]


@pytest.fixture(scope="module")
def server(known_model):
    with serving(known_model) as running:
        yield running


def invoke(server, outputs, accept, content="5.1,3.5,1.4,0.2\n50,3.5,1.4,-1\n"):
    headers = {
        "content-type": "text/csv",
        "accept": accept,
        "x-amzn-sagemaker-custom-attributes": f"outputs={outputs}",
    }
    answer = httpx.post(server.url + "/invocations", content=content, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer


def test_invocations_name_the_features_that_are_out_of_range(server):
    names = "predicted_label,out_of_range,out_of_range_features"
    assert invoke(server, names, "application/json").json() == {
        "predictions": [
            {"predicted_label": "setosa", "out_of_range": False, "out_of_range_features": []},
            {
                "predicted_label": "setosa",
                "out_of_range": True,
                "out_of_range_features": ["sepal_length", "petal_width"],
            },
        ]
    }
    assert invoke(server, names, "text/csv").text == (
        'setosa,False,[]\nsetosa,True,"[""sepal_length"", ""petal_width""]"\n'
    )


def table(n_rows):
    return pa.table({"color": ["blue", "mauve", None] * n_rows, "size": [0.5] * 3 * n_rows})


def written_as_parquet(n_rows):
    file = io.BytesIO()
    pq.write_table(table(n_rows), file)
    return file.getvalue()


def written_as_arrow(n_rows):
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table(n_rows).schema) as stream:
        stream.write_table(table(n_rows))
    return file.getvalue()


WORDS = Schema(("color", "size"), "regression", categories={"color": Categories(("blue", "red"))})
BODIES = {
    "csv": (decoder("text/csv"), lambda n: b"blue,0.5\nmauve,0.5\n,0.5\n" * n),
    "json": (
        decoder("application/json"),
        lambda n: json.dumps([["blue", 0.5], ["mauve", 0.5], [None, 0.5]] * n).encode(),
    ),
    "jsonlines": (
        decoder("application/jsonlines"),
        lambda n: b'["blue", 0.5]\n["mauve", 0.5]\n[null, 0.5]\n' * n,
    ),
    "parquet": (decode_parquet, written_as_parquet),
    "arrow": (decode_arrow, written_as_arrow),
}


@pytest.mark.parametrize("n_rows", [1, 2000])
@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
@pytest.mark.parametrize("kind", BODIES)
def test_unseen_words_are_told_from_missing_values(kind, datatype, n_rows):
    """Both are NaN to the trees, in every format and on its short and long ways."""
    decode, body = BODIES[kind]
    x = decode(body(n_rows), replace(WORDS, datatype=datatype), {})
    counts = histograms.learn(np.array([[0, 0.5], [1, 0.5]]), {0: 2}, 30).count(x)
    assert counts.tolist() == [n_rows, n_rows, n_rows, 0, 0, 0, 3 * n_rows]


@pytest.mark.parametrize("data", [["blue", "mauve", ""], [b"blue", b"mauve", None]])
def test_unseen_words_of_v2_tensors_are_told_from_missing_values(data):
    size = RequestInput(name="size", datatype="FP32", shape=[3], data=[0.5] * 3)
    color = RequestInput(name="color", datatype="BYTES", shape=[3], data=data)
    x = WORDS.conform(matrix_of([color, size], WORDS))
    counts = histograms.learn(np.array([[0, 0.5], [1, 0.5]]), {0: 2}, 30).count(x)
    assert counts[:4].tolist() == [1, 1, 1, 0]

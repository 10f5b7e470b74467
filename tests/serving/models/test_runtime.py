"""The runtime by itself, and the artifact in stock MLServer."""

import asyncio
import contextlib
import json
import subprocess

import grpc
import httpx
import numpy as np
import pytest
from mlserver import ModelSettings
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.errors import InferenceError
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub
from mlserver.types import InferenceRequest, RequestInput, RequestOutput, TensorData
from sklearn.ensemble import (
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

import mixed_rows
from mlserver_forest import ForestModel
from mlserver_forest.engine.leaf_samples import learn_leaf_samples
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.insight.intervals import Intervals
from mlserver_forest.schema.categories import Categories
from mlserver_forest.serving.models.runtime import ForestRuntime
from support import BIN, Running, clean_environ, free_port, save_model


def settings_of(directory, **changes):
    document = json.loads((directory / "model-settings.json").read_text())
    document["parameters"]["uri"] = str(directory / "forest.safetensors")
    return ModelSettings.model_validate({**document, **changes})


def loaded(directory, kind=ForestModel):
    model = kind(settings_of(directory))
    assert asyncio.run(model.load()) is True
    return model


def ask(model, x, *outputs):
    data = TensorData.model_construct(root=x)
    tensor = RequestInput.model_construct(
        name="X", shape=list(x.shape), datatype="FP32", parameters=None, data=data
    )
    wanted = [RequestOutput(name=name) for name in outputs] or None
    request = InferenceRequest.model_construct(inputs=[tensor], outputs=wanted)
    return answered(model, request).outputs


def answered(model, request):
    return (
        asyncio.run(model.predict(request)) if hasattr(model, "predict") else model.infer(request)
    )


@pytest.mark.parametrize("repeats", [1, 10], ids=["on the event loop", "in a thread"])
def test_an_array_inside_the_request_is_answered(model_dir, iris, iris_forest, repeats):
    x = np.tile(iris[0], (repeats, 1))
    labels, probabilities = ask(loaded(model_dir), x, "predict", "predict_proba")
    assert [label.decode() for label in labels.data] == iris_forest.predict(x).tolist()
    assert np.array_equal(
        np.reshape(list(probabilities.data), (len(x), 3)), iris_forest.predict_proba(x)
    )


@pytest.mark.parametrize("n_rows", [0, 1, 150, 16_384, 40_000])
def test_in_process_the_outputs_are_arrays_of_all_rows(model_dir, iris, iris_forest, n_rows):
    x = np.resize(iris[0], (n_rows, 4))
    model = loaded(model_dir, ForestRuntime)
    labels, probabilities = ask(model, x, "predict", "predict_proba")
    species, expected = iris_forest.predict(iris[0]), iris_forest.predict_proba(iris[0])
    assert list(labels.data.root) == np.resize(species, n_rows).tolist()
    assert np.array_equal(probabilities.data.root, np.resize(expected, (n_rows, 3)))
    assert (labels.shape, probabilities.shape) == ([n_rows, 1], [n_rows, 3])


@pytest.mark.parametrize(
    ("labels", "datatype"), [((-1, 0, 7), np.int64), ((False, True), np.bool_)]
)
def test_labels_have_the_dtype_of_their_datatype(tmp_path, iris, labels, datatype):
    x = iris[0]
    y = np.resize(np.array(labels), len(x))
    forest = RandomForestClassifier(3, random_state=0).fit(x, y)
    model = loaded(save_model(tmp_path / "model", forest, x), ForestRuntime)
    (answer,) = ask(model, x, "predict")
    assert answer.data.root.dtype == datatype
    assert answer.data.root[:, 0].tolist() == forest.predict(x).tolist()


def test_several_targets_stand_side_by_side(tmp_path, iris):
    x = iris[0]
    forest = ExtraTreesRegressor(3, random_state=0).fit(x, x[:, :2])
    model = loaded(save_model(tmp_path / "model", forest, x), ForestRuntime)
    (answer,) = ask(model, x, "predict")
    assert np.array_equal(answer.data.root, forest.predict(x))


def test_an_output_may_be_asked_for_twice(model_dir, iris):
    first, second = ask(loaded(model_dir), iris[0], "predict", "predict")
    assert list(first.data) == list(second.data)


def test_intervals_are_arrays_and_count_as_the_work_that_they_are(tmp_path, iris):
    x = iris[0]
    forest = RandomForestRegressor(20, min_samples_leaf=20, random_state=0).fit(x, x[:, 0])
    samples = learn_leaf_samples(import_estimator(forest).forest, x, x[:, 0].astype(float), None)
    intervals = Intervals(0.9, 0.5, samples)
    model = loaded(save_model(tmp_path / "model", forest, x, intervals=intervals), ForestRuntime)
    interval, predicted = ask(model, x, "interval", "predict")
    assert interval.shape == [150, 2]
    low, high = interval.data.root.T
    assert ((low < predicted.data.root[:, 0]) & (predicted.data.root[:, 0] < high)).all()
    assert model.model.work_for({"interval"}) > 5 * model.model.work_for({"predict"})
    (plain,) = ask(loaded(tmp_path / "model"), x, "interval")
    assert np.array_equal(np.reshape(list(plain.data), (150, 2)), interval.data.root)


def test_without_outputs_the_answer_is_predict(model_dir, iris):
    assert [output.name for output in ask(loaded(model_dir), iris[0])] == ["predict"]


def test_mlservers_own_codecs_understand_both_sides(model_dir, iris, iris_forest):
    request = InferenceRequest(
        inputs=[NumpyCodec.encode_input("any name", iris[0])],
        outputs=[RequestOutput(name="predict_proba")],
    )
    (output,) = asyncio.run(loaded(model_dir).predict(request)).outputs
    assert np.array_equal(NumpyCodec.decode_output(output), iris_forest.predict_proba(iris[0]))


def test_a_matrix_may_bear_a_features_name(tmp_path, iris, iris_forest):
    """One feature is called X, which is also the adapter's name of its matrix."""
    names = ("X", "Y", "Z", "W")
    model = loaded(save_model(tmp_path / "model", iris_forest, iris[0], names=names))
    (labels,) = ask(model, iris[0])
    assert [label.decode() for label in labels.data] == iris_forest.predict(iris[0]).tolist()


def test_features_of_another_datatype_are_refused(model_dir):
    document = json.loads((model_dir / "model-settings.json").read_text())
    inputs = [{**tensor, "datatype": "FP64"} for tensor in document["inputs"]]
    with pytest.raises(InvalidArtifact, match="4 float32 features and 3 outputs against 4 float64"):
        asyncio.run(ForestModel(settings_of(model_dir, inputs=inputs)).load())


def test_a_wrong_request_is_an_inference_error(model_dir):
    with pytest.raises(InferenceError, match=r"shape \[1, 3\]; the model expects \[n, 4\]"):
        ask(loaded(model_dir), np.zeros((1, 3), np.float32))


def test_a_forest_with_another_models_settings_is_refused(model_dir):
    model = ForestModel(
        settings_of(model_dir, inputs=[{"name": "a", "datatype": "FP32", "shape": [-1, 1]}])
    )
    with pytest.raises(
        InvalidArtifact, match="do not belong together: 4 float32 features and 3 outputs"
    ):
        asyncio.run(model.load())


def test_settings_without_metadata_are_refused(model_dir):
    model = ForestModel(settings_of(model_dir, inputs=[], outputs=[]))
    with pytest.raises(InvalidArtifact, match="does not describe the model's inputs and outputs"):
        asyncio.run(model.load())


@contextlib.contextmanager
def stock_mlserver(directory, tmp_path, parallel_workers="0"):
    """Run ``mlserver start DIRECTORY``."""
    http_port, grpc_port = free_port(), free_port()
    environ = clean_environ(
        MLSERVER_HTTP_PORT=str(http_port),
        MLSERVER_GRPC_PORT=str(grpc_port),
        MLSERVER_METRICS_PORT=str(free_port()),
        MLSERVER_PARALLEL_WORKERS=parallel_workers,
        MLSERVER_METRICS_DIR=str(tmp_path / "metrics"),
    )
    process = subprocess.Popen(
        [BIN / "mlserver", "start", directory],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Running(process, http_port, grpc_port)
    try:
        server.wait_until_ready("/v2/models/forest/ready")
        yield server
    finally:
        server.process.terminate()
        server.process.communicate(timeout=30)


@pytest.mark.parametrize("parallel_workers", ["0", "1"])
def test_stock_mlserver_serves_the_artifact(tmp_path, iris, iris_forest, parallel_workers):
    """With and without its pool of workers."""
    directory = save_model(tmp_path / "forest", iris_forest, iris[0])
    with stock_mlserver(directory, tmp_path, parallel_workers) as server:
        tensor = {"name": "X", "shape": [150, 4], "datatype": "FP32", "data": iris[0].tolist()}
        wanted = [{"name": "predict"}, {"name": "predict_proba"}]
        url = server.url + "/v2/models/forest/infer"
        answer = httpx.post(url, json={"inputs": [tensor], "outputs": wanted}, timeout=30).json()
        labels, probabilities = answer["outputs"]
        assert labels["data"] == iris_forest.predict(iris[0]).tolist()
        expected = iris_forest.predict_proba(iris[0])
        assert np.array_equal(np.reshape(probabilities["data"], (150, 3)), expected)
        tensor["shape"] = [600]
        refused = httpx.post(url, json={"inputs": [tensor]}, timeout=30)
        assert refused.status_code == 400
        assert "the model expects [n, 4]" in refused.json()["error"]


@pytest.fixture(scope="module")
def words_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ml") / "forest"
    return save_model(
        directory, *mixed_rows.forest(), names=mixed_rows.NAMES, categories=mixed_rows.CATEGORIES
    )


ROWS = mixed_rows.rows(12)


def columns(*, as_bytes=False):
    """MLServer's own inputs, one for each feature, with categories as it decodes them over REST or
    gRPC.
    """
    inputs = []
    for place, name in enumerate(mixed_rows.NAMES):
        if name == "size":
            data = [row[place] for row in ROWS]
            inputs.append(RequestInput(name=name, shape=[12, 1], datatype="FP64", data=data))
            continue
        texts = ["" if row[place] is None else str(row[place]) for row in ROWS]
        data = [text.encode() for text in texts] if as_bytes else texts
        inputs.append(RequestInput(name=name, shape=[12], datatype="BYTES", data=data))
    return inputs


def probabilities_of(response):
    (output,) = response.outputs
    return np.reshape(list(output.data), (-1, 3))


@pytest.mark.parametrize("as_bytes", [True, False])
@pytest.mark.parametrize("kind", [ForestModel, ForestRuntime])
def test_categories_are_read_from_strings_and_bytes(words_dir, kind, as_bytes):
    model = loaded(words_dir, kind)
    request = InferenceRequest(
        inputs=columns(as_bytes=as_bytes), outputs=[RequestOutput(name="predict_proba")]
    )
    expected = mixed_rows.forest()[0].predict_proba(mixed_rows.coded(ROWS))
    assert np.array_equal(probabilities_of(answered(model, request)), expected)


def test_categories_from_mlservers_codecs_are_read(words_dir):
    texts = [["red", "1.5", "true", "1"], ["", "NA", "", ""]]
    flat = [text for row in texts for text in row]
    matrix = StringCodec.encode_input("X", flat)
    matrix.shape = [2, 4]
    arrays = NumpyCodec.encode_input("X", np.array(texts, object))
    expected = mixed_rows.forest()[0].predict_proba(
        mixed_rows.coded([["red", 1.5, True, 1], [None] * 4])
    )
    for only in (matrix, arrays):
        request = InferenceRequest(inputs=[only], outputs=[RequestOutput(name="predict_proba")])
        answer = asyncio.run(loaded(words_dir).predict(request))
        assert np.array_equal(probabilities_of(answer), expected)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ([1, 2], "input 'color' is declared BYTES but holds 1"),
        ([["red"], "blue"], "its lists have different lengths"),
        (["red"], r"declares shape \\[2\\] but holds 1 value"),
        ("red", "input 'color' holds 'red'; expected a list of texts"),
        ([b"red", b"\xff"], "element 2 is b'.xff', which is not UTF-8"),
        ([{"a": 1}, "red"], "is declared BYTES but holds"),
    ],
)
def test_what_is_no_word_is_an_inference_error(words_dir, data, fault):
    inputs = columns()
    inputs[0] = RequestInput(name="color", shape=[2], datatype="BYTES", data=data)
    with pytest.raises(InferenceError, match=fault.replace("\\\\", "\\")):
        asyncio.run(loaded(words_dir).predict(InferenceRequest(inputs=inputs)))


def test_stock_mlserver_serves_a_model_with_categories(words_dir, tmp_path):
    """Over REST and gRPC. Its metadata is served too, which over gRPC cannot contain lists."""
    expected = mixed_rows.forest()[0].predict_proba(mixed_rows.coded(ROWS))
    request = InferenceRequest(inputs=columns(), outputs=[RequestOutput(name="predict_proba")])
    with stock_mlserver(words_dir, tmp_path) as server:
        url = server.url + "/v2/models/forest"
        answer = httpx.post(url + "/infer", json=request.model_dump(mode="json"), timeout=30)
        data = answer.json()["outputs"][0]["data"]
        assert np.array_equal(np.reshape(data, (-1, 3)), expected)
        inputs = httpx.get(url).json()["inputs"]
        assert inputs[0]["parameters"]["categories"] == list(mixed_rows.COLORS)
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            stub = GRPCInferenceServiceStub(channel)
            message = pb.ModelInferRequest(model_name="forest")
            message.outputs.add(name="predict_proba")
            for tensor in columns(as_bytes=True):
                made = message.inputs.add(
                    name=tensor.name, datatype=tensor.datatype, shape=tensor.shape
                )
                field = "bytes_contents" if tensor.name != "size" else "fp64_contents"
                values = [float("nan") if v is None else v for v in tensor.data]
                getattr(made.contents, field).extend(values)
            (output,) = stub.ModelInfer(message).outputs
            found = np.reshape(output.contents.fp64_contents, (-1, 3))
            assert np.array_equal(found, expected)
            metadata = stub.ModelMetadata(pb.ModelMetadataRequest(name="forest"))
            assert [tensor.name for tensor in metadata.inputs] == list(mixed_rows.NAMES)


@pytest.mark.parametrize("shape", [[2], [2, 1]])
@pytest.mark.parametrize(
    ("datatype", "data", "codes"),
    [
        ("BYTES", ["true", "false"], [1, 0]),
        ("BOOL", [True, False], [1, 0]),
        ("INT8", [0, 2], [0, 2]),
    ],
)
def test_a_lone_feature_of_words_has_one_meaning_in_both_shapes(
    tmp_path, shape, datatype, data, codes
):
    x = np.resize(np.arange(3.0, dtype=np.float32), (30, 1))
    forest = RandomForestClassifier(5, random_state=0).fit(x, x[:, 0].astype(int))
    words = {"flag": Categories(("false", "true", "unknown"))}
    directory = save_model(tmp_path / "model", forest, x, names=("flag",), categories=words)
    tensor = RequestInput(name="flag", shape=shape, datatype=datatype, data=data)
    request = InferenceRequest(inputs=[tensor], outputs=[RequestOutput(name="predict_proba")])
    found = probabilities_of(asyncio.run(loaded(directory).predict(request)))
    assert np.array_equal(found, forest.predict_proba(np.array(codes)[:, None]))


def test_contributions_stand_beside_predictions_however_many_rows(model_dir, iris, iris_forest):
    """Blocks give the contributions of all rows, which add up to the probabilities."""
    x = np.resize(iris[0], (9_000, 4))
    model = loaded(model_dir, ForestRuntime)
    probabilities, contributions, expected = ask(
        model, x, "predict_proba", "contributions", "expected_value"
    )
    assert contributions.shape == [9_000, 4, 3]
    total = contributions.data.root.sum(axis=1) + expected.data.root
    np.testing.assert_allclose(total, probabilities.data.root, atol=1e-12)
    few = ask(model, x[:150], "contributions")[0].data.root
    np.testing.assert_allclose(np.resize(few, (9_000, 4, 3)), contributions.data.root, atol=1e-12)


def test_more_numbers_than_memory_is_there_for_are_refused(model_dir, iris, monkeypatch):
    monkeypatch.setattr("mlserver_forest.model.model._MOST_ANSWER_VALUES", 100)
    model = loaded(model_dir)
    assert len(ask(model, iris[0][:8], "contributions")) == 1
    with pytest.raises(InferenceError, match=r"12 values a row, and 9 rows .* at most 8 rows"):
        ask(model, iris[0][:9], "contributions")

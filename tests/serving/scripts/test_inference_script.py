"""A script's functions are called, and what it leaves out is done, as AWS's toolkit does it."""

import io
import sys
import types

import flask
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sagemaker_inference import encoder, environment
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from sagemaker_inference.transformer import Transformer

from mlserver_forest.errors import (
    InvalidArtifact,
    InvalidInput,
    NotAcceptable,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from mlserver_forest.serving.models.raw_answer import RawAnswer
from mlserver_forest.serving.scripts import default_codecs
from mlserver_forest.serving.scripts.inference_script import InferenceScript
from mlserver_forest.serving.scripts.request_context import RequestContext

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
MODEL_FN = "def model_fn(model_dir): return 'model of ' + model_dir\n"
KINDS = "def predict_fn(data, model): return [type(data).__name__, model]\n"


def module_of(text):
    module = types.ModuleType("inference")
    exec(text, module.__dict__)  # noqa: S102  # the script of a test
    return module


def context_of(headers):
    return RequestContext("iris", "/opt/ml/model", None, headers, "id-1")


def ours(text, body, headers):
    script = InferenceScript(module_of(text), JSON)
    model = script.load("/opt/ml/model", context_of({}))
    content_type, accept = headers.get("content-type"), headers.get("accept")
    return script.answer(model, body, content_type, accept, context_of(headers))


def of_toolkit(text, body, headers, monkeypatch):
    """The body and the media type that sagemaker-inference answers with."""
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "inference", module_of(text))
        sys.modules["inference"].__spec__ = types.SimpleNamespace()
        patched.delenv("SAGEMAKER_PROGRAM", raising=False)
        assert environment.Environment().module_name == "inference"
        context = context_of(headers)
        (found,) = Transformer(Defaults()).transform([{"body": body}], context)
    return found, context


class Defaults(DefaultInferenceHandler):
    """AWS's scikit-learn image answers with ``model.predict``, as its handler_service.py does."""

    def default_predict_fn(self, data, model, context=None):
        return model.predict(data)


SCRIPTS = {
    "all four": MODEL_FN
    + """
def input_fn(body, content_type): return [type(body).__name__, body, content_type]
def predict_fn(data, model): return {"data": data, "model": model}
def output_fn(prediction, accept): return repr(prediction) + accept
""",
    "with a context": """
def model_fn(model_dir, context): return context.system_properties["model_dir"] + model_dir
def input_fn(body, content_type, context): return content_type
def predict_fn(data, model, context): return data + model
def output_fn(prediction, accept, context): return prediction, "text/plain"
""",
    "one for all": MODEL_FN
    + """
def transform_fn(model, body, content_type, accept):
    return f"{model} {content_type} {accept}", "a/b"
""",
    "one for all, with a context": MODEL_FN
    + """
def transform_fn(model, body, content_type, accept, context):
    return (model + context.get_request_header(0, "content-type")).encode()
""",
    "no input or output": MODEL_FN + "def predict_fn(data, model): return data\n",
}


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize(
    ("content_type", "body"),
    [(JSON, b"[[1.5, 2.5], [3.5, 4.5]]"), (CSV, b"1.5,2.5\n3.5,4.5\n")],
)
@pytest.mark.parametrize("accept", [JSON, CSV, "*/*", None])
def test_functions_get_and_return_what_they_do_in_the_toolkit(
    name, content_type, body, accept, monkeypatch
):
    headers = {"content-type": content_type} | ({"accept": accept} if accept else {})
    expected, context = of_toolkit(SCRIPTS[name], body, headers, monkeypatch)
    expected = expected.encode() if isinstance(expected, str) else expected
    media_type = context.get_response_content_type(0)
    assert ours(SCRIPTS[name], body, headers) == RawAnswer(expected, media_type)


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        (JSON, "str"),
        (CSV, "str"),
        ("text/csv; charset=utf-8", "bytes"),
        ("text/plain", "bytes"),
        (NPY, "bytes"),
    ],
)
def test_json_and_csv_are_text_and_all_else_is_bytes(content_type, kind, monkeypatch):
    script = MODEL_FN + KINDS + "def input_fn(body, content_type): return body\n"
    headers = {"content-type": content_type}
    expected, _ = of_toolkit(script, b"5", headers, monkeypatch)
    assert expected == f'["{kind}", "model of /opt/ml/model"]'
    assert ours(script, b"5", headers).body.decode() == expected


@given(
    st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), min_size=1),
    st.sampled_from([np.float32, np.float64, np.int64]),
)
def test_answers_are_written_and_read_as_the_toolkit_does(rows, dtype):
    x = np.array(rows).astype(dtype)
    for media_type in (JSON, CSV, NPY):
        written = encoder.encode(x, media_type)
        written = written.encode() if isinstance(written, str) else written
        assert default_codecs.encode(x, media_type) == (written, media_type)
        found = default_codecs.decode(written, media_type)
        expected = x if media_type == NPY else x.astype(np.float32)
        np.testing.assert_array_equal(found, expected, strict=True)
    assert default_codecs.encode(x[:, 0], CSV)[0].decode() == encoder.encode(x[:, 0], CSV)


def test_one_list_of_numbers_is_one_row_and_sparse_rows_stay_sparse():
    import scipy.sparse

    assert default_codecs.decode("[1, 2]", JSON).shape == (1, 2)
    buffer = io.BytesIO()
    scipy.sparse.save_npz(buffer, scipy.sparse.csr_matrix([[0, 2]]))
    found = default_codecs.decode(buffer.getvalue(), "application/x-npz")
    assert found.toarray().tolist() == [[0, 2]]


def test_npy_never_unpickles():
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        default_codecs.decode(buffer.getvalue(), NPY)


@pytest.mark.parametrize("accept", [f"text/html, {CSV};q=0.5, */*", CSV])
def test_the_first_accepted_type_that_can_be_written_is(accept):
    assert default_codecs.encode([1, 2], accept) == (b"1\n2\n", CSV)


def test_an_xgboost_booster_gets_what_awss_xgboost_image_gives_it():
    import xgboost

    x = np.array([[1.0, np.nan], [2.0, 3.0]], np.float32)
    booster = xgboost.train({}, xgboost.DMatrix(x, [0, 1]), 2)
    script = InferenceScript(module_of("booster = None\ndef model_fn(d): return booster"), JSON)
    expected = booster.predict(xgboost.DMatrix(x)).tolist()
    bodies = [(b"1,\n2,3", CSV), (b"0 1:1\n1 1:2 2:3\n", "text/libsvm")]
    found = [script.answer(booster, *body, JSON, context_of({})).body for body in bodies]
    filled = booster.predict(xgboost.DMatrix(np.nan_to_num(x))).tolist()  # libsvm's zeros
    assert found == [encoder.encode(expected, JSON).encode(), encoder.encode(filled, JSON).encode()]
    with pytest.raises(UnsupportedMediaType, match="XGBoost booster"):
        script.answer(booster, b"[[1, 2]]", JSON, JSON, context_of({}))


IDENTITY = MODEL_FN + "def predict_fn(data, model): return data\n"


@pytest.mark.parametrize(
    ("code", "body", "sent", "kind", "message"),
    [
        ("", b"5.9,a", CSV, InvalidInput, "row 1, column 2: 'a' is not a number"),
        ("", b"1,2\n3", CSV, InvalidInput, "row 2 has 1 values; row 1 has 2"),
        ("", b"\xff", CSV, InvalidInput, "the body is text/csv but not UTF-8"),
        ("", b"{", JSON, InvalidInput, "the body is not the application/json that it should be"),
        ("", b"", NPY, InvalidInput, "the body is not the application/x-npy that it should be"),
        ("", b"[" * 9999, JSON, InvalidInput, "maximum recursion depth exceeded"),
        ("", b"PK", "application/x-npz", InvalidInput, "File is not a zip file"),
        ("", b"1", "text/xml", UnsupportedMediaType, "Content-Type 'text/xml' is not read"),
        (
            "def input_fn(b, t): raise ValueError(f'This model cannot read {t}')",
            b"1",
            "text/xml",
            UnsupportedMediaType,
            "the model's input_fn refused the request: This model cannot read text/xml",
        ),
        (
            "def input_fn(b, t): return __import__('json').loads(b)['rows']",
            b"{}",
            JSON,
            InvalidInput,
            "input_fn refused the request: 'rows'",
        ),
        (
            "def output_fn(p, a): raise RuntimeError(a + ' accept type is not supported')",
            b"1",
            CSV,
            NotAcceptable,
            "the model's output_fn refused the request: text/csv accept type",
        ),
    ],
)
def test_what_a_request_gets_wrong_is_said_to_its_sender(code, body, sent, kind, message):
    with pytest.raises(kind) as refused:
        ours(IDENTITY + code, body, {"content-type": sent, "accept": CSV})
    assert message in str(refused.value)


def test_a_sparse_matrix_does_not_grow_without_bound():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, data=np.zeros(1 << 25))
    with pytest.raises(PayloadTooLarge, match="send fewer rows at a time"):
        default_codecs.decode(buffer.getvalue(), "application/x-npz")


def test_what_the_code_gets_wrong_is_raised():
    with pytest.raises(ZeroDivisionError):
        ours(MODEL_FN + "def predict_fn(d, m): return 1 / 0", b"[1]", {})


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "does not define model_fn"),
        (MODEL_FN + "transform_fn = predict_fn = print", "defines transform_fn and predict_fn"),
        (MODEL_FN + "def predict_fn(data): 1", "predict_fn takes 1 arguments; expected 2"),
        (MODEL_FN + "def predict_fn(a, b, c, d): 1", "takes 4 arguments; expected 2, and perhaps"),
    ],
)
def test_a_script_that_cannot_work_is_refused_when_it_is_loaded(code, message):
    with pytest.raises(InvalidArtifact, match=message.replace("(", r"\(")):
        InferenceScript(module_of(code), JSON)


def test_a_further_argument_with_a_default_is_no_context():
    script = MODEL_FN + "def predict_fn(data, model, threshold=0.5): return threshold\n"
    assert ours(script, b"[1]", {}).body == b"0.5"
    script = MODEL_FN + "def predict_fn(data, model, context=None): return context.model_name\n"
    assert ours(script, b"[1]", {}).body == b'"iris"'


def test_a_response_of_flask_keeps_its_status_and_headers():
    module = module_of(IDENTITY)
    module.output_fn = lambda prediction, accept: flask.Response(
        "teapot", 418, {"x-why": "tea"}, mimetype="text/plain"
    )
    script = InferenceScript(module, JSON)
    answer = script.answer(None, b"[1]", JSON, JSON, context_of({}))
    assert answer == RawAnswer(b"teapot", "text/plain; charset=utf-8", 418, {"x-why": "tea"})

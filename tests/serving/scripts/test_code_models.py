"""Scripts and handlers as runtimes: what they get, answer and refuse."""

import asyncio
import json
import logging
from contextlib import suppress

import numpy as np
import pytest
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, RequestOutput

import mlserver_forest
from mlserver_forest.errors import (
    InvalidArtifact,
    InvalidInput,
    ModelFailed,
    ModelNotFound,
    UnsupportedOperation,
)
from mlserver_forest.serving.models.raw_answer import AnsweredOtherwise, RawAnswer
from mlserver_forest.serving.models.repository import settings_of
from mlserver_forest.serving.scripts.code_layout import CodeSettings
from mlserver_forest.serving.scripts.handler_model import HandlerModel
from mlserver_forest.serving.scripts.script_model import ScriptModel

HEADERS = {"content-type": "text/csv", "x-amzn-sagemaker-custom-attributes": "tenant=7"}


def written(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder.resolve()


@pytest.fixture
def load(tmp_path):
    """Loads the model of a folder with these files; it is unloaded afterwards."""
    loaded = []

    def load(files, **settings):
        directory = written(tmp_path, files)
        code = CodeSettings(**settings)
        found = settings_of(directory, trust_code=True, name="iris", code=code)
        kind = HandlerModel if "MAR-INF/MANIFEST.json" in files else ScriptModel
        assert found.implementation_.endswith(kind.__name__)
        model = kind(found)
        asyncio.run(model.load())
        loaded.append(model)
        return model

    yield load
    for model in loaded:
        with suppress(RuntimeError):  # It was unloaded by the test.
            asyncio.run(model.unload())


def answer(model, body=b"1,2", accept=None, headers=HEADERS):
    return asyncio.run(model.answer_body(body, headers.get("content-type"), accept, headers))


def manifest(handler):
    return json.dumps({"model": {"modelName": "iris", "handler": handler}, "runtime": "python"})


SCRIPT = """
def model_fn(model_dir): return 2
def predict_fn(data, model): return data * model
"""
FUNCTION = """
loaded = []
def handle(data, context):
    if data is None:
        loaded.append(context.system_properties["model_dir"])
        return None
    context.metrics.add_time("preprocess", 1.5, idx=0, unit="ms")
    context.set_response_content_type(0, "text/plain")
    context.set_response_header(0, "x-model", context.manifest["model"]["modelName"])
    request = context.get_all_request_header(0)
    return [f"{loaded} {data[0]['body']} {context.get_request_header(0, 'Content-Type')} "
            f"{request['X-Amzn-SageMaker-Custom-Attributes']} {len(data)}"]
"""
CLASS = """
class Base: pass
class Service:
    def initialize(self, context):
        self.ready = context.system_properties["batch_size"]
    def handle(self, data, context):
        return [{"ready": self.ready}]
del Base
"""


def test_a_handler_that_is_a_function_gets_what_multi_model_server_gives_it(load, tmp_path):
    model = load({"MAR-INF/MANIFEST.json": manifest("service.py:handle"), "service.py": FUNCTION})
    expected = f"['{tmp_path}'] b'1,2' text/csv tenant=7 1"
    assert answer(model) == RawAnswer(expected.encode(), "text/plain", 200, {"x-model": "iris"})
    with pytest.raises(UnsupportedOperation, match="so tensors cannot be handed to it"):
        asyncio.run(model.infer(InferenceRequest(inputs=[])))


@pytest.mark.parametrize("handler", ["service", "service.py", "python/service:nothing"])
def test_a_handler_that_is_a_class_is_initialized(load, handler):
    folder = handler.rpartition("/")[0] or "."
    files = {"MAR-INF/MANIFEST.json": manifest(handler), f"{folder}/service.py": CLASS}
    assert answer(load(files)) == RawAnswer(b'{\n  "ready": 1\n}', None)


@pytest.mark.parametrize(
    ("code", "status", "body"),
    [
        ("context.set_response_status(code=418, phrase='tea')\n    return ['no']", 418, b"no"),
        (
            "from mms import service\n    raise service.PredictionException('bad day', 513)",
            513,
            None,
        ),
        ("raise type('E', (Exception,), {'status_code': 422})('bad row')", 422, None),
    ],
)
def test_a_status_that_the_code_chooses_is_answered(load, code, status, body):
    text = f"def handle(data, context):\n    if data is None: return\n    {code}\n"
    model = load({"MAR-INF/MANIFEST.json": manifest("service"), "service.py": text})
    with pytest.raises(AnsweredOtherwise) as other:
        answer(model)
    found = other.value.answer
    assert found.status == status
    if body is None:
        assert json.loads(found.body)["error"] in {"bad day", "bad row"}
    else:
        assert found.body == body


def test_several_handlers_may_raise_prediction_exceptions(load):
    text = (
        "from mms.service import PredictionException\ndef handle(data, context):\n"
        "    if data: raise PredictionException('bad day', 513)\n"
    )
    files = {"MAR-INF/MANIFEST.json": manifest("service"), "service.py": text}
    for model in [load(files), load(files)]:
        with pytest.raises(AnsweredOtherwise) as other:
            answer(model)
        assert other.value.answer.status == 513


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("return 'text'", "the handler returned str; expected a list of one value"),
        ("return ['a', 'b']", "the handler returned 2 values"),
        ("return [object()]", "the model's code returned a object; return bytes or text"),
        ("import sys; sys.exit(3)", "failed: SystemExit: 3"),
        ("raise KeyError('oak')", "the code of model 'iris' failed: KeyError: 'oak'"),
    ],
)
def test_a_handler_that_fails_says_why_in_the_log(load, code, reason, caplog):
    text = f"def handle(data, context):\n    if data is None: return\n    {code}\n"
    model = load({"MAR-INF/MANIFEST.json": manifest("service"), "service.py": text})
    fault = "the model 'iris' failed on this request; the log says why"
    with pytest.raises(ModelFailed, match=fault):
        answer(model)
    assert reason in caplog.text


@pytest.mark.parametrize(
    ("files", "settings", "message"),
    [
        ({"code/inference.py": "import nobodys_module"}, {}, "install the module nobodys_module"),
        ({"code/inference.py": "1/0"}, {}, "failed while it loaded the model (ZeroDivisionError"),
        ({"code/inference.py": "raise SystemExit"}, {}, "failed while it loaded the model"),
        ({"code/inference.py": ""}, {}, "inference does not define model_fn"),
        ({"MAR-INF/MANIFEST.json": "{}"}, {}, "cannot be used (KeyError: 'model'); it needs"),
        ({"MAR-INF/MANIFEST.json": manifest("../x.py")}, {}, "expected a file of the model's"),
        ({"MAR-INF/MANIFEST.json": manifest("s"), "s.py": ""}, {}, "has no function handle(data"),
        (
            {"model.joblib": "x"},
            {"program": "my.py", "submit_directory": "s3://bucket/code.tar.gz"},
            "nothing is downloaded here; put my.py into the folder",
        ),
        (
            {"model.joblib": "x"},
            {"program": "my.py", "submit_directory": "/opt/ml/code"},
            "/code or /opt/ml/code; put it there, or unset the variable",
        ),
        (
            {"model.joblib": "x", "code/serve.py": "", "code/util.py": ""},
            {},
            "/code holds serve.py, util.py, but not inference.py; name the script in",
        ),
        (
            {"model.joblib": "x"},
            {"program": "my.py"},
            "SAGEMAKER_PROGRAM is my.py, but there is no such file in",
        ),
    ],
)
def test_code_that_cannot_be_loaded_is_refused_with_the_reason(load, files, settings, message):
    with pytest.raises(InvalidArtifact) as refused:
        load(files, **settings)
    assert message in str(refused.value)


def test_the_operators_program_and_folder_are_used(load, tmp_path):
    shared = written(tmp_path / "shared", {"serve_me.py": SCRIPT})
    code = {"program": "serve_me.py", "submit_directory": str(shared)}
    model = load({"weights.bin": "x"}, **code, default_accept="text/csv")
    assert answer(model) == RawAnswer(b"2.0,4.0\n", "text/csv")


def test_tensors_reach_predict_fn_and_its_answer_becomes_tensors(load):
    columns = """
import numpy as np, pandas as pd
def model_fn(model_dir): return None
def predict_fn(data, model):
    if isinstance(data, pd.DataFrame):
        return {"words": data["word"] + "!", "sums": data["x"].to_numpy() + 1}
    if isinstance(data, list): return [text.upper() for text in data]
    return data.sum(axis=1)
"""
    model = load({"code/inference.py": columns})

    def infer(inputs, outputs=()):
        wanted = [RequestOutput(name=name) for name in outputs]
        request = InferenceRequest(inputs=inputs, outputs=wanted or None)
        found = asyncio.run(model.infer(request)).outputs
        return {each.name: (each.datatype, each.shape, list(each.data)) for each in found}

    matrix = NumpyCodec.encode_input("x", np.array([[1.5, 2], [3, 4]]))
    assert infer([matrix]) == {"predict": ("FP64", [2, 1], [3.5, 7.0])}
    word = StringCodec.encode_input("word", ["a", "b"])
    number = NumpyCodec.encode_input("x", np.array([1, 2]))
    both = infer([word, number])
    assert both["sums"] == ("INT64", [2, 1], [2, 3])
    assert both["words"][0] == "BYTES"
    assert infer([word]) == {"predict": ("BYTES", [2, 1], [b"A", b"B"])}
    with pytest.raises(InvalidInput, match="output 'none' is not one of the model's: predict"):
        infer([matrix], ["none"])


def test_a_model_that_was_unloaded_is_not_found(load):
    model = load({"code/inference.py": SCRIPT})
    asyncio.run(model.unload())
    with pytest.raises(ModelNotFound, match="Model iris not found"):
        answer(model)


def test_transform_fn_takes_no_tensors(load):
    model = load(
        {"code/inference.py": "def model_fn(d): 1\ndef transform_fn(m, b, c, a): return b"}
    )
    with pytest.raises(UnsupportedOperation, match="whose transform_fn reads bodies itself"):
        asyncio.run(model.infer(InferenceRequest(inputs=[])))


def test_requirements_are_reported_and_files_of_the_servers_names_too(load, caplog):
    files = {
        "code/inference.py": SCRIPT,
        "code/requirements.txt": "package-of-nobody==1\n",
        "code/numpy.py": "1/0",
    }
    with caplog.at_level(logging.WARNING):
        load(files)
    first, second = (record.getMessage() for record in caplog.records)
    assert "asks for package-of-nobody==1 (not installed); nothing is installed at start" in first
    assert "numpy are the server's own modules to the code" in second


def test_a_packed_model_inside_of_a_script_keeps_the_engine(load, model_dir, iris):
    text = f"""
import mlserver_forest
def model_fn(model_dir): return mlserver_forest.load({str(model_dir)!r})
def predict_fn(data, model): return model.predict_proba(data)
"""
    model = load({"code/inference.py": text})
    x = iris[0][:3].astype(np.float32)
    body = "\n".join(",".join(map(str, row)) for row in x.tolist()).encode()
    found = json.loads(answer(model, body).body)
    assert found == mlserver_forest.load(model_dir).predict_proba(x).tolist()

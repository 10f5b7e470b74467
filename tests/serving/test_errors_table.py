"""Every error has codes, and MLServer's errors are translated to this package's."""

import pytest
from grpc import StatusCode
from mlserver.errors import InferenceError, MLServerError
from mlserver.errors import ModelNotFound as MLServersModelNotFound

from mlserver_forest import errors
from mlserver_forest.serving.errors_table import FAILURE, INTERNAL, explain, from_mlserver


def subclasses_of(kind):
    for subclass in kind.__subclasses__():
        yield subclass
        yield from subclasses_of(subclass)


@pytest.mark.parametrize(
    "kind", [*subclasses_of(errors.RequestError), *subclasses_of(errors.ServerError)]
)
def test_every_error_of_a_request_has_codes(kind):
    codes, _ = explain(kind("x"), "x")
    assert 400 <= codes.http < 600
    assert codes.grpc not in {StatusCode.OK, StatusCode.INTERNAL, StatusCode.UNKNOWN}


@pytest.mark.parametrize(
    ("error", "http", "grpc"),
    [
        (errors.InvalidInput("x"), 400, StatusCode.INVALID_ARGUMENT),
        (errors.PayloadTooLarge("x"), 413, StatusCode.INVALID_ARGUMENT),
        (errors.ModelNotFound("x"), 404, StatusCode.NOT_FOUND),
        (errors.ModelConflict("x"), 409, StatusCode.ALREADY_EXISTS),
        (errors.Overloaded("x"), 503, StatusCode.UNAVAILABLE),
        (errors.TimedOut("x"), 504, StatusCode.DEADLINE_EXCEEDED),
        (errors.OutOfMemory("x"), 507, StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_an_error_has_the_codes_of_its_row(error, http, grpc):
    assert explain(error, "x") == ((http, grpc), str(error))


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), MLServerError("x", 400)])
def test_an_error_of_others_is_a_failure_that_the_log_explains(error, caplog):
    assert explain(error, "POST /x") == (INTERNAL, FAILURE)
    assert "POST /x failed" in caplog.text


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (MLServersModelNotFound("oak"), errors.NotFound, "Model oak not found"),
        (InferenceError("no"), errors.RequestError, "no"),
        (MLServerError("later", 503), errors.NotReady, "later"),
        (MLServerError("odd", 422), errors.RequestError, "odd"),
    ],
)
def test_errors_of_mlserver_are_translated(error, kind, message):
    ours = from_mlserver(error, error.status_code)
    assert (type(ours), str(ours)) == (kind, message)


def test_a_failure_of_mlserver_stays_a_failure():
    error = MLServerError("secret detail", 500)
    with pytest.raises(MLServerError) as raised:
        from_mlserver(error, error.status_code)
    assert raised.value is error

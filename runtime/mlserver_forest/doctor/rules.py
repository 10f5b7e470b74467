"""SageMaker's rules for containers: the source of each, and what to do if it is broken.

Sources: DG is the SageMaker developer guide (docs.aws.amazon.com/sagemaker/latest/dg/), with the
name of the page; API is the reference of SageMaker's API; FAQ is its FAQ on hosting.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PING_SECONDS = 2.0
CONNECT_SECONDS = 0.25
ANSWER_SECONDS = 60.0
START_SECONDS = 480.0
STOP_SECONDS = 30.0
LARGE_BYTES = 25 << 20
FAILURE_LETTERS = 1024
PAYLOAD_MB = 100


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        says: what SageMaker expects.
        source: where it is documented.
        advice: what to do if it is broken.
    """

    says: str
    source: str
    advice: str


_TRAIN = "DG your-algorithms-training-algo-running-container"
_OUTPUT = "DG your-algorithms-training-algo-output"
_SERVE = "DG your-algorithms-inference-code"
_BATCH = "DG your-algorithms-batch-code"
_PAIRING = "DG batch-transform-data-processing"
_MODELS = "DG mms-container-apis"
_PIPELINE = "DG inference-pipelines"
_SERVERLESS = "DG serverless-endpoints"

RULES: Mapping[str, Rule] = {
    "train": Rule(
        "`train` with input/ read-only and unknown files beside the channel: exit code 0 and a "
        "model in /opt/ml/model",
        _TRAIN,
        "write only to model/, output/ and /tmp; take channels from inputdataconfig.json, not "
        "from a listing of input/data",
    ),
    "train-failure": Rule(
        "a wrong hyperparameter ends the job with an exit code other than 0 and the reason in "
        "the first 1024 characters of /opt/ml/output/failure",
        _OUTPUT,
        "write the reason, with the hyperparameter's name, to output/failure before exiting",
    ),
    "start": Rule(
        "`serve` listens on port 8080 and answers /ping with 200 within 8 minutes",
        _SERVE,
        "see the log: run `docker run IMAGE serve`, or `serve`",
    ),
    "ping": Rule(
        "GET /ping answers 200 within 2 s",
        _SERVE,
        "answer /ping without waiting for the model's work",
    ),
    "ping-post": Rule("POST /ping is answered as GET is", _SERVE, "add POST to the route"),
    "invocations": Rule(
        "POST /invocations answers 2xx within 60 s",
        _SERVE,
        "see the answer; or give a request that the model understands with --body and "
        "--content-type",
    ),
    "content-type": Rule(
        "each answer's Content-Type matches the body: data capture, Clarify and SDKs depend "
        "on it",
        "DG model-monitor-data-capture",
        "set Content-Type to the type of the body: text/csv, application/json, ...",
    ),
    "keep-alive": Rule(
        "a connection can be used again, or its end is announced",
        _SERVE,
        "read each body to its end; send Content-Length, or Connection: close",
    ),
    "chunked": Rule(
        "a chunked body without Content-Length is accepted; batch transform sends one with "
        "MaxPayloadInMB 0",
        "API CreateTransformJob",
        "use a server that decodes Transfer-Encoding: chunked",
    ),
    "concurrent": Rule(
        "connections are accepted within 250 ms and answered in parallel, /ping too",
        _SERVE,
        "use a server with several workers or threads and a backlog",
    ),
    "unknown-route": Rule(
        "a route that does not exist is not answered with 2xx",
        _SERVE,
        "answer 404: a server that always answers 2xx seems to have features that it lacks",
    ),
    "unknown-type": Rule(
        "an unknown Content-Type is refused with 4xx",
        "DG cdf-inference",
        "answer 415; 5xx makes clients retry and triggers alarms",
    ),
    "garbage": Rule(
        "a body that cannot be read is refused with 4xx",
        "API InvokeEndpoint (ModelError)",
        "answer 400 with the reason; 5xx makes clients retry and triggers alarms",
    ),
    "survival": Rule(
        "the server still answers after requests that it refused",
        _SERVE,
        "do not let an invalid request end the process",
    ),
    "large-body": Rule(
        "a body of 25 MB is answered, or refused with 4xx",
        "FAQ (payloads of up to 25 MB)",
        "raise the limits of the proxy and the server on body size, or answer 413",
    ),
    "batch-start": Rule(
        "the server starts with SAGEMAKER_BATCH=true and the job's variables",
        _BATCH,
        "see the log with `-e SAGEMAKER_BATCH=true`",
    ),
    "execution-parameters": Rule(
        "GET /execution-parameters answers 404, or JSON with MaxConcurrentTransforms x "
        "MaxPayloadInMB of at most 100",
        "API CreateTransformJob",
        "answer 404 or smaller numbers",
    ),
    "batch-one-record": Rule(
        "one record is answered with one line", _PAIRING, "write one line for each record"
    ),
    "batch-records": Rule(
        "a mini-batch is answered with one line for each record, and none is blank",
        _PAIRING,
        "write one line for each record, or run the job with BatchStrategy=SingleRecord",
    ),
    "batch-newline": Rule(
        "a newline at the end of a mini-batch is not a record",
        _PAIRING,
        "ignore a newline at the end of the body",
    ),
    "multi-model-label": Rule(
        "the image is labelled com.amazonaws.sagemaker.capabilities.multi-models=true",
        "DG build-multi-model-build-container",
        "add the LABEL once the multi-model API is implemented",
    ),
    "multi-model-ping": Rule(
        "SAGEMAKER_MULTI_MODEL=true: /ping answers 200 with no model loaded",
        _MODELS,
        "answer 200 as soon as models can be loaded",
    ),
    "multi-model-empty": Rule(
        "GET /models answers 200 and an empty list while none is loaded",
        _MODELS,
        'answer {"models": []}, not 404: the platform polls it',
    ),
    "multi-model-load": Rule(
        "POST /models loads a model and answers 200; GET /models lists it", _MODELS,
        "load the directory named by url under the name model_name",
    ),
    "multi-model-twice": Rule(
        "POST /models for a loaded model answers 409", _MODELS, "answer 409, not 200 or 500"
    ),
    "multi-model-invoke": Rule(
        "POST /models/{name}/invoke with X-Amzn-SageMaker-Target-Model answers 2xx",
        _MODELS,
        "answer like /invocations, with the model of that name",
    ),
    "multi-model-unload": Rule(
        "DELETE /models/{name} answers 200", _MODELS, "free the model's memory, then answer"
    ),
    "multi-model-gone": Rule(
        "invoke and DELETE answer 404 for a model that was unloaded", _MODELS, "answer 404"
    ),
    "multi-model-memory": Rule(
        "POST /models answers 507 when memory is short, and nothing is killed",
        _MODELS,
        "answer 507 before the limit is reached: SageMaker unloads a model and tries again",
    ),
    "pipeline-label": Rule(
        "the image is labelled com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true",
        _PIPELINE,
        "add the LABEL; without it SageMaker refuses the image in pipelines",
    ),
    "pipeline-port": Rule(
        "the server listens on SAGEMAKER_BIND_TO_PORT", _PIPELINE,
        "read the port from the variable; another container uses 8080",
    ),
    "pipeline-range": Rule(
        "every other port is in SAGEMAKER_SAFE_PORT_RANGE", _PIPELINE,
        "close other ports, or take them from the range",
    ),
    "sigterm-answer": Rule(
        "a request in flight at SIGTERM is answered", _SERVE,
        "stop accepting, finish the requests in flight, then exit",
    ),
    "sigterm-exit": Rule(
        "the server exits within 30 s of SIGTERM", _SERVE,
        "let process 1 handle the signal, or `exec` the server from the shell script",
    ),
    "read-only-model": Rule(
        "it serves from a read-only model directory, and writes nothing to it", _SERVE,
        "write to /tmp",
    ),
    "read-only-root": Rule(
        "it serves if only /tmp is writable", _SERVERLESS,
        "write to /tmp; serverless endpoints have no other writable folder",
    ),
    "unprivileged": Rule(
        "it serves without root's privileges, as a user that the image does not know", _SERVERLESS,
        "`chmod -R o+rX` the files that the server reads; use no port below 1024",
    ),
    "no-shared-memory": Rule(
        "it serves without /dev/shm", _SERVERLESS,
        "use no multiprocessing queues, locks or pools; gunicorn: --worker-tmp-dir /tmp",
    ),
    "no-home": Rule(
        "it serves with HOME unset", _SERVERLESS, "keep caches and settings out of HOME"
    ),
    "serverless": Rule(
        "it serves with all of these at once and 1024 MB of memory", _SERVERLESS,
        "fix the checks above first; then check the memory",
    ),
}  # fmt: skip

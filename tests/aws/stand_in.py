"""A stand-in for AWS on loopback: moto's server, and before it a proxy for what moto lacks.

moto 5 makes jobs and endpoints that are done at once, knows no UpdateEndpoint, no shadow variants
(see variant_handlers.py for both) and no Stop...Job, answers no invocation (and counts and captures
none: see captured_traffic.py), writes no answers of transform jobs and no models of training jobs,
and its ECR has no registry; stand_in_registry.py says what its model registry lacks, and
pipeline_executions.py what its pipelines lack. The proxy adds exactly that, with the real ``serve``
behind the invocations, and can fail: AWS's error codes, any number of times, and connections that
are cut while a body is on its way.
"""

import contextlib
import http.client
import json
import re
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import httpx

from aws.pipeline_executions import PipelineExecutions, list_steps, start_execution
from aws.stand_in_registry import REGISTRY
from aws.variant_handlers import VariantHandlers
from mlserver_forest.aws.local_files import pack_model

_HOP = {"transfer-encoding", "connection", "content-length", "server", "date", "content-encoding"}
_SIGNED = {"authorization", "host", "x-amz-date"}
_ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@dataclass
class Fault:
    """The fate of the next requests whose operation matches ``operation``."""

    operation: str
    times: int
    status: int = 0
    code: str = ""
    message: str = ""
    cut_after: int = -1
    # Whether AWS does what was asked, and only the answer is lost.
    is_done: bool = False
    # Seconds before the answer, and bytes of it before the connection is cut.
    delay: float = 0
    cut_answer: int = -1


@dataclass
class StandIn:
    """The proxy's state; the tests write to it."""

    moto: str
    serve: str = ""
    registry: str = ""
    # The folder that forest train wrote, whose model and report training jobs write to S3.
    trained: Path | None = None
    faults: list[Fault] = field(default_factory=list)
    # Operation -> the states that its next answers tell, before moto's own.
    states: dict = field(default_factory=lambda: defaultdict(list))
    # Operation, such as Describe... -> members that every answer has.
    members: dict = field(default_factory=lambda: defaultdict(dict))
    seen: list = field(default_factory=list)
    # The requests: (operation, request) of the JSON protocols, ("METHOD path", None) of the others.
    calls: list = field(default_factory=list)
    configurations: dict = field(default_factory=dict)
    # Configuration -> its shadow variants.
    shadows: dict = field(default_factory=dict)
    # Variant -> what it makes of the answer of serve, to differ from the others.
    answers: dict = field(default_factory=dict)
    invoked: Counter = field(default_factory=Counter)
    # The ARNs that the index of tags names, which moto's does not.
    indexed: list = field(default_factory=list)
    stopped: set = field(default_factory=set)
    # The alarms that go off during an update, which AWS then rolls back.
    alarms: set = field(default_factory=set)
    # What stand_in_registry.py knows of model packages: ARN -> members, None if it was deleted.
    packages: dict = field(default_factory=dict)
    executions: PipelineExecutions = field(default_factory=PipelineExecutions)
    # The number of requests that are being answered, and the largest so far.
    active: int = 0
    most_active: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def counted(self):
        with self.lock:
            self.active += 1
            self.most_active = max(self.most_active, self.active)
        try:
            yield
        finally:
            with self.lock:
                self.active -= 1

    def fail(self, operation, times=1, **how):
        self.faults.append(Fault(operation, times, **how))

    def next_fault(self, operation):
        for fault in self.faults:
            if fault.times and re.search(fault.operation, operation):
                fault.times -= 1
                return fault
        return None

    def count(self, operation):
        return sum(operation in one for one in self.seen)

    def start(self):
        handler = type("Handler", (_Handler,), {"stand_in": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        # With the default, half a second, each test waits for the end of the server.
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class _Handler(VariantHandlers, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    stand_in = None

    def log_message(self, *args):
        pass

    def _any(self):
        with self.stand_in.counted():
            self._handle()

    def _handle(self):
        stand_in = self.stand_in
        operation = self._operation()
        stand_in.seen.append(operation)
        fault = stand_in.next_fault(operation)
        if fault and fault.cut_after >= 0:
            self._cut(fault)
            return
        body = self._body()
        stand_in.calls.append(self._call(body))
        if fault and fault.status:
            self._fail(fault)
            return
        time.sleep(fault.delay if fault else 0)
        status, headers, answer = self._answer(operation, body)
        if fault and fault.is_done:
            self._hang_up()
            return
        self._reply(status, headers, answer, fault.cut_answer if fault else -1)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815  # http.server's names

    def _operation(self):
        target = self.headers.get("X-Amz-Target")
        if target:
            return target.rpartition(".")[2]
        return f"{self.command} {self.path}"

    def _call(self, body):
        if self.headers.get("X-Amz-Target"):
            return self._operation(), json.loads(body or b"{}")
        return unquote(self._operation().partition("?")[0]), None

    def _body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _cut(self, fault):
        """Take some of the body, then close the connection."""
        if "100-continue" in self.headers.get("Expect", "").lower():
            self.send_response_only(100)
            self.end_headers()
        self.rfile.read(min(fault.cut_after, int(self.headers.get("Content-Length", 0))))
        self._hang_up()

    def _hang_up(self):
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(2)

    def _fail(self, fault):
        document = {"__type": fault.code, "message": fault.message}
        headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": fault.code}
        body = json.dumps(document).encode()
        if not self.headers.get("X-Amz-Target") and "invocations" not in self.path:
            text = f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>"
            if self.path == "/":  # The query protocol of STS and IAM.
                text = f"<ErrorResponse>{text}</ErrorResponse>"
            headers, body = {"Content-Type": "text/xml"}, text.encode()
        self._reply(fault.status, headers, b"" if self.command == "HEAD" else body)

    def _reply(self, status, headers, body, cut=-1):
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        length = headers.get("content-length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut < 0 else body[:cut])
        if cut >= 0:
            self.wfile.flush()
            self._hang_up()

    def _moto(self, method=None, path=None, body=b"", headers=None):
        headers = dict(self.headers) if headers is None else headers
        headers = {k: v for k, v in headers.items() if k.lower() != "transfer-encoding"}
        headers["Content-Length"] = str(len(body))
        headers.pop("Expect", None)
        host = self.stand_in.moto.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=30)
        with contextlib.closing(connection):
            connection.request(method or self.command, path or self.path, body, headers)
            found = connection.getresponse()
            return found.status, {k.lower(): v for k, v in found.getheaders()}, found.read()

    def _answer(self, operation, body):
        if "/async-invocations" in operation:
            return self._invoke_asynchronously()
        if "/invocations" in operation:
            return self.invoke_variant(body)
        special = _SPECIAL.get(operation)
        if special:
            return special(self, json.loads(body))
        status, headers, answer = self._moto(body=body)
        if status == 200 and self.headers.get("X-Amz-Target"):
            answer = self._changed(operation, json.loads(body or b"{}"), answer)
        return status, headers, answer

    def _changed(self, operation, request, answer):
        """moto's answer with what the proxy knows better."""
        if self.stand_in.registry and "Repositor" in operation:
            return answer.replace(_ECR.encode(), self.stand_in.registry.encode())
        if operation == "CreateTransformJob" and self.stand_in.serve:
            self._transform(request)
        if operation == "CreateTrainingJob" and self.stand_in.trained:
            self._train(request)
        if not operation.startswith("Describe") and operation not in self.stand_in.members:
            return answer
        document = json.loads(answer)
        noun = operation.removeprefix("Describe")
        name = request.get(f"{noun}Name", "")
        document |= self.stand_in.members[operation]
        if noun == "Endpoint":
            document |= self.endpoint_members(name, document["EndpointConfigName"])
        if noun == "EndpointConfig" and name in self.stand_in.shadows:
            document["ShadowProductionVariants"] = self.stand_in.shadows[name]
        if name in self.stand_in.stopped:
            document[f"{noun}Status"] = "Stopped"
        states = self.stand_in.states[operation]
        if states:
            document |= states.pop(0)
        return json.dumps(document).encode()

    def _delete_endpoint(self, request):
        self.stand_in.configurations.pop(request["EndpointName"], None)
        return self._moto(body=json.dumps(request).encode())

    def _stop_job(self, request):
        """moto has no StopTrainingJob and the like."""
        self.stand_in.stopped |= set(request.values())
        return 200, {"Content-Type": "application/x-amz-json-1.1"}, b"{}"

    def _get_resources(self, request):
        """Pages of the index of tags; the former tag is nobody's."""
        is_ours = request["TagFilters"][0]["Key"].startswith("mlserver-forest:")
        start = int(request.get("PaginationToken") or 0)
        end = start + request["ResourcesPerPage"]
        arns = self.stand_in.indexed if is_ours else []
        answer = {
            "ResourceTagMappingList": [{"ResourceARN": arn} for arn in arns[start:end]],
            "PaginationToken": str(end) if end < len(arns) else "",
        }
        return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer).encode()

    def _as(self, target, request):
        kept = {name: text for name, text in self.headers.items() if name.lower() in _SIGNED}
        headers = kept | {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
        return self._moto("POST", "/", json.dumps(request).encode(), headers)

    def _invoke(self, body):
        """The real serve answers; its errors become SageMaker's ModelError (424)."""
        attributes = "x-amzn-sagemaker-custom-attributes"
        headers = {attributes: self.headers[attributes]} if attributes in self.headers else {}
        for name in ("content-type", "accept"):
            # The asynchronous call has names of its own.
            value = self.headers.get(f"x-amzn-sagemaker-{name}") or self.headers.get(name)
            headers |= {name: value} if value else {}
        found = httpx.post(f"{self.stand_in.serve}/invocations", content=body, headers=headers)
        if found.status_code == 200:
            return 200, dict(found.headers), found.content
        error = {
            "Message": f"Received client error ({found.status_code}) from primary with message",
            "OriginalMessage": found.text,
            "OriginalStatusCode": found.status_code,
        }
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": "ModelError"}
        return 424, headers, json.dumps(error).encode()

    def _invoke_asynchronously(self):
        """Read the question from S3, ask the real serve, write the answer to S3."""
        location = self.headers["X-Amzn-SageMaker-InputLocation"]
        question = self._s3("GET", location)
        answered, failed = (f"{location}.{end}" for end in ("out", "error"))
        status, _, answer = self._invoke(question)
        self._s3("PUT", answered if status == 200 else failed, answer)
        headers = {
            "X-Amzn-SageMaker-OutputLocation": answered,
            "X-Amzn-SageMaker-FailureLocation": failed,
            "Content-Type": "application/json",
        }
        return 202, headers, b"{}"

    def _transform(self, request):
        """Transform all lines at once, as SageMaker does line by line: NAME -> NAME.out."""
        source = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        output = request["TransformOutput"]["S3OutputPath"]
        headers = {"content-type": request["TransformInput"]["ContentType"], "accept": "text/csv"}
        bucket, _, prefix = source.removeprefix("s3://").partition("/")
        listing = self._s3("GET", f"s3://{bucket}?list-type=2&prefix={prefix}").decode()
        for part in listing.split("<Key>")[1:]:
            key = unquote(part.partition("</Key>")[0])
            body = self._s3("GET", f"s3://{bucket}/{key}")
            url = f"{self.stand_in.serve}/invocations"
            found = httpx.post(url, content=body, headers=headers)
            self._s3("PUT", f"{output}/{key.removeprefix(prefix)}.out", found.content)

    def _train(self, request):
        """Write what a training job leaves: its model, and beside it the files of its output."""
        where = f"{request['OutputDataConfig']['S3OutputPath']}/{request['TrainingJobName']}/output"
        trained = self.stand_in.trained
        folders = {"model": trained / "model", "output": trained / "output" / "data"}
        with tempfile.TemporaryDirectory() as folder:
            for name, source in folders.items():
                packed = pack_model(source, Path(folder) / name).read_bytes()
                self._s3("PUT", f"{where}/{name}.tar.gz", packed)

    def _s3(self, method, uri, body=b""):
        scope = "Credential=x/20250101/eu-west-1/s3/aws4_request"
        headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=x"}
        path = "/" + uri.removeprefix("s3://")
        status, _, answer = self._moto(method, path, body, headers)
        assert status == 200, (uri, answer)
        return answer

    def _describe_images(self, request):
        """moto's ECR without a registry, or the real registry behind the proxy."""
        if not self.stand_in.registry:
            return self._moto(body=json.dumps(request).encode())
        name = request["repositoryName"]
        tags = [one["imageTag"] for one in request.get("imageIds", [])] or self._tags(name)
        details = [
            {"imageDigest": d, "imageTags": [t]} for t in tags if (d := self._digest(name, t))
        ]
        for number, detail in enumerate(details):
            detail["imagePushedAt"] = 1_700_000_000 + number
        headers = {"Content-Type": "application/x-amz-json-1.1"}
        if not details:
            missing = {"__type": "ImageNotFoundException", "message": "no such image"}
            return 400, headers, json.dumps(missing).encode()
        return 200, headers, json.dumps({"imageDetails": details}).encode()

    def _registry(self, method, path):
        url = f"http://{self.stand_in.registry}/v2/{path}"
        accept = "application/vnd.docker.distribution.manifest.v2+json"
        auth = ("AWS", "123456789012-auth-token")
        return httpx.request(method, url, headers={"Accept": accept}, auth=auth)

    def _tags(self, name):
        found = self._registry("GET", f"{name}/tags/list")
        return found.json().get("tags") or [] if found.status_code == 200 else []

    def _digest(self, name, tag):
        found = self._registry("HEAD", f"{name}/manifests/{tag}")
        return found.headers.get("docker-content-digest") if found.status_code == 200 else None


_SPECIAL = {
    **REGISTRY,
    "CreateEndpointConfig": _Handler.create_endpoint_config,
    "UpdateEndpoint": _Handler.update_endpoint,
    "DeleteEndpoint": _Handler._delete_endpoint,
    "StopTrainingJob": _Handler._stop_job,
    "StopTransformJob": _Handler._stop_job,
    "StopHyperParameterTuningJob": _Handler._stop_job,
    "DescribeImages": _Handler._describe_images,
    "GetMetricData": _Handler.get_metric_data,
    "GetResources": _Handler._get_resources,
    "ListPipelineExecutionSteps": list_steps,
    "StartPipelineExecution": start_execution,
}

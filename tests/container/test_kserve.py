"""KServe's manifests: as its schemas want them, and the image run as they say.

There is no cluster: what KServe's controller does with a runtime and an InferenceService
(``pkg/controller/v1beta1/inferenceservice``) is done here, and a container is what comes out.
"""

import json
import shutil

import httpx
import jsonschema
import numpy as np
import pytest
import yaml

from support import ROOT, ask_over_grpc, free_port

FOLDER = ROOT / "container" / "kserve"
MANIFESTS = sorted(path.name for path in FOLDER.glob("*.yaml"))
SCHEMAS = json.loads((ROOT / "tests" / "container" / "kserve-schemas.json").read_text())
ROWS = [[5.0, 3.5, 1.4, 0.2], [5.9, 3.0, 5.1, 1.8]]
LABELS = ["setosa", "virginica"]
DEFAULT_PORT = {"containerPort": 8080}  # Where a container names none.


def manifest(name):
    return yaml.safe_load((FOLDER / name).read_text())


def closed(schema):
    """A structural schema that refuses what the API server would silently drop."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(part) for key, part in schema.items()}
    keeps_unknown = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and "type" in schema and not keeps_unknown:
        schema.setdefault("additionalProperties", False)
    return schema


def check(document):
    jsonschema.validate(document, closed(SCHEMAS[document["kind"]]))


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_what_kserves_schema_describes(name):
    check(manifest(name))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["spec", "containers", 0, "readinessProb"], {}),
        (["spec", "containers", 0, "readinessProbe", "httpGet", "url"], "/ping"),
        (["spec", "containers", 0, "securityContext", "runAsUser"], "1000"),
        (["spec", "protocolVersion"], "v2"),
        (["spec", "containers"], None),
    ],
)
def test_the_schemas_refuse_what_they_do_not_describe(path, value):
    document = manifest("serving-runtime.yaml")
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        check(document)


@pytest.mark.parametrize("name", [name for name in MANIFESTS if name != "serving-runtime.yaml"])
def test_a_service_is_of_the_runtimes_format_and_protocol(name):
    runtime, model = manifest("serving-runtime.yaml"), manifest(name)["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    formats = {one["name"] for one in runtime["spec"]["supportedModelFormats"]}
    assert model["modelFormat"]["name"] in formats


def container_of(service, runtime):
    """The container that KServe's controller makes: the two merged, placeholders replaced."""
    (container,) = runtime["spec"]["containers"]
    model = service["spec"]["predictor"]["model"]
    merged = container | {key: model[key] for key in ("image", "ports") if key in model}
    merged["args"] = [*container.get("args", []), *model.get("args", [])]
    merged["env"] = [*container.get("env", []), *model.get("env", [])]
    return json.loads(json.dumps(merged).replace("{{.Name}}", service["metadata"]["name"]))


class Pod:
    """A container as a kubelet would run it, with a model at /mnt/models.

    Attributes:
        ports: where each port of the container is on this machine.
    """

    def __init__(self, run, image, container, models):
        named = {port["containerPort"] for port in container.get("ports", [DEFAULT_PORT])}
        probes = [
            container[kind] for kind in ("readinessProbe", "livenessProbe") if kind in container
        ]
        asked = {probe["httpGet"]["port"] for probe in probes}
        self.ports = {port: free_port() for port in named | asked}
        self.probes = [probe["httpGet"] for probe in probes]
        options = ["-v", f"{models}:/mnt/models:ro", *_security(container["securityContext"])]
        limits = container["resources"]["limits"]
        options += [f"--cpus={limits['cpu']}", f"--memory={limits['memory'].removesuffix('i')}"]
        for port, outside in self.ports.items():
            options += ["-p", f"127.0.0.1:{outside}:{port}"]
        for variable in container["env"]:
            options += ["-e", f"{variable['name']}={variable['value']}"]
        self._container = run(*options, image, *container["args"])
        self.logs, self.stop = self._container.logs, self._container.stop

    def url(self, port):
        return f"http://127.0.0.1:{self.ports[port]}"

    def wait_until_ready(self):
        """Until all that the kubelet asks for says 200."""
        self._container.wait_until_ready(self.url(self.probes[0]["port"]), self.probes[0]["path"])
        for probe in self.probes:
            assert httpx.get(self.url(probe["port"]) + probe["path"]).status_code == 200


def _security(context):
    options = [f"--cap-drop={name}" for name in context["capabilities"]["drop"]]
    if "runAsUser" in context:
        options.append(f"--user={context['runAsUser']}")
    if context.get("readOnlyRootFilesystem"):
        options.append("--read-only")
    if not context["allowPrivilegeEscalation"]:
        options.append("--security-opt=no-new-privileges")
    return options


def infer(pod, port, name):
    data = np.ravel(ROWS).tolist()
    tensor = {"name": "X", "shape": [2, 4], "datatype": "FP32", "data": data}
    url = f"{pod.url(port)}/v2/models/{name}"
    assert httpx.get(f"{url}/ready").status_code == 200
    answer = httpx.post(f"{url}/infer", json={"inputs": [tensor]}).json()
    assert answer["model_name"] == name
    return answer["outputs"][0]["data"]


@pytest.fixture
def models(ml, tmp_path):
    """The files that the storage initializer leaves in /mnt/models."""
    folder = tmp_path / "models"
    shutil.copytree(ml / "model", folder)
    tmp_path.chmod(0o755)
    return folder


@pytest.mark.container
@pytest.mark.parametrize("inside", [".", "model"], ids=["files", "folder"])
def test_the_service_answers_over_rest(image, run, models, tmp_path, inside):
    """Also where the archive holds the model's folder and not its files."""
    place = tmp_path / "mounted" / inside
    shutil.copytree(models, place)
    service = manifest("inference-service.yaml")
    container = container_of(service, manifest("serving-runtime.yaml"))
    pod = Pod(run, image, container, tmp_path / "mounted")
    pod.wait_until_ready()
    assert infer(pod, 8080, "iris") == LABELS
    assert "process_resident_memory_bytes" in httpx.get(pod.url(8080) + "/metrics").text
    assert pod.stop(seconds=10) == 0
    assert "Traceback" not in pod.logs()


@pytest.mark.container
def test_the_service_answers_over_grpc(image, run, models):
    service = manifest("inference-service-grpc.yaml")
    pod = Pod(run, image, container_of(service, manifest("serving-runtime.yaml")), models)
    pod.wait_until_ready()
    (port,) = service["spec"]["predictor"]["model"]["ports"]
    answer = ask_over_grpc(pod.ports[port["containerPort"]], ROWS, model="iris-grpc")
    assert answer["ready"] is True
    assert [label for (label,) in answer["predict"]] == LABELS


# KServe's own kserve-mlserver (0.20.0, config/runtimes/kserve-mlserver.yaml), and what its webhook
# adds (SetMlServerDefaults in pkg/apis/serving/v1beta1/inference_service_defaults.go).
KSERVE_MLSERVER = {
    "env": [
        {"name": "MLSERVER_MODEL_IMPLEMENTATION", "value": "mlserver_sklearn.SKLearnModel"},
        {"name": "MLSERVER_HTTP_PORT", "value": "8080"},
        {"name": "MLSERVER_GRPC_PORT", "value": "9000"},
        {"name": "MLSERVER_MODEL_NAME", "value": "iris"},
        {"name": "MLSERVER_MODEL_URI", "value": "/mnt/models"},
    ],
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "runAsNonRoot": True,
        "runAsUser": 1000,  # The image has no user of its own, so the InferenceService names one.
        "capabilities": {"drop": ["ALL"]},
    },
    "resources": {"limits": {"cpu": "1", "memory": "2Gi"}},
    "ports": [{"containerPort": 8080}, {"containerPort": 9000}],
}


@pytest.mark.container
def test_the_image_takes_mlservers_place_in_kserves_own_runtime(image, run, models):
    """With one argument more, for without one the image trains."""
    probe = {"httpGet": {"path": "/v2/models/iris/ready", "port": 8080}}
    container = KSERVE_MLSERVER | {"args": ["serve"], "readinessProbe": probe}
    pod = Pod(run, image, container, models)
    pod.wait_until_ready()
    assert infer(pod, 8080, "iris") == LABELS
    answer = ask_over_grpc(pod.ports[9000], ROWS, model="iris")
    assert [label for (label,) in answer["predict"]] == LABELS

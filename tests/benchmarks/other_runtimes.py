"""MLServer's other runtimes behind this server and behind ``mlserver start``, in the same run.

The runtime does the same work in both. Each server gets as many processes for it, and the same V2
requests over REST, one server after the other, round by round; the median of the rounds counts.
"""

import argparse
import json
import shutil
import statistics
import tempfile
from pathlib import Path

import joblib
import numpy as np
from tests.benchmarks.peers import drivers, processes, servers
from tests.support import BIN, IRIS, launch

OWN = """
import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Sum(MLModel):
    async def predict(self, payload):
        x = NumpyCodec.decode_input(payload.inputs[0])
        output = NumpyCodec.encode_output("predict", x.sum(axis=1))
        return InferenceResponse(model_name=self.name, outputs=[output])
"""
RUNTIMES = {
    "xgboost": "mlserver_xgboost.XGBoostModel",
    "lightgbm": "mlserver_lightgbm.LightGBMModel",
    "catboost": "mlserver_catboost.CatboostModel",
    "sklearn": "mlserver_sklearn.SKLearnModel",
    "own": "summing.Sum",
}
N_ROWS = (1, 100)


def xgboost(x, y, folder):
    from xgboost import XGBClassifier

    XGBClassifier(n_estimators=50, n_jobs=1).fit(x, y).save_model(folder / "model.json")


def lightgbm(x, y, folder):
    import lightgbm

    parameters = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, y), 50)
    booster.save_model(folder / "model.bst")


def catboost(x, y, folder):
    from catboost import CatBoostClassifier

    fitted = CatBoostClassifier(iterations=50, verbose=False, allow_writing_files=False).fit(x, y)
    fitted.save_model(str(folder / "model.cbm"))


def sklearn(x, y, folder):
    from sklearn.linear_model import LogisticRegression

    joblib.dump(LogisticRegression(max_iter=300).fit(x, y), folder / "model.joblib")


def own(x, y, folder):
    (folder / "summing.py").write_text(OWN)


MAKERS = {
    "xgboost": xgboost,
    "lightgbm": lightgbm,
    "catboost": catboost,
    "sklearn": sklearn,
    "own": own,
}


def iris():
    rows = [line.split(",") for line in IRIS.read_text().split()]
    x = np.array([[float(value) for value in row[1:]] for row in rows])
    return x, np.unique([row[0] for row in rows], return_inverse=True)[1]


def model_of(name, folder):
    """A model directory that both servers read."""
    directory = Path(folder, name)
    directory.mkdir()
    MAKERS[name](*iris(), directory)
    settings = {"name": "forest", "implementation": RUNTIMES[name], "parameters": {"uri": "."}}
    (directory / "model-settings.json").write_text(json.dumps(settings))
    return directory


class Message:
    """A V2 request of some rows."""

    def __init__(self, n_rows):
        self.path, self.headers = "/v2/models/forest/infer", {"content-type": "application/json"}
        rows = np.resize(iris()[0], (n_rows, 4))
        tensor = {"name": "x", "datatype": "FP64", "shape": list(rows.shape)}
        self._body = json.dumps({"inputs": [{**tensor, "data": rows.ravel().tolist()}]})

    def saved_in(self, folder):
        path = Path(folder, "body.json")
        path.write_text(self._body)
        return path


def ours(directory, workers):
    variables = {"FOREST_TRUST_CODE": "true", "MODEL_SERVER_WORKERS": str(workers)}
    running = launch(directory, (BIN / "serve",), MLSERVER_MODEL_URI=str(directory), **variables)
    return servers.Server("ours", running.process, running.http_port, running.grpc_port)


def theirs(directory, workers):
    folder = Path(tempfile.mkdtemp(dir=directory.parent))
    shutil.copytree(directory, folder, dirs_exist_ok=True)
    return servers.mlserver_start("mlserver", folder, workers)


def measure(name, options, folder):
    directory = model_of(name, folder)
    started = [ours(directory, options.workers), theirs(directory, options.workers)]
    try:
        for server in started:
            server.wait_until_ready()
        for n_rows in N_ROWS:
            message = Message(n_rows)
            rates, cpu = {each.name: [] for each in started}, {each.name: [] for each in started}
            for _ in range(options.rounds):
                for server in started:
                    before = server.cpu_seconds()
                    driven = drivers.wrk(
                        server, message, options.connections, options.seconds, folder
                    )
                    rates[server.name].append(driven.requests / driven.seconds)
                    cpu[server.name].append((server.cpu_seconds() - before) / driven.requests)
            report(name, n_rows, median_of(rates), median_of(cpu))
    finally:
        for server in started:
            processes.end(server.process)


def median_of(found):
    return {name: statistics.median(values) for name, values in found.items()}


def report(name, n_rows, rates, cpu):
    """One line; the CPU time does not depend on what else the machine does."""
    ratio, cpu_ratio = rates["ours"] / rates["mlserver"], cpu["mlserver"] / cpu["ours"]
    print(
        f"{name:10} {n_rows:4} rows  requests/s: ours {rates['ours']:6.0f}, "
        f"mlserver {rates['mlserver']:6.0f}, ratio {ratio:5.1f}   CPU ms: "
        f"{cpu['ours'] * 1e3:6.2f}, {cpu['mlserver'] * 1e3:6.2f}, ratio {cpu_ratio:5.1f}",
        flush=True,
    )


def main(options):
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks other_runtimes")
    parser.add_argument("--runtimes", nargs="+", choices=RUNTIMES, default=list(RUNTIMES))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(options)
    for name in chosen.runtimes:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, chosen, folder)

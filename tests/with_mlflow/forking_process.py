"""A process that has imported MLflow and forks for each command: an import takes three seconds.

It reads a request on each line of standard input, and answers with the exit code, or with the
process of a command that goes on. It runs with PYTHONPATH set to MLflow's packages.
"""

import functools
import importlib
import json
import os
import sys
import traceback

import click

COMMANDS = {
    "mlflow": "mlflow.cli:cli",
    "forest": "mlserver_forest.cli:forest",
    "train": "mlserver_forest.training.cli:train",
}
SERVICES = ("sagemaker", "sagemaker-runtime", "s3", "iam", "sts", "ecr", "application-autoscaling")
PRELOADED = (
    *("mlflow", "mlflow.cli", "mlflow.pyfunc", "mlflow.pyfunc.scoring_server", "numba"),
    *("mlserver_forest.mlflow.flavor", "mlserver_forest.mlflow.deployments", "boto3"),
    *("mlserver_forest.training.job", "mlserver_forest.importers.pack.pack_run"),
    *("mlserver_forest.training.algorithms.forests.forest_fit", "sklearn.ensemble"),
    *("matplotlib.figure", "matplotlib.backends.backend_svg", "mlserver_forest.cli"),
)


def main():
    for name in PRELOADED:
        importlib.import_module(name)
    importlib.import_module("numba").njit(lambda: None)()  # The first function loads its types.
    parse_service_models()
    answer("ready")
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            run(request)
        if request["goes_on"]:
            answer(child)
        else:
            answer(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def parse_service_models():
    """Parse AWS's models of its services once, which is most of the time of a command."""
    loader, session = importlib.import_module("botocore.loaders"), importlib.import_module("boto3")
    load = functools.cache(loader.JSONFileLoader()._load_file)
    loader.JSONFileLoader._load_file = lambda _, *arguments: load(*arguments)
    for name in SERVICES:
        session.Session()._session.get_service_model(name)


def answer(value):
    print(json.dumps(value), flush=True)


def run(request):
    """Run a command, or Python code, in this process, and end it."""
    for number, name in ((0, "/dev/null"), (1, request["out"]), (2, request["err"])):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        os.dup2(os.open(name, flags, 0o600), number)
    os.environ.clear()
    os.environ.update(request["environ"])
    os.chdir(request["cwd"])
    sys.argv = request["words"]
    code = 1
    try:
        call(request["words"])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  # as an interpreter does
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def call(words):
    if words[0] == "python":
        exec(compile(words[1], "<test>", "exec"), {"__name__": "__main__"})  # noqa: S102
        return
    module, _, name = COMMANDS[words[0]].partition(":")
    if words[:2] == ["mlflow", "server"]:
        serve_here()
    command = getattr(importlib.import_module(module), name)
    assert isinstance(command, click.Command)
    command(words[1:], prog_name=words[0])


def serve_here():
    """Let ``mlflow server`` run uvicorn in this process, and not import all of it again."""
    server = importlib.import_module("mlflow.server")

    def run_here(command, *, extra_env=None, **_):
        if command[1:3] != ["-m", "uvicorn"]:
            os.execve(command[0], command, {**os.environ, **(extra_env or {})})  # noqa: S606
        os.environ.update(extra_env or {})
        importlib.import_module("uvicorn").main(command[3:], standalone_mode=False)
        os._exit(0)

    server._exec_cmd = run_here


if __name__ == "__main__":
    main()

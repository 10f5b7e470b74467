"""The command ``forest`` as a person calls it, in an account that is a stand-in on loopback."""

import contextlib
import json
import os
import subprocess
import time
from dataclasses import dataclass

import boto3
import httpx
from click.testing import CliRunner

from aws.stand_in import StandIn
from forked_command import run_forked
from mlserver_forest.cli import forest
from support import BIN, IRIS, clean_environ

ROLE = "arn:aws:iam::123456789012:role/forest"
BUCKET = "sagemaker-eu-west-1-123456789012"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlserver-forest"

# Words of commands.
FIT = ("fit", IRIS, "-p", "algorithm=random_forest", "--role", "forest", "--poll", "0.1")
RUNNING = [
    {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Starting"},
    {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Downloading"},
    {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Training"},
]
EMPTY = {"endpoints": [], "configurations": [], "models": []}
POLL = ("--poll", "0.1")
MODEL = "s3://models/model.tar.gz"
CREATING = {"EndpointStatus": "Creating"}
AS_ROLE = ("--role", "forest", *POLL)


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Account:
    """An empty account, its AWS behind the proxy, and forest as a person calls it."""

    def __init__(self, stand_in, tmp_path):
        self.stand_in = stand_in
        self.tmp_path = tmp_path

    def environ(self, **variables):
        kept = {k: v for k, v in clean_environ().items() if not k.startswith("AWS_")}
        return kept | {
            "AWS_ENDPOINT_URL": self.stand_in.url,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(self.tmp_path / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.tmp_path / "none"),
            **variables,
        }

    def start(self, *words, **variables):
        return subprocess.Popen(
            [BIN / "forest", *map(str, words)],
            env=self.environ(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )

    def forest(self, *words, **variables):
        """Run a command in this process, which saves its imports."""
        environ = {**dict.fromkeys(os.environ), **self.environ(**variables)}
        done = CliRunner(env=environ).invoke(forest, [str(word) for word in words])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    def shell(self, *words, **variables):
        """Run a command in a process of its own, whose standard error Docker can write to."""
        done = run_forked("forest", *words, environ=self.environ(**variables), timeout=120)
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def client(self, service):
        return boto3.client(
            service,
            region_name="eu-west-1",
            endpoint_url=self.stand_in.moto,
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )

    def push_image(self, tag="v1", repository="mlserver-forest"):
        """An image in moto's ECR: its digest."""
        ecr = self.client("ecr")
        with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
            ecr.create_repository(repositoryName=repository)
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        config = {"digest": f"sha256:{tag}"}
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []}
        put = {"repositoryName": repository, "imageTag": tag}
        found = ecr.put_image(imageManifest=json.dumps(manifest), **put)
        ecr.close()
        return found["image"]["imageId"]["imageDigest"]


@contextlib.contextmanager
def empty_account(moto, tmp_path):
    """An account in which nothing is there but a role and an image."""
    httpx.post(f"{moto}/moto-api/reset", timeout=30)
    stand_in = StandIn(moto).start()
    account = Account(stand_in, tmp_path)
    iam = account.client("iam")
    iam.create_role(RoleName="forest", AssumeRolePolicyDocument="{}")
    iam.close()
    account.digest = account.push_image()
    yield account
    stand_in.stop()


def write_log(account, group, stream, *lines):
    logs = account.client("logs")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [
        {"timestamp": int(time.time() * 1000) + n, "message": line} for n, line in enumerate(lines)
    ]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    logs.close()


def name_of(account):
    """The name that the job will have."""
    done = account.forest(*FIT, "--image", f"{IMAGE}@{account.digest}", "--no-wait", "--json")
    return done.json["TrainingJobName"]


def everything(sagemaker):
    """Names of all endpoints, configurations and models."""
    return {
        "endpoints": [one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]],
        "configurations": [
            one["EndpointConfigName"]
            for one in sagemaker.list_endpoint_configs()["EndpointConfigs"]
        ],
        "models": [one["ModelName"] for one in sagemaker.list_models()["Models"]],
    }

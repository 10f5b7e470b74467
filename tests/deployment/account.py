"""The command ``forest`` as a person calls it, in an account that is a stand-in on loopback."""

import contextlib
import json
import subprocess
from dataclasses import dataclass

import boto3

from support import BIN, clean_environ

ROLE = "arn:aws:iam::123456789012:role/forest"
BUCKET = "sagemaker-eu-west-1-123456789012"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlserver-forest"


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
        process = self.start(*words, **variables)
        out, err = process.communicate(timeout=120)
        text = err.decode()
        assert "Traceback" not in text, text
        return Done(process.returncode, out.decode(), text)

    def client(self, service):
        return boto3.client(
            service,
            region_name="eu-west-1",
            endpoint_url=self.stand_in.moto,
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )

    def push_image(self, tag="v1"):
        """An image in moto's ECR: its digest."""
        ecr = self.client("ecr")
        with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
            ecr.create_repository(repositoryName="mlserver-forest")
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        config = {"digest": f"sha256:{tag}"}
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []}
        put = {"repositoryName": "mlserver-forest", "imageTag": tag}
        found = ecr.put_image(imageManifest=json.dumps(manifest), **put)
        ecr.close()
        return found["image"]["imageId"]["imageDigest"]

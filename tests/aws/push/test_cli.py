"""forest push into a real registry on loopback, by the real Docker, ECR's API from the stand-in.

Needs a Docker engine and Debian's docker-registry, or REQUIRE_CONTAINERS says that they must be.
"""

import json
import os
import shutil
import subprocess
import sys
import time

import httpx
import pytest

from support import ROOT, free_port

pytestmark = pytest.mark.container

_TOKEN = "123456789012-auth-token"  # noqa: S105  # what moto's ECR gives out


def _is_missing():
    if shutil.which("docker-registry") is None:
        return "docker-registry is not installed (apt-get install docker-registry)"
    if shutil.which("docker") is None:
        return "no Docker engine"
    done = subprocess.run(["docker", "info"], capture_output=True, check=False)
    return "no Docker engine answers" if done.returncode else ""


@pytest.fixture
def registry(tmp_path):
    """A registry that lets in only who logs in with ECR's token."""
    missing = _is_missing()
    if missing:
        assert not os.environ.get("REQUIRE_CONTAINERS") or "registry" in missing, missing
        pytest.skip(missing)
    port = free_port()
    script = f"import crypt; print(crypt.crypt({_TOKEN!r}, crypt.mksalt(crypt.METHOD_BLOWFISH)))"
    hashed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True
    ).stdout.strip()
    (tmp_path / "htpasswd").write_text(f"AWS:{hashed}\n")
    (tmp_path / "config.yml").write_text(
        f"""
version: 0.1
storage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}
http: {{addr: 127.0.0.1:{port}}}
auth: {{htpasswd: {{realm: ecr, path: {tmp_path}/htpasswd}}}}
"""
    )
    process = subprocess.Popen(
        ["docker-registry", "serve", tmp_path / "config.yml"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/v2/").status_code == 401
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def small(tmp_path):
    """A Dockerfile that builds in a moment."""
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nARG WORD=one\nLABEL word=$WORD\nCOPY a /a\n")
    (folder / "a").write_text("a\n")
    return folder


@pytest.fixture
def removed():
    """Names of local images that go after the test."""
    names = []
    yield names
    for name in names:
        subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False)


def test_push_builds_logs_in_pushes_and_prints_the_digest(account, registry, small, removed):
    """A second run finds the image; fit takes it by its digest; no login is left behind."""
    account.stand_in.registry = registry
    words = ("push", "--repository", "team/forest", "--dockerfile", small / "Dockerfile")
    words = (*words, "--context", small)
    removed.append("team/forest:forest-push")
    done = account.shell(*words, "--json", DOCKER_BUILDKIT="0", HOME=str(small))
    assert done.code == 0, done.err
    pushed = done.json
    removed.append(f"{registry}/team/forest:{pushed['Tag']}")
    assert pushed["RepositoryUri"] == f"{registry}/team/forest"
    accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    url = f"http://{registry}/v2/team/forest/manifests/{pushed['Tag']}"
    found = httpx.head(url, headers=accept, auth=("AWS", _TOKEN))
    assert found.headers["docker-content-digest"] == pushed["Digest"]
    assert not (small / ".docker" / "config.json").exists()
    (repository,) = account.client("ecr").describe_repositories(repositoryNames=["team/forest"])[
        "repositories"
    ]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    again = account.shell(*words, DOCKER_BUILDKIT="0")
    assert again.out == f"{registry}/team/forest@{pushed['Digest']}\n"
    assert f"found {registry}/team/forest:{pushed['Tag']}" in again.err
    fit = ("fit", "s3://b/train", "-p", "algorithm=random_forest", "--role", "forest", "--no-wait")
    done = account.forest(*fit, "--repository", "team/forest", "--json")
    job = account.client("sagemaker").describe_training_job(
        TrainingJobName=done.json["TrainingJobName"]
    )
    assert job["AlgorithmSpecification"]["TrainingImage"] == pushed["Image"]


def test_a_tag_is_never_moved(account, registry, small, removed):
    account.stand_in.registry = registry
    words = ("push", "--dockerfile", small / "Dockerfile", "--context", small, "--tag", "1.0")
    removed += ["mlserver-forest:forest-push", f"{registry}/mlserver-forest:1.0"]
    assert account.shell(*words, DOCKER_BUILDKIT="0").code == 0
    done = account.shell(*words, "--build-arg", "WORD=two", DOCKER_BUILDKIT="0")
    assert done.code == 1
    assert "tags are never moved; choose another --tag" in done.err


def test_what_docker_refuses_is_said(account, registry, small):
    account.stand_in.registry = registry
    (small / "Dockerfile").write_text("FROM scratch\nCOPY nothing /\n")
    words = ("push", "--dockerfile", small / "Dockerfile", "--context", small)
    done = account.shell(*words, DOCKER_BUILDKIT="0")
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("forest push: docker build --file")
    assert last.endswith("ended with exit code 1; see the lines above")


def test_the_script_calls_forest_push(account):
    """container/build_and_push.sh takes NAME:TAG and hands on what follows."""
    done = subprocess.run(
        [ROOT / "container" / "build_and_push.sh", "team/forest:1.0", "--dry-run"],
        env=account.environ(BASE_IMAGE="python-base:bookworm"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    calls, (build, tag, *_) = json.loads(done.stdout).values()
    assert calls[0]["request"]["repositoryName"] == "team/forest"
    assert build[:4] == ["docker", "build", "--build-arg", "BASE_IMAGE=python-base:bookworm"]
    assert tag[-1].endswith(":1.0")

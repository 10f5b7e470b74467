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

from support import BIN, ROOT, free_port

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
    # The registry hashes the token for each of its requests: with more rounds, for half a second.
    salt = "crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)"
    script = f"import crypt; print(crypt.crypt({_TOKEN!r}, {salt}))"
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
    assert repository["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
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
    words = ("push", "--image", "team/forest:forest-push", "--instance-type", "ml.c7g.large")
    done = account.shell(*words)
    assert done.code == 1
    assert "team/forest:forest-push is for linux/amd64, and linux/arm64 was asked for" in done.err


def test_a_tag_is_never_moved_but_latest_and_the_last_push_is_used(
    account, registry, small, removed
):
    """A, A again, B, A: each run prints what fit takes after it."""
    account.stand_in.registry = registry
    name = "sagemaker-mlserver-forest"
    words = ("push", "--dockerfile", small / "Dockerfile", "--context", small)
    removed += [f"{name}:forest-push", f"{registry}/{name}:1.0", f"{registry}/{name}:latest"]

    def pushed(word, *options):
        given = ("--build-arg", f"WORD={word}", *options, "--json")
        done = account.shell(*words, *given, DOCKER_BUILDKIT="0")
        if done.code == 0:
            removed.append(f"{registry}/{name}:{done.json['Tag']}")
        return done

    def used():
        done = account.forest("fit", "s3://b/train", "--role", "forest", "--dry-run")
        (job,) = [one for one in done.json["calls"] if one["operation"] == "CreateTrainingJob"]
        return job["request"]["AlgorithmSpecification"]["TrainingImage"]

    first = pushed("one", "--tag", "1.0")
    assert first.code == 0, first.err
    assert used() == first.json["Image"]
    again = pushed("one", "--tag", "1.0")
    assert (again.code, again.json) == (0, first.json)
    assert f"found {registry}/{name}:1.0" in again.err
    other = pushed("two", "--tag", "1.0")
    assert other.code == 1
    assert "is another image (sha256:" in other.err
    second = pushed("two", "--latest")
    assert used() == second.json["Image"] != first.json["Image"]
    assert pushed("one", "--tag", "latest").json["Image"] == first.json["Image"] == used()
    headers = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    url = f"http://{registry}/v2/{name}/manifests/latest"
    found = httpx.head(url, headers=headers, auth=("AWS", _TOKEN))
    assert found.headers["docker-content-digest"] == first.json["Digest"]


def test_a_push_that_is_terminated_leaves_no_login(account, registry, small, removed, tmp_path):
    """SIGTERM, as from a CI job that is cancelled, while docker pushes."""
    account.stand_in.registry = registry
    removed.append("sagemaker-mlserver-forest:forest-push")
    tools, temporary = tmp_path / "tools", tmp_path / "temporary"
    tools.mkdir()
    temporary.mkdir()
    real = shutil.which("docker")
    script = f'#!/bin/sh\ncase "$*" in *" push "*) exec sleep 60;; esac\nexec {real} "$@"\n'
    (tools / "docker").write_text(script)
    (tools / "docker").chmod(0o755)
    words = ("push", "--dockerfile", small / "Dockerfile", "--context", small)
    environ = account.environ(DOCKER_BUILDKIT="0", TMPDIR=str(temporary))
    environ["PATH"] = f"{tools}:{environ['PATH']}"
    with subprocess.Popen(
        [BIN / "forest", *words], env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        while not list(temporary.glob("forest-push-*/config.json")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.terminate()
        assert process.wait(timeout=30) == 143
        assert "forest push: interrupted" in process.stderr.read()
    assert list(temporary.iterdir()) == []


def test_credentials_come_before_the_build(account, small):
    environ = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "PATH": "/nowhere"}
    words = ("push", "--dockerfile", small / "Dockerfile", "--context", small)
    done = account.forest(*words, **environ)
    assert done.code == 1
    assert "credentials" in done.err
    assert "docker" not in done.err


def test_what_docker_refuses_is_said(account, registry, small):
    account.stand_in.registry = registry
    (small / "Dockerfile").write_text("FROM scratch\nCOPY nothing /\n")
    words = ("push", "--dockerfile", small / "Dockerfile", "--context", small)
    done = account.shell(*words, DOCKER_BUILDKIT="0")
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("forest push: docker build --platform linux/amd64 --file")
    assert last.endswith("ended with exit code 1; see the lines above")


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_script_calls_forest_push(account, shell):
    """container/build_and_push.sh takes NAME:TAG and hands on what follows."""
    done = subprocess.run(
        [shell, ROOT / "container" / "build_and_push.sh", "team/forest:1.0", "--dry-run"],
        env=account.environ(BASE_IMAGE="python-base:bookworm"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _, (build, *rest) = json.loads(done.stdout).values()
    assert build[4:6] == ["--build-arg", "BASE_IMAGE=python-base:bookworm"]
    assert build[build.index("--tag") + 1] == "team/forest:forest-push"
    assert any(command[-1] == "<repository>:1.0" for command in rest)

"""Containers of the tests: Docker's command, and servers that are removed in the end."""

import subprocess
import time
import uuid

import httpx


def docker(*arguments, check=True, **options):
    return subprocess.run(
        ["docker", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=check,
        timeout=900,
        **options,
    )


class Container:
    def __init__(self, *arguments):
        self.name = f"forest-test-{uuid.uuid4().hex[:12]}"
        docker("run", "-d", "--name", self.name, *arguments)

    def wait_until_ready(self, url, path="/ping"):
        for attempt in range(600):
            if attempt % 10 == 9:  # The command takes longer than a request.
                assert self.state("Running") == "true", self.logs()
            try:
                if httpx.get(url + path, timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(self.logs())

    def state(self, field):
        return docker("inspect", "-f", f"{{{{.State.{field}}}}}", self.name).stdout.strip()

    def logs(self):
        done = docker("logs", self.name)
        return done.stdout + done.stderr

    def stop(self, seconds):
        """SIGTERM, and SIGKILL after some seconds; the exit code."""
        docker("stop", "--time", seconds, self.name)
        return int(self.state("ExitCode"))

    def remove(self):
        docker("rm", "-f", self.name, check=False)


def ports(http, grpc):
    return ["-p", f"127.0.0.1:{http}:8080", "-p", f"127.0.0.1:{grpc}:8081"]

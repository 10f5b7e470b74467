"""What a server must do without: rights, places to write to, memory that is shared."""

from collections.abc import Mapping

from mlserver_forest.doctor.check_results import Outcome, failed, judged
from mlserver_forest.doctor.endpoint_checks import invoke
from mlserver_forest.doctor.sample import Sample
from mlserver_forest.doctor.target import Server, Setting

# The least memory of a serverless endpoint.
_SERVERLESS_MB = 1024

SETTINGS: Mapping[str, Setting] = {
    "read-only-model": Setting(read_only_model=True),
    "read-only-root": Setting(read_only_model=True, read_only_root=True),
    "unprivileged": Setting(read_only_model=True, unprivileged=True),
    "no-shared-memory": Setting(read_only_model=True, no_shared_memory=True),
    "no-home": Setting(read_only_model=True, no_home=True),
    "serverless": Setting(
        read_only_model=True,
        read_only_root=True,
        unprivileged=True,
        no_shared_memory=True,
        no_home=True,
        memory_mb=_SERVERLESS_MB,
    ),
}


def serves(server: Server, sample: Sample) -> Outcome:
    answer = invoke(server, sample)
    if written := server.written():
        return failed(f"changed {', '.join(written[:3])}")
    return judged(answer.is_success, str(answer))

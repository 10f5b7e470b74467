"""Commands one after another, and what all of them have in common."""

import pytest

from aws.account import FIT
from support import PAYLOAD


def test_from_a_csv_to_an_endpoint_a_batch_and_a_clean_account(account, iris_server, tmp_path):
    """The README's way, each command by its output alone; only the training is not real."""
    account.stand_in.serve = iris_server.url
    job = account.forest(*FIT, "--json").json["TrainingJobName"]
    role = ("--role", "forest", "--poll", "0.1", "--yes")
    assert account.forest("deploy", job, "--name", "iris", *role).code == 0
    assert "setosa" in account.forest("invoke", "iris", PAYLOAD).out
    done = account.forest("transform", job, PAYLOAD, *role, "--download", tmp_path / "o", "--json")
    assert done.code == 0, done.err
    assert account.forest("delete", "iris", "--yes", "--poll", "0.1").code == 0
    left = account.forest("list", "--json").json["found"]
    assert {one["kind"] for one in left} == {"training job", "transform job"}
    assert {one["cost"] for one in left} == {"nothing any more"}


@pytest.mark.parametrize("command", ["status", "logs", "rollback", "stop", "delete"])
def test_a_name_that_does_not_exist_is_one_line_of_error(account, command):
    done = account.forest(command, "nowhere", "--yes")
    assert done.code == 1
    assert done.err.startswith(f"forest {command}: ")
    assert len(done.err.splitlines()) == 1

"""forest logs against AWS's stand-in."""

import signal

from aws.account import RUNNING, name_of, write_log


def test_the_log_of_a_job_is_printed_whole_in_part_or_followed(account):
    name = name_of(account)
    group = "/aws/sagemaker/TrainingJobs"
    write_log(account, group, f"{name}/algo-1-1", "one", "two", "three")
    assert account.forest("logs", name).out == "one\ntwo\nthree\n"
    assert account.forest("logs", name, "--lines", "1").out == "three\n"
    account.stand_in.states["DescribeTrainingJob"] = list(RUNNING)
    assert account.forest("logs", name, "--follow", "--poll", "0.1").out == "one\ntwo\nthree\n"


def test_ctrl_c_ends_the_following_and_not_the_job(account):
    name = name_of(account)
    write_log(account, "/aws/sagemaker/TrainingJobs", f"{name}/algo-1-1", "one")
    account.stand_in.states["DescribeTrainingJob"] = RUNNING[2:] * 100
    process = account.start("logs", name, "--follow", "--poll", "0.1")
    assert process.stdout.readline() == b"one\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"interrupted; training job {name} continues without this command" in err.decode()

"""forest tune against AWS's stand-in."""

import pytest

from support import IRIS

TUNE = ("tune", IRIS, "-p", "algorithm=random_forest", "--role", "forest", "--poll", "0.1")


def test_tune_follows_to_the_best_job(account):
    running = {"HyperParameterTuningJobStatus": "InProgress"}
    best = {
        "BestTrainingJob": {
            "TrainingJobName": "best-1",
            "TunedHyperParameters": {"max_depth": "7"},
            "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/best-1",
            "CreationTime": 1,
            "TrainingJobStatus": "Completed",
            "FinalHyperParameterTuningJobObjectiveMetric": {
                "MetricName": "validation:log_loss",
                "Value": 0.125,
            },
        }
    }
    account.stand_in.states["DescribeHyperParameterTuningJob"] = [running, running, best]
    done = account.forest(*TUNE, "-r", "max_depth=3:12")
    assert done.code == 0, done.err
    assert done.out == "best job: best-1 -p max_depth=7\nvalidation:log_loss=0.125\n"
    account.stand_in.states["DescribeHyperParameterTuningJob"] = [{}, best]
    assert account.forest(*TUNE, "-r", "max_depth=3:12").code == 0
    assert account.stand_in.count("CreateHyperParameterTuningJob") == 1


def test_the_ends_of_ranges_are_checked_before_anything_is_asked(account):
    done = account.forest(*TUNE, "-r", "n_estimators=0:500")
    assert done.code == 1
    assert "n_estimators" in done.err
    assert account.stand_in.seen == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-r", "max_depth=3:12", "--max-jobs", "1"], "add --max-parallel 1"),
        (["-r", "max_depth=3,4", "--max-parallel", "3", "--strategy", "Grid"], "--max-parallel 2"),
        (["-r", "max_depth=3,4", "--max-jobs", "9", "--strategy", "Grid"], "all 2 combinations"),
        (["-r", "max_features=0.1:0.5", "--strategy", "Grid"], "tries choices, not ranges"),
        (["-r", "n_estimators=50:200", "-p", "n_estimators=9"], "given by -r and by -p"),
        (["-r", "max_depth=3:4", "-r", "max_depth=5:6"], "-r max_depth: given twice"),
        (["-r", "max_features=0:0.5:log"], "a log scale needs a low end above 0"),
        (["-r", "max_features=0.5:1.0:reverse-log"], "needs numbers from 0 to below 1"),
        (["-r", "max_depth=1.5:9.5"], "max_depth"),
        (["-r", "max_depth=3,,4"], "none of them empty"),
        (["-r", "max_depth=3,3"], "expected different choices"),
        (["-r", "max_depth=3:12", "--objective", "loss"], "'loss' is not a metric"),
        (["-r", "max_depth=3:12", "--name", "a" * 33], "at most 32 characters"),
        (["-r", "max_depth=3:12", "--compression", "Gzip"], "only --input-mode Pipe"),
        (["-r", "max_depth=3:12", "--max-wait", "0", "--spot"], "0 is not in the range"),
    ],
)
def test_impossible_searches_are_refused_before_anything_is_asked(account, words, said):
    done = account.forest(*TUNE, *words)
    assert done.code in {1, 2}
    assert said in done.err
    assert account.stand_in.seen == []

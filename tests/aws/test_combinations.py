"""Options that have no effect together are refused by name, before anything is uploaded."""

import click
import pytest

from aws.account import AS_ROLE, FIT, MODEL, POLL
from mlserver_forest.aws.combinations import RULES
from mlserver_forest.cli import forest
from support import PAYLOAD

DEPLOY = {
    "--serverless --traffic canary --alarm a --instance-count 3 --startup-timeout 600": (
        "a serverless endpoint has no --instance-count, --startup-timeout, --traffic, --alarm"
    ),
    "--serverless --autoscale 1:2": "a serverless endpoint has no --autoscale",
    "--serverless --provisioned 10": "--provisioned 10 is more than the 5 concurrent calls",
    "--serverless --concurrency 500": "a serverless endpoint has at most 200",
    "--async-output s3://b/x": "--async-output requires --async",
    "--success-topic arn:aws:sns:eu-west-1:123456789012:t": "--success-topic requires --async",
    "--capture-percent 5": "--capture-percent requires --capture",
    "--capture-uri s3://b/x --no-capture": "--capture-uri cannot be used with --no-capture",
    "--memory-mb 2048": "--memory-mb requires --serverless",
    "--provisioned 3": "--provisioned requires --serverless",
    "--concurrency 3": "--concurrency requires --serverless or --async",
    "--no-model-cache": "--no-model-cache requires --multi-model",
    "--multi-model --async": "--multi-model cannot be used with --async",
    "--autoscale-target 4": "--autoscale-target requires --autoscale",
    "--autoscale 1:4 --instance-count 9": "--instance-count 9 is outside of --autoscale 1:4",
    "--autoscale 0:2": "--autoscale 0:N requires --async",
    "--autoscale 0:0 --async": "expected LEAST:MOST instances",
    "--autoscale 1:2 --no-wait": "--autoscale cannot be used with --no-wait",
    "--autoscale 1:2 --instance-type ml.t2.medium": "AWS does not scale burstable instances",
    "--traffic linear --traffic-percent 5": "AWS moves 10 to 50 percent in each step",
    "--traffic-percent 20": "--traffic-percent requires --traffic canary or --traffic linear",
    "--image x --repository y": "--image cannot be used with --repository",
    "--tag mlserver-forest:endpoint=x": "are this tool's own",
    "--alarm a " * 11: "--alarm (11 items): expected 1 to 10 alarms",
}
INVOKE = {
    "--kms-key alias/k": "--kms-key requires --async",
    "--timeout 3": "--timeout requires --async",
    "--async --variant a": "--variant cannot be used with --async",
}


def test_options_that_have_no_effect_are_refused(account, model_dir):
    image = {"--image x --repository y": "--image cannot be used with --repository"}
    cases = [
        (["deploy", model_dir, *AS_ROLE], DEPLOY),
        (["invoke", "forest", PAYLOAD], INVOKE),
        *((words, image) for words in (FIT, ("tune", *FIT[1:], "-r", "n_estimators=1:2"))),
        (("transform", model_dir, PAYLOAD, *AS_ROLE), image),
    ]
    for words, table in cases:
        for options, said in table.items():
            done = account.forest(*words, *options.split())
            assert (done.code, said in done.err) == (1, True), (options, done.err)
    assert not [one for one in account.stand_in.seen if one.startswith(("PUT", "Create"))]


def test_an_existing_endpoint_has_the_options_that_made_it(account):
    """Its parts can be changed without naming the part again."""
    assert account.forest("deploy", MODEL, *AS_ROLE, "--async", "--capture").code == 0
    words = ("deploy", MODEL, *POLL, "--yes")
    assert account.forest(*words, "--concurrency", "3", "--capture-percent", "9").code == 0
    done = account.forest(*words, "--no-capture")
    assert "capture: True -> none" in done.err
    done = account.forest(*words, "--capture-percent", "9")
    assert "--capture-percent requires --capture" in done.err


@pytest.mark.parametrize("command", RULES)
def test_the_table_names_options_that_exist(command):
    parameters = forest.get_command(click.Context(forest), command).params
    names = {name for one in parameters for name in (*one.opts, *one.secondary_opts)}
    rules = RULES[command]
    named = {name for rule in rules for name in (*rule.options, *rule.needs, *rule.excludes)}
    assert {name.split()[0] for name in named} <= names

"""What no option takes is refused before anything is looked up."""

from aws.account import AS_ROLE, FIT, MODEL
from support import PAYLOAD

DEPLOY = ("deploy", MODEL, *AS_ROLE)
EMPTY = (
    ((*DEPLOY, "--kms-key", ""), "--kms-key is empty; expected a value"),
    ((*DEPLOY, "--instance-type", ""), "--instance-type is empty"),
    ((*DEPLOY, "--alarm", "a", "--alarm", ""), "--alarm is empty"),
    (("deploy", "", *AS_ROLE), "MODEL is empty"),
    (("list", "--region", ""), "--region is empty"),
    (("list", "--group", ""), "--group is empty"),
    ((*FIT, "--output", ""), "--output is empty"),
    ((*FIT, "-p", ""), "--hyperparameter is empty"),
    (("fit", "", *AS_ROLE), "DATA is empty"),
    (("transform", MODEL, PAYLOAD, "", *AS_ROLE), "DATA is empty"),
    (("invoke", "forest", PAYLOAD, "--variant", ""), "--variant is empty"),
    (("delete", "", "--missing-ok"), "NAME is empty"),
)
TWICE = (
    ((*DEPLOY, "--tag", "a=1", "--tag", "a=2"), "--tag a: given twice, as '1' and as '2'"),
    ((*DEPLOY, "--env", "A=", "--env", "A=x"), "--env A: given twice"),
    ((*FIT, "-p", "n_estimators=5", "-p", "n_estimators=6"), "n_estimators: given twice"),
    (("push", "--build-arg", "A=1", "--build-arg", "A=2"), "--build-arg A: given twice"),
)


def test_an_empty_value_and_a_name_with_two_values_are_refused(account):
    """A script whose variable is not set would train on this folder, or encrypt nothing."""
    for words, said in EMPTY + TWICE:
        done = account.forest(*words, "--dry-run")
        assert (done.code, done.out, said in done.err) == (1, "", True), (words, done.err)
    assert account.stand_in.seen == []


def test_the_same_value_twice_and_a_choice_of_nothing_are_taken(account):
    words = ("--env", "A=1", "--env", "A=1", "--compression", "", "--dry-run")
    done = account.forest(*FIT, *words)
    assert done.code == 0, done.err

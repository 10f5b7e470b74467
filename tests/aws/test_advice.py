"""What a refusal advises is right: the missing permission, who can give it, the way round."""

import pytest

from aws.account import FIT, IMAGE
from mlserver_forest.aws.denials import read_denial

CALL = ("deploy", "s3://models/model.tar.gz", "--role", "arn:aws:iam::123456789012:role/x")
CALL = (*CALL, "--image", "i", "--poll", "0.1")
WHO = "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: "
MODEL = "arn:aws:sagemaker:eu-west-1:123456789012:model/forest-1"
SCP = "arn:aws:organizations::987654321098:policy/o-1/service_control_policy/p-2"
# What AWS says about CreateModel, and the advice.
DENIALS = {
    "another action": (
        (
            f"{WHO}iam:PassRole on resource: arn:aws:iam::123456789012:role/x because no "
            "identity-based policy allows the iam:PassRole action"
        ),
        (
            "ask for the permission iam:PassRole on arn:aws:iam::123456789012:role/x (IAM policy "
            "of these credentials)"
        ),
    ),
    "tags": (
        f"{WHO}sagemaker:AddTags on resource: {MODEL}",
        f"ask for the permission sagemaker:AddTags on {MODEL} ",
    ),
    "nothing said": ("Access Denied", "ask for the permission sagemaker:CreateModel on forest-"),
    "an organization": (
        (
            f"{WHO}sagemaker:CreateModel on resource: {MODEL} with an explicit deny in a service "
            f"control policy: {SCP}"
        ),
        (
            f"a service control policy of the AWS organization ({SCP}) denies "
            "sagemaker:CreateModel, and no policy of yours can allow it"
        ),
    ),
    "an organization that allows only some": (
        (
            f"{WHO}sagemaker:CreateModel because no service control policy allows the "
            "sagemaker:CreateModel action"
        ),
        "a service control policy of the AWS organization does not allow sagemaker:CreateModel",
    ),
    "a boundary": (
        (
            f"{WHO}iam:PassRole on resource: a because no permissions boundary allows the "
            "iam:PassRole action"
        ),
        "the permissions boundary of these credentials does not allow iam:PassRole, and no other",
    ),
    "a session": (
        f"{WHO}sagemaker:CreateModel with an explicit deny in a session policy",
        "the policy of this session denies sagemaker:CreateModel, and no policy of the role",
    ),
    "an endpoint of the VPC": (
        (
            f"{WHO}sagemaker:CreateModel because no VPC endpoint policy allows the "
            "sagemaker:CreateModel action"
        ),
        "the policy of the VPC endpoint does not allow sagemaker:CreateModel",
    ),
    "a key": (
        (
            f"{WHO}kms:GenerateDataKey on resource: arn:aws:kms:eu-west-1:1:key/2 because no "
            "resource-based policy allows the kms:GenerateDataKey action"
        ),
        "the policy of arn:aws:kms:eu-west-1:1:key/2 itself does not allow kms:GenerateDataKey",
    ),
    "an explicit deny": (
        (
            f"{WHO}sagemaker:CreateModel on resource: {MODEL} with an explicit deny in an "
            "identity-based policy"
        ),
        "a policy of these credentials denies sagemaker:CreateModel explicitly, so that another",
    ),
    "in code": (
        (
            "You are not authorized to perform this operation. Encoded authorization failure "
            "message: abc_def-123"
        ),
        "aws sts decode-authorization-message --encoded-message MESSAGE shows it",
    ),
}


@pytest.mark.parametrize("case", DENIALS)
def test_the_permission_is_the_one_that_aws_names(case):
    message, advice = DENIALS[case]
    assert advice in read_denial(message, "sagemaker:CreateModel", "forest-1").advice


def test_a_denied_call_names_the_permission_the_policy_and_the_command_that_lists_all(account):
    message, _ = DENIALS["an organization"]
    account.stand_in.fail("CreateModel", status=400, code="AccessDeniedException", message=message)
    done = account.forest(*CALL)
    assert done.code == 1
    assert f"({SCP}) denies sagemaker:CreateModel" in done.err
    assert done.err.endswith("(forest policy --for deploy lists what it needs)\n")


def test_a_key_that_an_upload_may_not_use_is_named(account):
    message, advice = DENIALS["a key"]
    account.stand_in.fail("PUT /.*iris", status=403, code="AccessDenied", message=message)
    done = account.forest(*FIT, "--no-wait")
    assert advice in done.err
    assert "s3:PutObject" not in done.err.replace("s3 PutObject", "")


def test_the_role_that_sagemaker_assumes_may_be_the_one_that_lacks_it():
    who = "User: arn:aws:sts::123456789012:assumed-role/Exec/SageMaker is not authorized to "
    found = read_denial(who + "perform: s3:GetObject on resource: a", "x:y", "z")
    assert found.advice == (
        "ask for the permission s3:GetObject on a (IAM policy of the role Exec, with which "
        "SageMaker calls)"
    )


@pytest.mark.parametrize(
    ("operation", "way"),
    [
        ("GetRole", "or give the role's ARN as --role, which needs no permission"),
        ("DescribeRepositories", "or give --image URI, which needs no permission if it ends in"),
        ("DescribeImages", "or give --image URI, which needs no permission if it ends in"),
    ],
)
def test_a_look_up_that_is_denied_has_a_way_round(account, operation, way):
    denied = {"code": "AccessDeniedException", "message": "no"}
    account.stand_in.fail(
        operation if operation != "GetRole" else "^POST /$|GetRole", 99, status=403, **denied
    )
    words = [*FIT, "--no-wait", "--bucket", "there"]
    done = account.forest(*words)
    assert done.code == 1
    assert way in done.err


def test_an_image_by_its_tag_is_used_as_it_is_if_its_digest_may_not_be_looked_up(account):
    denied = {"status": 400, "code": "AccessDeniedException", "message": "no"}
    account.stand_in.fail("DescribeImages", 99, **denied)
    done = account.forest(*FIT, "--no-wait", "--json", "--image", f"{IMAGE}:v1")
    assert done.code == 0, done.err
    assert f"the digest of {IMAGE}:v1, which is used by its tag, is unknown" in done.err


def test_a_role_may_be_named_with_its_path(account):
    iam = account.client("iam")
    made = {"AssumeRolePolicyDocument": "{}", "Path": "/service-role/"}
    iam.create_role(RoleName="AmazonSageMaker-ExecutionRole-1", **made)
    iam.close()
    words = [
        word if word != "forest" else "service-role/AmazonSageMaker-ExecutionRole-1" for word in FIT
    ]
    done = account.forest(*words, "--no-wait", "--json")
    assert done.code == 0, done.err
    job = account.client("sagemaker").describe_training_job(
        TrainingJobName=done.json["TrainingJobName"]
    )
    assert job["RoleArn"].endswith(":role/service-role/AmazonSageMaker-ExecutionRole-1")
    for role, said in {
        "other/forest": "the role forest is arn:aws:iam::123456789012:role/forest; give --role arn",
        "arn:aws:sts::123456789012:assumed-role/forest/ann": "a session of the role forest, not",
        "nobody": "there is no such role in this account",
    }.items():
        done = account.forest(*[word if word != "forest" else role for word in FIT])
        assert done.code == 1
        assert said in done.err


def test_the_region_may_be_in_either_variable(account):
    done = account.forest("list", AWS_DEFAULT_REGION="")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        assert name in done.err
        given = {"AWS_DEFAULT_REGION": "", "AWS_REGION": "", name: "eu-west-1"}
        assert account.forest("list", **given).code == 0
    both = {"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "eu-west-1"}
    assert "in us-west-2" in account.forest("status", "none", **both).err


def test_printed_commands_work_as_they_are_printed(account):
    """The message about a job in another region has the commands that follow it there."""
    elsewhere = ("--region", "us-west-2")
    image = ("--image", f"{IMAGE}@{account.digest}")
    done = account.forest(*FIT, *elsewhere, *image, "--name", "west", "--no-wait")
    assert done.code == 0, done.err
    printed = [part for part in done.out.replace(";", ",").split(",") if "forest " in part]
    commands = [part[part.index("forest ") :].split()[1:] for part in printed]
    assert [one[0] for one in commands] == ["status", "logs", "stop"]
    for words in commands:
        assert words[1:3] == ["--region", "us-west-2"]
        assert account.forest(*words, "--yes").code == 0

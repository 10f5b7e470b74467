"""AWS's errors: what they mean and what to do, in one line."""

import re
from collections.abc import Mapping
from typing import Any

from mlserver_forest.aws.denials import read_denial
from mlserver_forest.aws.iam_actions import action_of
from mlserver_forest.errors import DeploymentError

# AWS's services have different codes for the same error.
_CODES = {
    "expired": frozenset(
        {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
    ),
    "unknown": frozenset(
        {
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "AuthFailure",
            "InvalidToken",
        }
    ),
    "denied": frozenset(
        {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized", "403"}
    ),
    "quota": frozenset(
        {"ResourceLimitExceeded", "LimitExceededException", "ServiceQuotaExceededException"}
    ),
    "taken": frozenset(
        {
            "ResourceInUse",
            "ResourceInUseException",
            "BucketAlreadyExists",
            "BucketAlreadyOwnedByYou",
            "RepositoryAlreadyExistsException",
            "ImageTagAlreadyExistsException",
        }
    ),
    "throttled": frozenset(
        {
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestThrottled",
            "RequestThrottledException",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "SlowDown",
            "429",
        }
    ),
    "missing": frozenset(
        {
            "404",
            "NoSuchKey",
            "NoSuchBucket",
            "NoSuchUpload",
            "NoSuchEntity",
            "NotFound",
            "ResourceNotFound",
            "ResourceNotFoundException",
            "RepositoryNotFoundException",
            "ImageNotFoundException",
            "ObjectNotFoundException",
        }
    ),
    "model": frozenset({"ModelError"}),
    "fault": frozenset({"InternalFailure", "InternalError", "ServiceUnavailable", "500", "503"}),
}
_ADVICE = {
    "expired": "the credentials have expired: log in again (aws sso login, or new keys)",
    "unknown": "AWS does not know these credentials: check the keys, the profile and the clock",
    "bucket": (
        "the bucket is another account's, or the permission s3:ListBucket on it is missing; "
        "--bucket names another one"
    ),
    "quota": (
        "the account's quota is used up: ask for more in Service Quotas (Amazon SageMaker), "
        "choose another --instance-type, or delete what is not needed (forest list)"
    ),
    "taken": "the name is taken or in use: choose another name, or see forest status",
    "throttled": "AWS limits the rate of calls: wait a minute and run the same command again",
    "missing": "it does not exist in this account and region: check --region and --profile",
    "no bucket": (
        "there is no such bucket: create it (aws s3 mb s3://BUCKET), give another --bucket, or "
        "leave it out for the account's default one"
    ),
    "nobody": (
        "there is no such role in this account: check --profile, and see aws iam list-roles for "
        "the names and ARNs"
    ),
    "role": (
        "the role must exist, trust sagemaker.amazonaws.com (forest policy --trust) and have the "
        "permissions that forest policy --role prints"
    ),
    "key": "check that --kms-key exists in this region, and is enabled",
    "model": "this is the container's answer: correct the request, or see forest logs {subject}",
    "fault": "the fault is at AWS: run the same command again",
    "other": "correct what it names and run the same command again",
}
# botocore's errors if there is no connection at all.
_UNREACHABLE = frozenset(
    {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "SSLError"}
)
# SageMaker reports "not found" in the message, with the code ValidationException.
_MISSING_TEXT = re.compile(
    r"could not find|not found|does not exist|no scalable target", re.IGNORECASE
)
_TAKEN_TEXT = re.compile(r"already exist|in use|must be unique|already taken", re.IGNORECASE)
_ROLE_TEXT = re.compile(r"assume (?:IAM )?role|sts:AssumeRole|trust relationship", re.IGNORECASE)
_TEXTS = {"role": _ROLE_TEXT, "taken": _TAKEN_TEXT, "missing": _MISSING_TEXT}
# The resource that a request is about is in the first of these members that it has.
_SUBJECTS = (
    "TrainingJobName",
    "HyperParameterTuningJobName",
    "TransformJobName",
    "EndpointName",
    "EndpointConfigName",
    "ModelName",
    "ModelPackageArn",
    "ModelPackageName",
    "ModelPackageGroupName",
    "Key",
    "Bucket",
    "repositoryName",
    "repositoryNames",
    "RoleName",
    "ResourceId",
    "ResourceArn",
    "logGroupName",
)


class NoCredentials(DeploymentError):
    """There are no credentials for AWS."""


class Refused(DeploymentError):
    """AWS refused a call, or did not answer.

    Attributes:
        code: AWS's error code, or the class of the connection error.
        is_taken: whether the name is already in use.
        is_denied: whether a permission is missing.
        is_passing: whether the same call may succeed later: after a cut connection, a fault of
            AWS, or too many calls.
        is_denied: whether a permission is missing.
    """

    def __init__(
        self,
        message: str,
        code: str,
        *,
        is_taken: bool = False,
        is_passing: bool = False,
        is_denied: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.is_denied = is_denied
        self.is_taken = is_taken
        self.is_passing = is_passing

    def with_advice(self, more: str) -> "Refused":
        """The same refusal with a further way to go on."""
        return Refused(f"{self}, or {more}", self.code, is_denied=self.is_denied)

    @property
    def is_general(self) -> bool:
        """Whether other calls would be refused as well: AWS is out of reach, or does not know the
        credentials.
        """
        return self.code in _UNREACHABLE or kind_of(self.code, "") in {"expired", "unknown"}


class Missing(Refused):
    """The resource does not exist in the account and region."""


def is_missing(code: str, message: str) -> bool:
    """Whether an error means that the resource does not exist."""
    return kind_of(code, message) == "missing"


def is_taken(code: str, message: str) -> bool:
    """Whether an error means that the name is in use."""
    return kind_of(code, message) == "taken"


def is_denied(code: str, message: str) -> bool:
    """Whether an error means that a permission is missing."""
    return kind_of(code, message) == "denied"


def is_passing(code: str, status: int) -> bool:
    """Whether the same call may succeed later, by the error code and the HTTP status."""
    return code in _CODES["throttled"] or status >= 500


def kind_of(code: str, message: str) -> str:
    """A key of _ADVICE, or denied, by the code or, if that is too general, by the message."""
    for kind, codes in _CODES.items():
        if code in codes:
            return kind
    if "not authorized" in message.lower():
        return "denied"
    if code.upper().startswith("KMS"):
        return "key"
    if code == "ValidationException":
        for kind, pattern in _TEXTS.items():
            if pattern.search(message):
                return kind
    return "other"


def explain(
    service: str,
    operation: str,
    request: Mapping[str, Any],
    code: str,
    message: str,
    tries: int = 1,
) -> str:
    """Explain a refused call in one line: the call, AWS's answer, and what to do.

    Args:
        service: botocore's name of the service.
        operation: the call's operation.
        request: the call's members.
        code: AWS's error code.
        message: AWS's message.
        tries: the number of times that the call was made.
    """
    subject = subject_of(request)
    asked = f"{service} {operation}{f' of {subject}' if subject else ''}"
    said = " ".join(f"{code}: {message}".split())
    often = f" after {tries} tries" if tries > 1 else ""
    advice = _advice(service, operation, subject, code, message)
    return f"{asked} was refused{often} ({said}); {advice}"


def _advice(service: str, operation: str, subject: str, code: str, message: str) -> str:
    kind = kind_of(code, message)
    if kind == "denied" and operation == "HeadBucket":
        kind = "bucket"
    if kind == "denied":
        return read_denial(message, action_of(service, operation), subject or "*").advice
    if code == "NoSuchBucket":
        kind = "no bucket"
    if kind == "missing" and service == "iam":
        kind = "nobody"
    return _ADVICE[kind].format(subject=subject or "NAME")


def subject_of(request: Mapping[str, Any]) -> str:
    """The resource that a request is about; empty if there is none."""
    if "Bucket" in request:
        return f"s3://{request['Bucket']}" + (f"/{request['Key']}" if "Key" in request else "")
    for name in _SUBJECTS:
        if name in request:
            value = request[name]
            return ", ".join(value) if isinstance(value, list) else str(value)
    return ""

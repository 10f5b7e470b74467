"""What AWS's refusals mean, and what to do: error codes -> one line."""

import re
from collections.abc import Mapping
from typing import Any

_EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
)
_UNKNOWN = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "AuthFailure",
        "InvalidToken",
    }
)
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "403",
        "NotAuthorized",
        "AccessDeniedByException",
    }
)
_QUOTA = frozenset(
    {"ResourceLimitExceeded", "LimitExceededException", "ServiceQuotaExceededException"}
)
_TAKEN = frozenset(
    {
        "ResourceInUse",
        "ResourceInUseException",
        "BucketAlreadyExists",
        "BucketAlreadyOwnedByYou",
        "RepositoryAlreadyExistsException",
        "ImageTagAlreadyExistsException",
    }
)
_THROTTLED = frozenset(
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
)
_MISSING = frozenset(
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
)
# SageMaker says "not found" in words (ValidationException).
_MISSING_WORDS = re.compile(
    r"could not find|not found|does not exist|no scalable target", re.IGNORECASE
)
_TAKEN_WORDS = re.compile(r"already exist|in use|must be unique|already taken", re.IGNORECASE)
# Which resource a request is about: the first of these members that it has.
_SUBJECTS = (
    "TrainingJobName",
    "HyperParameterTuningJobName",
    "TransformJobName",
    "EndpointName",
    "EndpointConfigName",
    "ModelName",
    "Key",
    "Bucket",
    "repositoryName",
    "repositoryNames",
    "RoleName",
    "ResourceId",
    "ResourceArn",
    "logGroupName",
)
_ACTIONS = {
    "s3:PutObject": "s3:PutObject",
    "s3:HeadObject": "s3:GetObject",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListParts": "s3:ListMultipartUploadParts",
    "sagemaker-runtime:InvokeEndpoint": "sagemaker:InvokeEndpoint",
    "sagemaker-runtime:InvokeEndpointAsync": "sagemaker:InvokeEndpointAsync",
}


def is_missing(code: str, message: str) -> bool:
    return code in _MISSING or (
        code == "ValidationException" and bool(_MISSING_WORDS.search(message))
    )


def is_taken(code: str, message: str) -> bool:
    return code in _TAKEN or (code == "ValidationException" and bool(_TAKEN_WORDS.search(message)))


def is_passing(code: str, status: int) -> bool:
    return code in _THROTTLED or status >= 500


def explain(
    service: str,
    operation: str,
    request: Mapping[str, Any],
    code: str,
    message: str,
    tries: int = 1,
) -> str:
    """One line: what was asked, what AWS said, what to do."""
    subject = subject_of(request)
    asked = f"{service} {operation}{f' of {subject}' if subject else ''}"
    said = " ".join(f"{code}: {message}".split())
    often = f" after {tries} tries" if tries > 1 else ""
    advice = _advice(service, operation, subject, code, message)
    return f"{asked} was refused{often} ({said}); {advice}"


def subject_of(request: Mapping[str, Any]) -> str:
    if "Bucket" in request:
        return f"s3://{request['Bucket']}" + (f"/{request['Key']}" if "Key" in request else "")
    for name in _SUBJECTS:
        if name in request:
            value = request[name]
            return ", ".join(value) if isinstance(value, list) else str(value)
    return ""


def action_of(service: str, operation: str) -> str:
    """The permission's name in IAM."""
    return _ACTIONS.get(f"{service}:{operation}", f"{service}:{operation}")


def _advice(service: str, operation: str, subject: str, code: str, message: str) -> str:  # noqa: PLR0911  # one line per kind
    if code in _EXPIRED:
        return "the credentials have expired: log in again (aws sso login, or new keys)"
    if code in _UNKNOWN:
        return "AWS does not know these credentials: check the keys, the profile and the clock"
    if code in _DENIED or "not authorized" in message.lower():
        action = action_of(service, operation)
        return (
            f"ask for the permission {action} on {subject or '*'} (IAM policy of these credentials)"
        )
    if code in _QUOTA:
        return (
            "the account's quota is used up: ask for more in Service Quotas (Amazon SageMaker), "
            "choose another --instance-type, or delete what is not needed (forest list)"
        )
    if code in _THROTTLED:
        return "AWS asks to call more slowly: wait a minute and run the same command again"
    if code == "ModelError":
        return f"the container said so: mend the question, or see forest logs {subject}"
    if is_taken(code, message):
        return "the name is taken or busy: choose another name, or look at it with forest status"
    if is_missing(code, message):
        return "there is no such thing in this account and region: check --region and --profile"
    if code.startswith("5") or code in {"InternalFailure", "InternalError", "ServiceUnavailable"}:
        return "the fault is at AWS: run the same command again"
    return "change what it names and run the same command again"

"""The only importer of boto3: calls by their names in botocore's models, refusals in one line."""

from collections.abc import Iterator, Mapping
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from mlserver_forest.aws import aws_errors
from mlserver_forest.aws.steps import Call
from mlserver_forest.errors import DeploymentError

# An invocation may take 60 s; clients should wait a little longer.
_READ_TIMEOUT = 70
_CONNECT_TIMEOUT = 10
_BLOCK = 1 << 20


class Refused(DeploymentError):
    """AWS's no, or silence.

    Attributes:
        code: AWS's word for it, or the class of the connection's fault.
        is_taken: whether the name is in use already.
        is_passing: whether the same call may work in a while: a cut connection, a fault at
            AWS, too many calls.
    """

    def __init__(
        self, message: str, code: str, *, is_taken: bool = False, is_passing: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.is_taken = is_taken
        self.is_passing = is_passing


class Aws:
    """One account and region, as boto3 finds credentials and endpoints.

    Args:
        region: or None for the configured one.
        profile: or None for the default.

    Raises:
        DeploymentError: if there is no such profile or no region.
    """

    def __init__(self, region: str | None = None, profile: str | None = None) -> None:
        try:
            self._session = boto3.Session(profile_name=profile, region_name=region)
        except ProfileNotFound as error:
            raise DeploymentError(
                f"{error}; see the profiles by aws configure list-profiles"
            ) from error
        if not self._session.region_name:
            raise DeploymentError(_no_region())
        self.region: str = self._session.region_name
        self._clients: dict[str, Any] = {}

    def call(self, service: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """AWS's answer.

        Raises:
            Refused: with what to do.
        """
        try:
            return self._send(service, operation, request)
        except ClientError as error:
            raise _refused(service, operation, request, error) from error
        except BotoCoreError as error:
            raise _explained(service, operation, error) from error

    def do(self, call: Call) -> dict[str, Any]:
        return self.call(call.service, call.operation, call.request)

    def find(self, call: Call) -> dict[str, Any] | None:
        """A look-up's answer, or None where there is no such thing."""
        try:
            return self._send(call.service, call.operation, call.request)
        except ClientError as error:
            if aws_errors.is_missing(*_words(error)):
                return None
            raise _refused(call.service, call.operation, call.request, error) from error
        except BotoCoreError as error:
            raise _explained(call.service, call.operation, error) from error

    def pages(self, call: Call, member: str) -> Iterator[Any]:
        """The items of all pages of a listing."""
        paginator = self._client(call.service).get_paginator(xform_name(call.operation))
        try:
            for page in paginator.paginate(**call.request):
                yield from page.get(member, [])
        except ClientError as error:
            raise _refused(call.service, call.operation, call.request, error) from error
        except BotoCoreError as error:
            raise _explained(call.service, call.operation, error) from error

    def blocks(self, call: Call, answer: dict[str, Any]) -> Iterator[bytes]:
        """An answer's body, which may be cut while it comes."""
        try:
            yield from answer["Body"].iter_chunks(_BLOCK)
        except BotoCoreError as error:
            raise _explained(call.service, call.operation, error) from error

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def _send(self, service: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        method = getattr(self._client(service), xform_name(operation))
        answer: dict[str, Any] = method(**request)
        return answer

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            config = Config(
                retries={"mode": "standard"},
                connect_timeout=_CONNECT_TIMEOUT,
                read_timeout=_READ_TIMEOUT,
                user_agent_extra="mlserver-forest",
            )
            try:
                self._clients[service] = self._session.client(service, config=config)
            except BotoCoreError as error:
                raise _explained(service, "", error) from error
        return self._clients[service]


def region_of(region: str | None, profile: str | None) -> str:
    """The region that would be used; nothing is asked over the network."""
    return Aws(region, profile).region


def _words(error: ClientError) -> tuple[str, str]:
    said = error.response.get("Error", {})
    # InvokeEndpoint's ModelError tells what the container answered.
    message = error.response.get("OriginalMessage") or said.get("Message", "")
    return str(said.get("Code", "unknown")), str(message)


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _refused(
    service: str, operation: str, request: Mapping[str, Any], error: ClientError
) -> Refused:
    code, message = _words(error)
    tries = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) + 1
    text = aws_errors.explain(service, operation, request, code, message, tries)
    return Refused(
        text,
        code,
        is_taken=aws_errors.is_taken(code, message),
        is_passing=aws_errors.is_passing(code, _status(error)),
    )


def _explained(service: str, operation: str, error: BotoCoreError) -> DeploymentError:
    """What went wrong before AWS could answer."""
    said = " ".join(str(error).split())
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return DeploymentError(
            f"no AWS credentials were found ({said}); set --profile, AWS_PROFILE or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in by aws sso login"
        )
    if isinstance(error, SSOError | TokenRetrievalError):
        return DeploymentError(f"{said}; log in again by aws sso login")
    if isinstance(error, NoRegionError):
        return DeploymentError(_no_region())
    if isinstance(error, HTTPClientError | ConnectionError | IncompleteReadError):
        return Refused(
            f"{service} {operation}: {said}; check the network and the region, and run the "
            "same command again",
            type(error).__name__,
            is_passing=True,
        )
    return DeploymentError(f"{service} {operation}: {said}")


def _no_region() -> str:
    return "no AWS region is set; give --region, such as eu-west-1, or set AWS_REGION"

"""The only importer of boto3: calls by botocore's names, and refusals as one-line errors."""

from collections.abc import Iterator
from itertools import islice
from threading import Lock
from typing import Any

import boto3
import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's
    HTTPClientError,
    IncompleteReadError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from mlserver_forest.aws import aws_errors
from mlserver_forest.aws.aws_errors import Missing, NoCredentials, Refused
from mlserver_forest.aws.parallel_calls import MOST_THREADS
from mlserver_forest.aws.request_check import check_call
from mlserver_forest.aws.step import Answer, Call
from mlserver_forest.environment import aws_region
from mlserver_forest.errors import DeploymentError

# An invocation may take 60 s; clients should wait a little longer.
_READ_TIMEOUT = 70
_CONNECT_TIMEOUT = 10
_BLOCK = 1 << 20


class BotocoreModels:
    """AWS's models of its services, which botocore contains; they need no account.

    Attributes:
        session: botocore's session, which parses each model once.
    """

    def __init__(self) -> None:
        self.session = botocore.session.get_session()

    def input_shape(self, service: str, operation: str) -> Any:
        """The shape of an operation's request, or None if it has no members."""
        return self.session.get_service_model(service).operation_model(operation).input_shape


class Aws:
    """One account and region; boto3 finds credentials and endpoints.

    Args:
        region: the region, or None for the one that the environment or the profile names.
        profile: the profile, or None for the default one.

    Attributes:
        region: the region that is used.
        models: AWS's models of its services.

    Raises:
        DeploymentError: if there is no such profile, or no region is configured.
    """

    def __init__(self, region: str | None = None, profile: str | None = None) -> None:
        self.models = BotocoreModels()
        try:
            self._session = boto3.Session(
                profile_name=profile,
                region_name=region or aws_region(),
                botocore_session=self.models.session,
            )
        except ProfileNotFound as error:
            raise DeploymentError(
                f"{error}; list the profiles with aws configure list-profiles"
            ) from error
        if not self._session.region_name:
            raise DeploymentError(_NO_REGION)
        self.region: str = self._session.region_name
        self._clients: dict[str, Any] = {}
        self._lock = Lock()

    def has_credentials(self) -> bool:
        """Whether boto3 finds credentials; whether they are valid is not checked."""
        try:
            return self._session.get_credentials() is not None
        except BotoCoreError:
            return False

    def no_credentials(self) -> DeploymentError:
        """The error for an account without credentials."""
        return _explained("", "", NoCredentialsError())

    def call(self, call: Call) -> dict[str, Any]:
        """Make a call and return the answer; for a listing, all of its pages.

        Raises:
            Refused: saying what to do.
            InvalidRequest: if AWS would refuse some values of the request.
            DeploymentError: if there are no credentials.
        """
        check_call(call, self.models)
        client = self._client(call.service)
        name = xform_name(call.operation)
        try:
            if call.items:
                pages = client.get_paginator(name).paginate(**call.request)
                items = (one for page in pages for one in page.get(call.items, []))
                return {call.items: list(islice(items, call.most or None))}
            answer: dict[str, Any] = getattr(client, name)(**call.request)
        except ClientError as error:
            raise _refused(call, error) from error
        except BotoCoreError as error:
            raise _explained(call.service, call.operation, error) from error
        return answer

    def find(self, call: Call) -> dict[str, Any] | None:
        """Make a look-up; None if the resource does not exist."""
        try:
            return self.call(call)
        except Missing:
            return None

    def send(self, call: Call, body: bytes) -> dict[str, Any]:
        """Make a call with a body; the Body of the answer is bytes."""
        answer = self.call(Call(call.service, call.operation, {**call.request, "Body": body}))
        return {**answer, "Body": b"".join(self.blocks(call, answer))}

    def blocks(self, call: Call, answer: Answer) -> Iterator[bytes]:
        """Read the Body of an answer block by block.

        Raises:
            Refused: if the connection is cut.
        """
        try:
            yield from answer["Body"].iter_chunks(_BLOCK)
        except BotoCoreError as error:
            raise _explained(call.service, call.operation, error) from error

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()

    def _client(self, service: str) -> Any:
        # Clients can be used in several threads; sessions, which make them, cannot.
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._made_client(service)
            return self._clients[service]

    def _made_client(self, service: str) -> Any:
        config = Config(
            retries={"mode": "standard"},
            connect_timeout=_CONNECT_TIMEOUT,
            read_timeout=_READ_TIMEOUT,
            max_pool_connections=MOST_THREADS + 2,
            user_agent_extra="mlserver-forest",
        )
        try:
            return self._session.client(service, config=config)
        except BotoCoreError as error:
            raise _explained(service, "", error) from error


_NO_REGION = (
    "no AWS region is set; give --region, such as eu-west-1, set AWS_REGION or AWS_DEFAULT_REGION, "
    "or write it into the profile (aws configure set region eu-west-1)"
)


def _code_and_message(error: ClientError) -> tuple[str, str]:
    said = error.response.get("Error", {})
    # InvokeEndpoint's ModelError has the answer of the container in a separate member.
    message = error.response.get("OriginalMessage") or said.get("Message", "")
    return str(said.get("Code", "unknown")), str(message)


def _refused(call: Call, error: ClientError) -> Refused:
    code, message = _code_and_message(error)
    metadata = error.response.get("ResponseMetadata", {})
    tries = metadata.get("RetryAttempts", 0) + 1
    text = aws_errors.explain(call.service, call.operation, call.request, code, message, tries)
    kind = Missing if aws_errors.is_missing(code, message) else Refused
    return kind(
        text,
        code,
        is_taken=aws_errors.is_taken(code, message),
        is_denied=aws_errors.is_denied(code, message),
        is_passing=aws_errors.is_passing(code, int(metadata.get("HTTPStatusCode", 0))),
    )


def _explained(service: str, operation: str, error: BotoCoreError) -> DeploymentError:
    """The error for a call that AWS did not answer."""
    said = " ".join(str(error).split())
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return NoCredentials(
            f"no AWS credentials were found ({said}); set --profile, AWS_PROFILE or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with aws sso login"
        )
    if isinstance(error, SSOError | TokenRetrievalError):
        return DeploymentError(f"{said}; log in again with aws sso login")
    if isinstance(error, NoRegionError):
        return DeploymentError(_NO_REGION)
    if isinstance(error, InvalidRegionError):
        return DeploymentError(f"{said} Expected a region's name, such as eu-west-1")
    if isinstance(error, HTTPClientError | ConnectionError | IncompleteReadError):
        return Refused(
            f"{service} {operation}: {said}; check the network and the region, and run the "
            "same command again",
            type(error).__name__,
            is_passing=True,
        )
    return DeploymentError(f"{service} {operation}: {said}")

"""The headers of an invocation, and what the operator has set for requests that leave it open."""

from dataclasses import dataclass

from mlserver_forest.serving.http import media_types
from mlserver_forest.serving.http.media_types import MediaType
from mlserver_forest.serving.sagemaker import output_selection
from mlserver_forest.serving.sagemaker.mlflow_rows import with_header


@dataclass(frozen=True, slots=True)
class InvocationHeaders:
    """The headers that decide how a body is read and its response written, None if absent.

    Attributes:
        content_type: Content-Type.
        accept: Accept.
        custom_attributes: X-Amzn-SageMaker-Custom-Attributes.
    """

    content_type: str | None
    accept: str | None
    custom_attributes: str | None

    def sent(self) -> dict[str, str]:
        """Those that the request has, by their names in lower case, as a runtime sees them."""
        named = {
            "content-type": self.content_type,
            "accept": self.accept,
            "x-amzn-sagemaker-custom-attributes": self.custom_attributes,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class InvocationDefaults:
    """What the operator has set.

    Attributes:
        accept: the media type of responses to requests without a preference; None for that of
            the request.
        outputs: the outputs for requests that do not choose any; empty for the media type's
            default.
        ends_with_newline: whether the last line ends with a newline, which SageMaker's batch
            transform adds itself.
        is_mlflow: whether requests and answers have the shapes of MLflow's scoring server.
    """

    accept: str | None
    outputs: tuple[str, ...]
    ends_with_newline: bool
    is_mlflow: bool = False


@dataclass(frozen=True, slots=True)
class AcceptedResponse:
    """The response that a request accepts.

    Attributes:
        media_type: the media type that Accept prefers, under the name that Accept uses for it.
        outputs: the names of the outputs that the request or the operator chose; empty for the
            media type's default.
        is_chosen: whether the request itself chose the outputs. A V2 request that did not choose
            any gets a V2 response.
        ends_with_newline: whether the last line ends with a newline, which SageMaker's batch
            transform adds itself.
        is_mlflow: as in ``InvocationDefaults``.
    """

    media_type: str
    outputs: tuple[str, ...]
    is_chosen: bool
    ends_with_newline: bool
    is_mlflow: bool = False

    @property
    def has_plain_values(self) -> bool:
        """Whether the answer in JSON has a value for each row, and not an object."""
        return self.is_mlflow and self.media_type == media_types.JSON and not self.outputs


def read_headers(
    headers: InvocationHeaders, defaults: InvocationDefaults
) -> tuple[MediaType, AcceptedResponse]:
    """The media type of the body, and the response that the request accepts.

    Raises:
        UnsupportedMediaType: if no format has the body's media type.
        NotAcceptable: if Accept excludes all media types of answers.
        InvalidInput: if the attribute ``outputs`` names no output.
    """
    sent = media_types.content_type(headers.content_type)
    default = defaults.accept or media_types.answer_to(sent)
    if defaults.is_mlflow:
        sent, default = with_header(sent), defaults.accept or media_types.JSON
    media_type = media_types.negotiate(headers.accept, default)
    chosen = output_selection.chosen(headers.custom_attributes)
    accepted = AcceptedResponse(
        media_type,
        chosen or defaults.outputs,
        bool(chosen),
        defaults.ends_with_newline,
        defaults.is_mlflow,
    )
    return sent, accepted

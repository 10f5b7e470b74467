"""What AWS's refusals for lack of a permission mean: the action, the kind of policy, what helps.

IAM's guide, "Troubleshoot access denied error messages", has the forms of the messages: ``User: ARN
is not authorized to perform: ACTION on resource: ARN because no identity-based policy allows the
ACTION action``, or ``with an explicit deny in a service control policy: ARN``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ACTION = re.compile(
    r"not authorized to perform:?\s+['\"]?([a-z0-9-]+:[A-Za-z0-9*]+)", re.IGNORECASE
)
_RESOURCE = re.compile(r"on (?:the )?resource:?\s+['\"]?([^\s'\",;]+)", re.IGNORECASE)
_PRINCIPAL = re.compile(r"(?:User|Role|Principal):?\s+['\"]?(arn:[^\s'\"]+)", re.IGNORECASE)
_POLICY_ARN = re.compile(r"policy:\s+(arn:[^\s'\",;]*[^\s'\",;.])", re.IGNORECASE)
_ENCODED = re.compile(r"encoded authorization (?:failure )?message", re.IGNORECASE)
# The session of a role that SageMaker has assumed has this name.
_SESSION_OF_SAGEMAKER = re.compile(r":assumed-role/([^/]+)/SageMaker$")

# What each kind of policy means, by the words of AWS's messages; the first that occurs counts.
_POLICIES: Mapping[str, str] = {
    "service control policy": (
        "a service control policy of the AWS organization{policy} {denies} {action}, and no policy "
        "of yours can allow it: ask who administers the organization"
    ),
    "resource control policy": (
        "a resource control policy of the AWS organization{policy} {denies} {action} on "
        "{resource}, and no policy of yours can allow it: ask who administers the organization"
    ),
    "permissions boundary": (
        "the permissions boundary of {principal}{policy} {denies} {action}, and no other policy "
        "can allow it: ask who administers IAM in the account to change the boundary"
    ),
    "session policy": (
        "the policy of this session {denies} {action}, and no policy of the role can allow it: log "
        "in again without a session policy, or with one that allows it"
    ),
    "vpc endpoint policy": (
        "the policy of the VPC endpoint {denies} {action}, and no policy of yours can allow it: "
        "ask who administers the network, or call from outside the VPC"
    ),
    "resource-based policy": (
        "the policy of {resource} itself {denies} {action}: ask its owner to change it (of a KMS "
        "key, the key policy)"
    ),
}
_EXPLICIT = (
    "a policy of {principal}{policy} denies {action} explicitly, so that another that allows it "
    "does not help: ask for that policy to be changed"
)
_IMPLICIT = "ask for the permission {action} on {resource} (IAM policy of {principal})"
_DECODE = (
    "AWS says which permission only in code: aws sts decode-authorization-message "
    "--encoded-message MESSAGE shows it; the call needs {action} on {resource}"
)


@dataclass(frozen=True)
class Denial:
    """A refusal, as far as AWS's message explains it.

    Attributes:
        action: the denied action in IAM's words.
        resource: what it was denied on.
        advice: what helps.
    """

    action: str
    resource: str
    advice: str


def read_denial(message: str, action: str, resource: str) -> Denial:
    """Read AWS's message.

    Args:
        message: AWS's message, which may say nothing but that access is denied.
        action: the action of the call, which counts if the message names none. A call may need
            others: CreateTrainingJob needs iam:PassRole, and PutObject kms:GenerateDataKey.
        resource: what the call is about.
    """
    if _ENCODED.search(message):
        return Denial(action, resource, _DECODE.format(action=action, resource=resource))
    named = _ACTION.search(message)
    found = _RESOURCE.search(message)
    if named:
        action = named[1]
    if found:
        # The end of a sentence is no part of an ARN.
        resource = found[1].rstrip(".)")
    policy = _POLICY_ARN.search(message)
    is_explicit = "explicit deny" in message.lower()
    template = next((text for words, text in _POLICIES.items() if words in message.lower()), None)
    advice = (template or (_EXPLICIT if is_explicit else _IMPLICIT)).format(
        action=action,
        resource=resource,
        principal=_principal(message),
        policy=f" ({policy[1]})" if policy else "",
        denies="denies" if is_explicit else "does not allow",
    )
    return Denial(action, resource, advice)


def _principal(message: str) -> str:
    """Whose policy it is: the caller's, or that of the role with which SageMaker calls."""
    found = _PRINCIPAL.search(message)
    role = _SESSION_OF_SAGEMAKER.search(found[1]) if found else None
    return f"the role {role[1]}, with which SageMaker calls" if role else "these credentials"

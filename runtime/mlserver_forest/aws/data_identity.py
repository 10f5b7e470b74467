"""What the data at an S3 URI are now, as a digest.

A URI says where data are. An object can be replaced, so a job or a model is the same as an earlier
one only if the digest is the same, too. It is made of keys, sizes and ETags, which change with an
object's bytes in versioned and in unversioned buckets. An object that is replaced by the same bytes
is the same data.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from mlserver_forest.aws.aws_errors import Refused
from mlserver_forest.aws.existing import UNKNOWN, Existing, Found
from mlserver_forest.aws.naming import digest_of
from mlserver_forest.aws.step import Call
from mlserver_forest.aws.storage import split_uri

Say = Callable[[str], None]


def identity_of_prefix(existing: Existing, uri: str, say: Say) -> str:
    """A digest of every object whose key begins with the URI's key, as SageMaker reads a prefix.

    Args:
        existing: the account.
        uri: the S3 URI, with or without a slash at its end.
        say: prints a line if there are no such objects, or if they cannot be looked up.

    Returns:
        Ten hexadecimal digits, the same for the same data. If the permission to look is missing,
        they are those of no other data. If nothing is known (a dry run without credentials), a
        placeholder, of which ``naming.digest_of`` makes another.
    """
    bucket, prefix = split_uri(uri)
    request = {"Bucket": bucket, "Prefix": prefix}
    call = Call("s3", "ListObjectsV2", request, items="Contents")
    return _identity(existing, call, uri, say, lambda found: _listed(found["Contents"]))


def identity_of_object(existing: Existing, uri: str, say: Say) -> str:
    """A digest of one object, such as a ``model.tar.gz``.

    Args:
        existing: the account.
        uri: the S3 URI of the object.
        say: prints a line if it does not exist, or if it cannot be looked up.

    Returns:
        As for ``identity_of_prefix``.
    """
    bucket, key = split_uri(uri)
    call = Call("s3", "HeadObject", {"Bucket": bucket, "Key": key})
    return _identity(existing, call, uri, say, _headed)


def identity_of_uri(existing: Existing, uri: str, say: Say) -> str:
    """A digest of the object, or of all objects below a URI that ends in a slash."""
    look = identity_of_prefix if uri.endswith("/") else identity_of_object
    return look(existing, uri, say)


def _identity(
    existing: Existing, call: Call, uri: str, say: Say, facts_of: Callable[[Any], Sequence[Any]]
) -> str:
    try:
        found: Found = existing.find(call)
    except Refused as error:
        if error.is_passing:
            raise
        say(f"{uri} cannot be looked up, so that it counts as new data: {error}")
        return secrets.token_hex(5)
    if found is UNKNOWN:
        return f"<data in {uri}>"
    facts = facts_of(found) if found else ()
    if not facts:
        say(f"{uri}: there is nothing in S3 now")
    return digest_of([uri, *facts])


def _listed(objects: Sequence[Any]) -> Sequence[Any]:
    return sorted([one["Key"], one.get("Size"), one.get("ETag")] for one in objects)


def _headed(found: Any) -> Sequence[Any]:
    return (found.get("ContentLength"), found.get("ETag"))

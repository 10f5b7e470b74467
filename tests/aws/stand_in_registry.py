"""SageMaker's model registry for the stand-in: what moto 5 lacks of it.

moto's UpdateModelPackage forgets the metadata and the status that a request leaves out, where AWS
keeps them; its CreateModelPackage drops the model card, refuses instance types that are newer than
m5, and makes a second version if the same ClientToken comes again; its CreateModelPackageGroup
replaces a group that exists; and it has no DeleteModelPackage and no DeleteModelPackageGroup. What
is here keeps state beside moto's, and holds each request against botocore's models.
"""

import json

from aws.service_models import faults_of

_HEADERS = {"Content-Type": "application/x-amz-json-1.1"}
# The members that moto forgets.
_KEPT = ("ModelCard", "InferenceSpecification", "SourceUri", "SkipModelValidation")
_TYPES = "SupportedTransformInstanceTypes"
_FAMILIES = ("ml.m4.", "ml.c4.", "ml.c5.", "ml.m5.")
_UPDATED = ("ModelApprovalStatus", "ApprovalDescription")


def _refused(code, message):
    return 400, _HEADERS, json.dumps({"__type": code, "message": message}).encode()


def _answered(document):
    return 200, _HEADERS, json.dumps(document).encode()


def _checked(operation):
    """Refuse what botocore's model of the operation does not allow."""

    def decorate(answer):
        def checked(handler, request):
            call = {"service": "sagemaker", "operation": operation, "request": request}
            if faults := faults_of(call):
                return _refused("ValidationException", "; ".join(faults))
            return answer(handler, request)

        return checked

    return decorate


@_checked("CreateModelPackageGroup")
def _create_group(handler, request):
    name = request["ModelPackageGroupName"]
    status, *_ = handler._as("SageMaker.DescribeModelPackageGroup", {"ModelPackageGroupName": name})
    if status == 200 and name not in handler.stand_in.packages:
        return _refused("ValidationException", f"Model Package Group already exists: {name}")
    handler.stand_in.packages.pop(name, None)
    return handler._as("SageMaker.CreateModelPackageGroup", request)


@_checked("CreateModelPackage")
def _create(handler, request):
    if "Tags" in request:  # The API reference: a version uses the tags of its group.
        return _refused("ValidationException", "Tags cannot be specified with a group")
    token = f"token {request.get('ClientToken')}"
    if token in handler.stand_in.packages:  # The answer to the same call was lost.
        return _answered({"ModelPackageArn": handler.stand_in.packages[token]})
    kept = {name: request[name] for name in _KEPT if name in request}
    inference = dict(request["InferenceSpecification"])
    if _TYPES in inference:
        types = [one for one in inference[_TYPES] if one.startswith(_FAMILIES)]
        inference[_TYPES] = types or ["ml.m5.large"]
    inference.pop("SupportedRealtimeInferenceInstanceTypes", None)
    sent = {**request, "InferenceSpecification": inference}
    status, headers, body = handler._as("SageMaker.CreateModelPackage", sent)
    if status == 200:
        arn = json.loads(body)["ModelPackageArn"]
        handler.stand_in.packages |= {arn: kept, token: arn}
    return status, headers, body


@_checked("UpdateModelPackage")
def _update(handler, request):
    arn = request["ModelPackageArn"]
    status, headers, body = _describe(handler, {"ModelPackageName": arn})
    if status != 200:
        return status, headers, body
    before = json.loads(body)
    metadata = before.get("CustomerMetadataProperties") or {}
    merged = {**metadata, **request.get("CustomerMetadataProperties", {})}
    same = {name: before[name] for name in _UPDATED if before.get(name)}
    if "ModelCard" in request:
        handler.stand_in.packages.setdefault(arn, {})["ModelCard"] = request["ModelCard"]
    sent = {**same, **request, "CustomerMetadataProperties": merged}
    return handler._as("SageMaker.UpdateModelPackage", sent)


@_checked("DescribeModelPackage")
def _describe(handler, request):
    arn = request["ModelPackageName"]
    kept = handler.stand_in.packages.get(arn, {})
    if kept is None:
        return _refused("ValidationException", f"ModelPackage {arn} does not exist.")
    status, headers, body = handler._as("SageMaker.DescribeModelPackage", request)
    return (status, headers, body) if status != 200 else _answered({**json.loads(body), **kept})


@_checked("ListModelPackages")
def _list(handler, request):
    status, headers, body = handler._as("SageMaker.ListModelPackages", request)
    if status != 200:
        return status, headers, body
    answer = json.loads(body)
    found = answer["ModelPackageSummaryList"]
    packages = handler.stand_in.packages
    there = [one for one in found if packages.get(one["ModelPackageArn"], {}) is not None]
    return _answered({**answer, "ModelPackageSummaryList": there})


@_checked("DeleteModelPackage")
def _delete(handler, request):
    status, headers, body = _describe(handler, request)
    if status != 200:
        return status, headers, body
    handler.stand_in.packages[request["ModelPackageName"]] = None
    return _answered({})


@_checked("DescribeModelPackageGroup")
def _describe_group(handler, request):
    name = request["ModelPackageGroupName"]
    if handler.stand_in.packages.get(name, "there") is None:
        return _refused("ValidationException", f"ModelPackageGroup {name} does not exist.")
    return handler._as("SageMaker.DescribeModelPackageGroup", request)


@_checked("DeleteModelPackageGroup")
def _delete_group(handler, request):
    *_, body = _list(handler, request)
    if json.loads(body).get("ModelPackageSummaryList"):
        return _refused("ConflictException", "Model Package Group contains model packages")
    status, headers, body = _describe_group(handler, request)
    if status != 200:
        return status, headers, body
    handler.stand_in.packages[request["ModelPackageGroupName"]] = None
    return _answered({})


@_checked("ListModelPackageGroups")
def _list_groups(handler, request):
    status, headers, body = handler._as("SageMaker.ListModelPackageGroups", request)
    answer = json.loads(body)
    found = answer["ModelPackageGroupSummaryList"]
    packages = handler.stand_in.packages
    there = [one for one in found if packages.get(one["ModelPackageGroupName"], 1) is not None]
    return status, headers, json.dumps({**answer, "ModelPackageGroupSummaryList": there}).encode()


REGISTRY = {
    "CreateModelPackageGroup": _create_group,
    "DescribeModelPackageGroup": _describe_group,
    "DeleteModelPackageGroup": _delete_group,
    "ListModelPackageGroups": _list_groups,
    "CreateModelPackage": _create,
    "UpdateModelPackage": _update,
    "DescribeModelPackage": _describe,
    "ListModelPackages": _list,
    "DeleteModelPackage": _delete,
}

"""The requests about endpoints with several variants, which stand_in.py answers in moto's place."""

import contextlib
import json
import time
import uuid
from urllib.parse import unquote

import boto3

from aws.captured_traffic import capture_key, chosen_variant, metric_data, record
from aws.endpoint_variants import refusal_of_configuration, refusal_of_update, summaries
from aws.service_models import faults_of


class VariantHandlers:
    """A part of the proxy's handler, which has ``stand_in``, ``headers``, ``_moto`` and ``_as``."""

    def endpoint_members(self, name, configuration):
        """What DescribeEndpoint tells after updates, and of shadow variants."""
        configuration = self.stand_in.configurations.get(name, configuration)
        shadows = self.stand_in.shadows.get(configuration, [])
        members = {"ShadowProductionVariants": summaries(shadows)} if shadows else {}
        if name not in self.stand_in.configurations:
            return members
        variants = self._configuration(configuration).get("ProductionVariants", [])
        known = {"ProductionVariants": summaries(variants)} if variants else {}
        return {"EndpointConfigName": configuration, **known, **members}

    def _configuration(self, name):
        request = {"EndpointConfigName": name}
        status, _, answer = self._as("SageMaker.DescribeEndpointConfig", request)
        found = json.loads(answer) if status == 200 else {}
        shadows = self.stand_in.shadows.get(name)
        return {**found, "ShadowProductionVariants": shadows} if shadows else found

    def create_endpoint_config(self, request):
        if refusal := refusal_of_configuration(request):
            return _validation_error(refusal)
        shadows = request.pop("ShadowProductionVariants", None)
        if shadows:
            self.stand_in.shadows[request["EndpointConfigName"]] = shadows
        return self._moto(body=json.dumps(request).encode())

    def update_endpoint(self, request):
        """moto has no UpdateEndpoint: what DescribeEndpoint says is changed from now on."""
        call = {"service": "sagemaker", "operation": "UpdateEndpoint", "request": request}
        assert not faults_of(call), faults_of(call)
        name = request["EndpointName"]
        described = {"EndpointName": name}
        status, headers, answer = self._as("SageMaker.DescribeEndpoint", described)
        if status == 200:
            found = json.loads(answer)
            before = self.stand_in.configurations.get(name, found["EndpointConfigName"])
            before, after = (
                self._configuration(one) for one in (before, request["EndpointConfigName"])
            )
            scaled = self._scaled(name)
            if refusal := refusal_of_update(request, before, after, scaled):
                return _validation_error(refusal)
            if not self._is_rolled_back(request):
                self.stand_in.configurations[name] = request["EndpointConfigName"]
            answer = json.dumps({"EndpointArn": found["EndpointArn"]}).encode()
        return status, headers, answer

    def _is_rolled_back(self, request):
        """Whether an alarm of the update goes off, which DescribeEndpoint then says."""
        rollback = request.get("DeploymentConfig", {}).get("AutoRollbackConfiguration", {})
        alarms = {one["AlarmName"] for one in rollback.get("Alarms", ())} & self.stand_in.alarms
        said = {"FailureReason": f"{', '.join(alarms)} went off."} if alarms else {}
        self.stand_in.members["DescribeEndpoint"] = said
        return bool(alarms)

    def _scaled(self, endpoint):
        """The variants that are scalable targets."""
        target = "AnyScaleFrontendService.DescribeScalableTargets"
        scope = self.headers["Authorization"].replace("/sagemaker/", "/application-autoscaling/")
        headers = dict(self.headers) | {"X-Amz-Target": target, "Authorization": scope}
        host = "application-autoscaling.eu-west-1.amazonaws.com"
        body = b'{"ServiceNamespace": "sagemaker"}'
        _, _, answer = self._moto("POST", "/", body, headers | {"Host": host})
        resources = [one["ResourceId"] for one in json.loads(answer)["ScalableTargets"]]
        return [one.split("/")[-1] for one in resources if one.split("/")[1] == endpoint]

    def get_metric_data(self, request):
        """moto knows no percentiles: the largest value stands for them."""
        body = json.dumps(request).encode()
        for percentile in (b"p90", b"p99"):
            body = body.replace(b'"Stat": "%s"' % percentile, b'"Stat": "Maximum"')
        return self._moto(body=body)

    def invoke_variant(self, body):
        """Let serve answer for one of the endpoint's variants; capture it, and count it."""
        endpoint = unquote(self.path).split("/")[2]
        found = self._configuration(self._configuration_of(endpoint))
        if not found:
            return self._invoke(body)
        target = self.headers.get("X-Amzn-SageMaker-Target-Variant")
        variant = target or chosen_variant(found["ProductionVariants"], self.stand_in.invoked)
        self.stand_in.invoked[variant] += 1
        event, begin = str(uuid.uuid4()), time.monotonic()
        status, headers, answer = self._invoke(body)
        for one in (
            variant,
            *(s["VariantName"] for s in found.get("ShadowProductionVariants", [])),
        ):
            own = self.stand_in.answers.get(one, bytes)(answer)
            data = metric_data(endpoint, one, status, time.monotonic() - begin)
            self._count(data)
            if status == 200 and found.get("DataCaptureConfig"):
                self._capture(found, (endpoint, one), (body, own, headers), event)
            answer = own if one == variant else answer
        return status, headers | {"x-Amzn-Invoked-Production-Variant": variant}, answer

    def _configuration_of(self, endpoint):
        if endpoint in self.stand_in.configurations:
            return self.stand_in.configurations[endpoint]
        described = {"EndpointName": endpoint}
        status, _, answer = self._as("SageMaker.DescribeEndpoint", described)
        return json.loads(answer)["EndpointConfigName"] if status == 200 else ""

    def _capture(self, found, place, exchange, event):
        body, answer, headers = exchange
        question = (self.headers.get("Content-Type", ""), body)
        line = record(
            question,
            (headers.get("content-type", ""), answer),
            event_id=event,
            inference_id=self.headers.get("X-Amzn-SageMaker-Inference-Id", ""),
        )
        uri = found["DataCaptureConfig"]["DestinationS3Uri"].rstrip("/")
        self._s3("PUT", f"{uri}/{capture_key(*place)}", line.encode())

    def _count(self, data):
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        place = {"region_name": "eu-west-1", "endpoint_url": self.stand_in.moto}
        with contextlib.closing(boto3.Session(**keys).client("cloudwatch", **place)) as client:
            client.put_metric_data(Namespace="AWS/SageMaker", MetricData=data)


def _validation_error(message):
    document = {"__type": "ValidationException", "message": message}
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    return 400, headers, json.dumps(document).encode()

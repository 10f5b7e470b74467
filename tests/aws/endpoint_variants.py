"""What moto lacks of endpoints with several variants, which stand_in.py adds.

moto keeps no shadow variants, knows no UpdateEndpoint, and its DescribeEndpoint therefore tells the
variants of the first configuration for ever. Here is what AWS tells and refuses instead, as pure
functions.
"""


def summaries(variants):
    """The variants of a configuration as DescribeEndpoint tells them."""
    return [_summary(one) for one in variants]


def _summary(variant):
    weight = variant.get("InitialVariantWeight", 1.0)
    found = {
        "VariantName": variant["VariantName"],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
    }
    if count := variant.get("InitialInstanceCount"):
        found |= {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
    if config := variant.get("ServerlessConfig"):
        found |= {"CurrentServerlessConfig": config, "DesiredServerlessConfig": config}
    return found


def refusal_of_configuration(request):
    """Why CreateEndpointConfig refuses (its documentation, ShadowProductionVariants), or None."""
    shadows = request.get("ShadowProductionVariants") or []
    if shadows and len(shadows) + len(request["ProductionVariants"]) != 2:
        return "you can only specify one variant for ProductionVariants and one shadow variant"
    if shadows and "AsyncInferenceConfig" in request:
        return "shadow variants are not supported with asynchronous inference"
    return None


def refusal_of_update(request, before, after, scaled):
    """Why UpdateEndpoint refuses, or None.

    Sources: SageMaker's guide, "Exclusions" of deployment guardrails; "Update or delete endpoints
    that use automatic scaling".
    """
    old, new = (
        {
            one["VariantName"]: one.get("InstanceType")
            for member in ("ProductionVariants", "ShadowProductionVariants")
            for one in configuration.get(member) or []
        }
        for configuration in (before, after)
    )
    held = [name for name in scaled if name in old and old[name] != new.get(name)]
    if held:
        return f"The variants {held} must be deregistered as scalable targets first"
    guarded = {"DeploymentConfig", "RetainAllVariantProperties"} & request.keys()
    if old.keys() != new.keys() and guarded:
        return f"the variants have other names, which does not go together with {sorted(guarded)}"
    return None

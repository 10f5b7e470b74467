"""The arguments that Terraform's AWS provider has for the resources of an endpoint.

Source: the provider's documentation of each resource (hashicorp/terraform-provider-aws, version 6),
compared with the bindings that the Terraform CDK generates from the provider's schema
(cdktf-cdktf-provider-aws 21.22).
"""

from collections.abc import Mapping
from typing import Any

from mlserver_forest.aws.export.aws_resource import (
    ALARM,
    CONFIGURATION,
    MODEL,
    POLICY,
    SERVED,
    TARGET,
)

# An argument's nested arguments; empty for one that is no block.
Arguments = Mapping[str, Any]


def _arguments(names: str, **blocks: Arguments) -> Arguments:
    return {**{key: {} for key in names.split()}, **blocks}


_S3_SOURCE = _arguments(
    "compression_type s3_data_type s3_uri", model_access_config=_arguments("accept_eula")
)
_CONTAINER = _arguments(
    "container_hostname environment image mode model_data_url model_package_name "
    "inference_specification_name",
    image_config=_arguments(
        "repository_access_mode",
        repository_auth_config=_arguments("repository_credentials_provider_arn"),
    ),
    model_data_source=_arguments("", s3_data_source=_S3_SOURCE),
    additional_model_data_source=_arguments("channel_name", s3_data_source=_S3_SOURCE),
    multi_model_config=_arguments("model_cache_setting"),
)
_VARIANT = _arguments(
    "accelerator_type container_startup_health_check_timeout_in_seconds enable_ssm_access "
    "inference_ami_version initial_instance_count initial_variant_weight instance_type "
    "model_data_download_timeout_in_seconds model_name variant_name volume_size_in_gb",
    core_dump_config=_arguments("destination_s3_uri kms_key_id"),
    managed_instance_scaling=_arguments("max_instance_count min_instance_count status"),
    routing_config=_arguments("routing_strategy"),
    serverless_config=_arguments("max_concurrency memory_size_in_mb provisioned_concurrency"),
)
_SIZE = _arguments("type value")
_METRIC = "metric_name namespace statistic unit"

ARGUMENTS: Mapping[str, Arguments] = {
    MODEL: _arguments(
        "name execution_role_arn enable_network_isolation tags",
        primary_container=_CONTAINER,
        container=_CONTAINER,
        inference_execution_config=_arguments("mode"),
        vpc_config=_arguments("subnets security_group_ids"),
    ),
    CONFIGURATION: _arguments(
        "name execution_role_arn kms_key_arn tags",
        production_variants=_VARIANT,
        shadow_production_variants=_VARIANT,
        data_capture_config=_arguments(
            "destination_s3_uri enable_capture initial_sampling_percentage kms_key_id",
            capture_options=_arguments("capture_mode"),
            capture_content_type_header=_arguments("csv_content_types json_content_types"),
        ),
        async_inference_config=_arguments(
            "",
            client_config=_arguments("max_concurrent_invocations_per_instance"),
            output_config=_arguments(
                "s3_output_path s3_failure_path kms_key_id",
                notification_config=_arguments(
                    "error_topic include_inference_response_in success_topic"
                ),
            ),
        ),
    ),
    SERVED: _arguments(
        "name endpoint_config_name tags",
        deployment_config=_arguments(
            "",
            blue_green_update_policy=_arguments(
                "maximum_execution_timeout_in_seconds termination_wait_in_seconds",
                traffic_routing_configuration=_arguments(
                    "type wait_interval_in_seconds", canary_size=_SIZE, linear_step_size=_SIZE
                ),
            ),
            auto_rollback_configuration=_arguments("", alarms=_arguments("alarm_name")),
            rolling_update_policy=_arguments(
                "maximum_execution_timeout_in_seconds wait_interval_in_seconds",
                maximum_batch_size=_SIZE,
                rollback_maximum_batch_size=_SIZE,
            ),
        ),
    ),
    TARGET: _arguments(
        "max_capacity min_capacity resource_id scalable_dimension service_namespace tags",
        suspended_state=_arguments(
            "dynamic_scaling_in_suspended dynamic_scaling_out_suspended scheduled_scaling_suspended"
        ),
    ),
    POLICY: _arguments(
        "name policy_type resource_id scalable_dimension service_namespace",
        step_scaling_policy_configuration=_arguments(
            "adjustment_type cooldown metric_aggregation_type min_adjustment_magnitude",
            step_adjustment=_arguments(
                "metric_interval_lower_bound metric_interval_upper_bound scaling_adjustment"
            ),
        ),
        target_tracking_scaling_policy_configuration=_arguments(
            "target_value disable_scale_in scale_in_cooldown scale_out_cooldown",
            customized_metric_specification=_arguments(
                _METRIC, dimensions=_arguments("name value")
            ),
            predefined_metric_specification=_arguments("predefined_metric_type resource_label"),
        ),
    ),
    ALARM: _arguments(
        "alarm_name comparison_operator evaluation_periods metric_name namespace period statistic "
        "threshold actions_enabled alarm_actions alarm_description datapoints_to_alarm dimensions "
        "insufficient_data_actions ok_actions unit extended_statistic treat_missing_data "
        "evaluate_low_sample_count_percentiles tags"
    ),
}

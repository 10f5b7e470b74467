"""Batch transform: what a job asks for, and answers that it can put together."""

import httpx
import pytest

from support import serving

CSV = {"content-type": "text/csv"}
ROWS = "5.9,3.0,5.1,1.8\n5.0,3.5,1.4,0.2\n"


@pytest.fixture(scope="module")
def batch_server(model_dir):
    """As on the platform: SAGEMAKER_BATCH in lower case, the others as the job has them."""
    with serving(
        model_dir,
        SAGEMAKER_BATCH="true",
        SAGEMAKER_MAX_PAYLOAD_IN_MB="100",
        SAGEMAKER_BATCH_STRATEGY="MULTI_RECORD",
        SAGEMAKER_MAX_CONCURRENT_TRANSFORMS="1",
    ) as server:
        yield server


def invoke(server, content, headers=CSV, **more):
    return httpx.post(server.url + "/invocations", content=content, headers={**headers, **more})


@pytest.mark.parametrize(
    ("payload", "concurrent"), [(None, None), ("1", None), ("6", None), ("100", 1), ("0", 1)]
)
def test_the_execution_parameters_stay_within_sagemakers_limits(
    start_serve, model_dir, payload, concurrent
):
    """Times the payload at most 100; no BatchStrategy, which the SDK's local mode spells in
    its own way and the platform sets by default.
    """
    variables = {"SAGEMAKER_MAX_PAYLOAD_IN_MB": payload} if payload else {}
    server = start_serve(model_dir, **variables).wait_until_ready()
    response = httpx.get(server.url + "/execution-parameters")
    assert response.headers["content-type"] == "application/json"
    found = response.json()
    assert set(found) == {"MaxConcurrentTransforms", "MaxPayloadInMB"}
    assert found["MaxPayloadInMB"] == int(payload or 6)
    assert found["MaxConcurrentTransforms"] >= 1
    assert found["MaxConcurrentTransforms"] * found["MaxPayloadInMB"] <= 100
    if concurrent:
        assert found["MaxConcurrentTransforms"] == concurrent


@pytest.mark.parametrize("body", [ROWS, ROWS.rstrip("\n"), ROWS.replace("\n", "\r\n")])
def test_a_mini_batch_is_answered_line_by_line_without_a_last_newline(batch_server, body):
    """AssembleWith=Line adds one after each answer; two would leave a blank line."""
    assert invoke(batch_server, body).text == "virginica\nsetosa"


def test_a_mini_batch_of_json_lines_has_no_last_newline_either(batch_server):
    lines = '{"features": [5.9, 3.0, 5.1, 1.8]}\n{"features": [5.0, 3.5, 1.4, 0.2]}\n'
    headers = {"content-type": "application/jsonlines"}
    answer = invoke(batch_server, lines, headers).text
    assert not answer.endswith("\n")
    assert [line[:29] for line in answer.split("\n")] == [
        '{"predicted_label":"virginica',
        '{"predicted_label":"setosa","',
    ]


def test_a_single_record_is_one_row(batch_server):
    assert invoke(batch_server, "5.9,3.0,5.1,1.8").text == "virginica"


def test_real_time_answers_end_with_a_newline(iris_server):
    assert invoke(iris_server, ROWS).text == "virginica\nsetosa\n"


def test_the_sdks_local_mode_spells_true_in_its_own_way(start_serve, model_dir):
    server = start_serve(model_dir, SAGEMAKER_BATCH="True").wait_until_ready()
    assert invoke(server, ROWS).text == "virginica\nsetosa"


def test_a_large_mini_batch_has_a_row_for_each_row(batch_server):
    n = 300_000
    answer = invoke(batch_server, ROWS * (n // 2)).text
    assert answer == "\n".join(["virginica", "setosa"] * (n // 2))


def test_a_wrong_record_fails_its_own_mini_batch_only(batch_server):
    assert invoke(batch_server, "5.9,3.0,5.1\n").status_code == 400
    assert invoke(batch_server, ROWS).status_code == 200

"""Names and addresses that clients choose: no line of the log is forged, and no file is reached."""

import httpx

from .scene import add_constant_load
from .table import Row

_FORGED = "2026-01-01 00:00:00,000 ERROR forged"
_ENCODED = f"x%0A{_FORGED.replace(' ', '%20')}%1B%5B2J"
_POSTS = (
    f"/v2/models/{_ENCODED}/infer",
    f"/v2/repository/models/{_ENCODED}/load",
    f"/models/{_ENCODED}/invoke",
    "/v2/models/..%2F..%2Fetc/infer",
)
_URLS = ("/proc/self/root/etc", "/proc/self/cwd", "/etc/../dev/fd", "/etc", "relative", "/\0")
_SECONDS = 2.0


def names(scene):
    row, statuses = Row("names"), []
    with scene.serving() as server, httpx.Client(base_url=server.running.url) as client:
        statuses += [client.post(path, json={}).status_code for path in _POSTS]
        pages = [client.get(path) for path in ("/v2/models/forest/docs", "/v2/docs", "/")]
        add_constant_load(row, scene.steady(server, _SECONDS))
        lines = list(server.lines)
    variables = {"SAGEMAKER_MULTI_MODEL": "true"}
    with scene.serving(**variables) as server, httpx.Client(base_url=server.running.url) as client:
        statuses += [client.post(path, json={}).status_code for path in _POSTS]
        documents = [{"model_name": "m", "url": url} for url in _URLS]
        documents.append({"model_name": f"x\n{_FORGED}", "url": str(scene.model_dir)})
        answers = [client.post("/models", json=document) for document in documents]
        statuses += [answer.status_code for answer in answers]
        lines += server.lines
    row.add("statuses", sorted(set(statuses)), "4xx", all(400 <= s < 500 for s in statuses))
    row.zero("forged lines", sum(line.startswith(_FORGED) for line in lines))
    loose = [page for page in pages if page.status_code == 200 and not _is_closed(page)]
    row.zero("pages without a policy", len(loose))
    yield row


def _is_closed(page):
    return "default-src 'none'" in page.headers.get("content-security-policy", "")

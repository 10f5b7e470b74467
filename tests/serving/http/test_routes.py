"""Paths find their handlers."""

import pytest

from mlserver_forest.serving.http.routes import Routes

PATTERNS = ("/ping", "/models", "/m/{name}:predict", "/models/{name}", "/models/{name}/invoke")
ROUTES = Routes({pattern: {} for pattern in PATTERNS})


@pytest.mark.parametrize(
    ("path", "pattern", "names"),
    [
        (b"/ping", "/ping", ()),
        (b"/models", "/models", ()),
        (b"/models/a1_-.~", "/models/{name}", ("a1_-.~",)),
        (b"/models/a/invoke", "/models/{name}/invoke", ("a",)),
        (b"/models/a%2Fb/invoke", "/models/{name}/invoke", ("a/b",)),
        (b"/models/%C3%A4%20%25", "/models/{name}", ("ä %",)),
        (b"/models/%FF", "/models/{name}", ("\ufffd",)),
        (b"/models/invoke", "/models/{name}", ("invoke",)),
        (b"/m/a:predict", "/m/{name}:predict", ("a",)),
        (b"/m/a%3Apredict", "/m/{name}:predict", ("a",)),
        (b"/m/a%253Ab:predict", "/m/{name}:predict", ("a%3Ab",)),
    ],
)
def test_a_path_is_found_with_its_names_decoded(path, pattern, names):
    match = ROUTES.find(path)
    assert (match.pattern, match.names) == (pattern, names)


@pytest.mark.parametrize(
    "path", [b"/", b"", b"/Ping", b"/ping/", b"/models/", b"/models//invoke", b"/models/a/b/c"]
)
def test_other_paths_are_not_found(path):
    assert ROUTES.find(path) is None

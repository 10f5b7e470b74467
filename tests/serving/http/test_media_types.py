"""Content-Type and Accept are read as HTTP defines them."""

import pytest

from mlserver_forest.errors import NotAcceptable, UnsupportedMediaType
from mlserver_forest.serving.http import media_types

CSV = "text/csv"
JSON = "application/json"


@pytest.mark.parametrize(
    ("header", "essence", "parameters"),
    [
        ("text/csv", CSV, {}),
        ("Text/CSV ; Header=present", CSV, {"header": "present"}),
        ('application/json; charset="utf-8"', JSON, {"charset": "utf-8"}),
        ('text/csv; note="a;b"; header=absent', CSV, {"note": "a;b", "header": "absent"}),
        ("text/csv;", CSV, {"": ""}),
    ],
)
def test_content_type_is_parsed(header, essence, parameters):
    media_type = media_types.content_type(header)
    assert (media_type.essence, media_type.parameters) == (essence, parameters)


@pytest.mark.parametrize(
    ("header", "came"),
    [
        (None, "no Content-Type"),
        ("", "no Content-Type"),
        ("application/x-www-form-urlencoded", "Content-Type 'application/x-www-form-urlencoded'"),
        ("x" * 500, "Content-Type 'xxx"),
    ],
)
def test_another_content_type_is_refused(header, came):
    with pytest.raises(UnsupportedMediaType) as caught:
        media_types.content_type(header)
    assert str(caught.value).startswith(came)
    assert "expected one of text/csv, application/json" in str(caught.value)


@pytest.mark.parametrize(
    ("header", "default", "expected"),
    [
        (None, CSV, CSV),
        ("", JSON, JSON),
        ("*/*", CSV, CSV),
        (" , ;", JSON, JSON),
        ("application/json", CSV, JSON),
        ("APPLICATION/JSON; verbose=true", CSV, JSON),
        ("text/csv, application/json", JSON, JSON),
        ("text/csv;q=0.9, application/json;q=0.1", JSON, CSV),
        ("text/csv;q=0.1, */*;q=0.9", CSV, JSON),
        ("text/*", JSON, CSV),
        ("application/*;q=0.5, text/csv;q=0.4", CSV, JSON),
        ("application/json;q=0, */*", JSON, CSV),
        ("image/png, text/csv", JSON, CSV),
        ("*", CSV, CSV),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", JSON, JSON),
        ("csv", JSON, CSV),
    ],
)
def test_accept_is_negotiated(header, default, expected):
    assert media_types.negotiate(header, default) == expected


@pytest.mark.parametrize(
    "header", ["image/png", "text/csv;q=0", "*/*;q=0", "text/csv;q=x", "text/csv;q=nan", "*/*;q=2"]
)
def test_an_accept_that_rules_out_everything_is_refused(header):
    with pytest.raises(
        NotAcceptable, match="allows none of the answers: text/csv, application/json"
    ):
        media_types.negotiate(header, CSV)

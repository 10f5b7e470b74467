"""Shares of the traffic, and the weights that AWS takes."""

import pytest

from mlserver_forest.aws.traffic_shares import (
    are_equal,
    describe_traffic,
    sampled_share,
    shares_of,
    variant_option,
    weighted,
    with_share,
)
from mlserver_forest.errors import DeploymentError


@pytest.mark.parametrize(
    ("shares", "name", "percent", "expected"),
    [
        ({"a": 100}, "new", 10, {"a": 90, "new": 10}),
        ({"a": 75, "b": 25}, "c", 20, {"a": 60, "b": 20, "c": 20}),
        ({"a": 60, "b": 20, "c": 20}, "a", 0, {"a": 0, "b": 50, "c": 50}),
        ({"a": 100, "b": 0, "c": 0}, "a", 40, {"a": 40, "b": 30, "c": 30}),
        ({"a": 90, "new": 10}, "new", 33.3, {"a": 66.7, "new": 33.3}),
        ({"a": 100}, "a", 10, {"a": 100}),
    ],
)
def test_the_others_keep_their_shares_among_themselves(shares, name, percent, expected):
    found = with_share(shares, name, percent)
    assert found == pytest.approx(expected)
    assert list(found) == list(expected)


def test_weights_that_were_changed_in_place_count():
    variants = [{"VariantName": "a"}, {"VariantName": "b", "InitialVariantWeight": 3.0}]
    configuration = {"ProductionVariants": variants}
    assert shares_of(configuration) == {"a": 25, "b": 75}
    present = [{"VariantName": "a", "CurrentWeight": 9.0, "DesiredWeight": 1.0}]
    assert shares_of(configuration, {"ProductionVariants": present}) == {"a": 25, "b": 75}
    present = [{"VariantName": "a", "DesiredWeight": 0.0}, {"VariantName": "b"}]
    found = shares_of(configuration, {"ProductionVariants": present})
    assert found == {"a": 0, "b": 100}
    assert not are_equal(found, shares_of(configuration))
    again = {"ProductionVariants": weighted(variants, {"a": 25.0, "b": 75.0})}
    assert are_equal(shares_of(again), shares_of(configuration))
    shadow = [{"VariantName": "s", "InitialVariantWeight": 0.25}]
    alone = {"ProductionVariants": variants[:1], "ShadowProductionVariants": shadow}
    assert sampled_share(alone) == 25
    assert describe_traffic(alone) == "a 100%, s a copy of 25% (shadow)"


@pytest.mark.parametrize("text", ["", "new=", "new=x%", "a b", "=5%", "new=100.1%", "-new", "x/y"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(DeploymentError, match="expected NAME or NAME=SHARE%"):
        variant_option(text)


def test_a_share_is_a_percentage():
    assert variant_option("new=12.5").percent == variant_option("new=12.5%").percent == 12.5
    assert variant_option("new").percent is None

"""A request chooses outputs by name."""

import pytest

from mlserver_forest.errors import InvalidInput
from mlserver_forest.serving.sagemaker import output_selection


@pytest.mark.parametrize(
    ("attributes", "names"),
    [
        (None, ()),
        ("trace=1", ()),
        ("my-outputs=1", ()),
        ("outputs=probability", ("probability",)),
        ("outputs=Probability, labels", ("probability", "labels")),
        ("outputs=labels,labels", ("labels",)),
        ("Outputs=labels", ("labels",)),
        ("trace=7;outputs=probability,labels;more=2", ("probability", "labels")),
        ("trace=7,outputs=probability,labels,more=2", ("probability", "labels")),
        ('x=1 outputs="probability,labels"', ("probability", "labels")),
    ],
)
def test_the_parameter_outputs_is_found_among_other_attributes(attributes, names):
    assert output_selection.chosen(attributes) == names


def test_outputs_that_come_twice_are_refused():
    with pytest.raises(InvalidInput, match="outputs= comes twice"):
        output_selection.chosen("outputs=labels; outputs=probabilities")


@pytest.mark.parametrize("attributes", ["outputs=", "outputs=,", "outputs=;a=1"])
def test_outputs_that_name_nothing_are_refused(attributes):
    with pytest.raises(InvalidInput, match=r"outputs= .* names no output; write for example"):
        output_selection.chosen(attributes)

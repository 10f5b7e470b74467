"""Names that SageMaker accepts."""

from mlserver_forest.aws.naming import name_from


def test_names_are_cut_so_that_the_digest_fits():
    assert name_from("a" * 90, "0123456789") == "a" * 52 + "-0123456789"
    assert name_from("ein Wald!", "0") == "ein-Wald-0"

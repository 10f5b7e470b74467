"""Constraints on features, which people name -> positions of features, which libraries count."""

from collections.abc import Collection, Mapping, Sequence

from mlserver_forest.errors import format_value


def resolve_signs(
    key: str,
    signs: Sequence[int] | Mapping[str, int],
    names: Sequence[str],
    words: Collection[str],
    faults: list[str],
) -> list[int]:
    """One of -1, 0 and 1 for each feature.

    Args:
        key: the hyperparameter's name.
        signs: as it was given: one for each feature, or by name or position.
        names: of the features.
        words: the names of those that hold words, which have no order.
        faults: takes what is wrong.
    """
    if isinstance(signs, Mapping):
        of_position = {_position(key, name, names, faults): sign for name, sign in signs.items()}
        resolved = [of_position.get(column, 0) for column in range(len(names))]
    else:
        resolved = list(signs)
        if len(resolved) != len(names):
            faults.append(
                f"{key} has {len(resolved)} numbers, but there are {len(names)} features: "
                f"{format_value(list(names))}"
            )
    for name, sign in zip(names, resolved, strict=False):
        if sign and name in words:
            faults.append(
                f"{key} names {format_value(name)}, which holds words: they have no order"
            )
    return resolved


def resolve_sets(
    key: str, sets: Sequence[Sequence[str | int]], names: Sequence[str], faults: list[str]
) -> list[list[int]]:
    """Sets of features, as sorted positions."""
    return [sorted({_position(key, name, names, faults) for name in group}) for group in sets]


def _position(key: str, name: str | int, names: Sequence[str], faults: list[str]) -> int:
    """A feature's position, by its name or else by its position as text; -1 for none."""
    if name in names:
        return names.index(str(name))
    if str(name).isdecimal() and int(name) < len(names):
        return int(name)
    faults.append(
        f"{key} names {format_value(name)}, which is no feature; expected one of "
        f"{format_value(list(names))}"
    )
    return -1

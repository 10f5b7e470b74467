"""The role of each column of the data: the target, a weight, a feature, or none."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

from mlserver_forest.errors import InvalidData, count, format_value
from mlserver_forest.formats.parsing import FoundColumns

_NAMES_SHOWN = 12
# Names as similar as this are more likely misspelled than different.
_MISSPELLED = 0.8

# A name, or a position from 0 on.
Column = str | int


@dataclass(frozen=True)
class Columns:
    """The hyperparameters that concern columns.

    Attributes:
        target: the name of the column to predict, or its position, counted from 0.
        weight: the column of the weights of the rows, if there is one.
        ignore: the columns that are left out.
        categories: the columns that hold categories whatever their values are.
        missing: texts that mean a missing value, beside ``MISSING_TEXTS``.
        kept: texts of ``MISSING_TEXTS`` that are categories in columns of text.
        mixed_columns: the share of numbers from which a column of text is refused.
        header: whether CSV files start with names; "auto" decides by their first rows.
        delimiter: between the fields of CSV files; None if their first lines decide.
        decimal: what begins the decimals in CSV files; None if their numbers decide.
        encoding: of CSV files; None for UTF-8, or what their byte order mark says.
        sheet: the sheet of Excel workbooks; None for the first one.
        skip_lines: how many lines of CSV files stand above the header or the first row.
        refuse_unseen: whether categories that training did not see are refused; otherwise they
            are missing values.
        absent_is_missing: whether a value that a sparse row leaves out is missing; otherwise it
            is 0.
        missing_target: whether rows without a target are left out or an error; "auto" leaves out
            a small share of the rows.
        dates: whether columns of dates are left out, an error, or learned from.
        many_categories: whether a column with too many categories is an error, or is hashed: into
            buckets, or to be replaced by means of the target.
        keep_na_labels: whether NA, None and the like are labels; otherwise they are missing.
    """

    target: str | int = 0
    weight: str | int | None = None
    ignore: tuple[str | int, ...] = ()
    categories: tuple[str | int, ...] = ()
    missing: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    mixed_columns: float = 0.95
    header: Literal["auto", "present", "absent"] = "auto"
    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    skip_lines: int = 0
    sheet: str | None = None
    refuse_unseen: bool = False
    absent_is_missing: bool = False
    missing_target: Literal["auto", "error", "drop"] = "auto"
    dates: Literal["ignore", "error", "expand"] = "ignore"
    many_categories: Literal["error", "hash", "target"] = "error"
    keep_na_labels: bool = False

    @property
    def are_by_position(self) -> bool:
        """Whether a column is chosen by its position."""
        return any(isinstance(each, int) for each in (self.target, self.weight, *self.ignore))

    def parameters(self) -> dict[str, str]:
        """These as the parameters of a channel's media type, which may set them too."""
        declared = {
            "header": self.header,
            "delimiter": self.delimiter,
            "decimal": self.decimal,
            "charset": self.encoding,
            "skip_lines": str(self.skip_lines) if self.skip_lines else None,
        }
        return {name: value for name, value in declared.items() if value is not None}


@dataclass(frozen=True)
class Roles:
    """Which columns of a file are read.

    Attributes:
        target: the target's position.
        weight: the weight's, or None.
        features: the column of each feature, in the order of the table's features.
    """

    target: int
    weight: int | None
    features: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """The columns of the training data.

    Attributes:
        columns: the names of all of them, if the data named them.
        width: how many there are.
        roles: of a file that has the columns in this order.
        names: of the features.
        categorical: the features that hold categories whatever their values are.
        ignored: names of columns that other channels may have, and that are ignored there.
        left_out: names of features that hold dates, and are not among ``names``.
        index: names of columns that count or name the rows, and are not among ``columns``.
    """

    columns: tuple[str, ...] | None
    width: int
    roles: Roles
    names: tuple[str, ...]
    categorical: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    index: tuple[str, ...] = ()

    def without(self, features: Collection[str]) -> "Layout":
        """The same layout where some features, by name, are left out."""
        kept = [f for f, name in enumerate(self.names) if name not in features]
        roles = replace(self.roles, features=tuple(self.roles.features[f] for f in kept))
        return replace(
            self,
            roles=roles,
            names=tuple(self.names[f] for f in kept),
            left_out=self.left_out | frozenset(features),
        )

    @property
    def skipped(self) -> tuple[str, ...]:
        """The names of columns that are no feature, target or weight, in their order."""
        used = {*self.names, *self._names_of((self.roles.target, self.roles.weight))}
        found = (*self.index, *(self.columns or ()))
        return tuple(name for name in found if name and name not in used)

    def _names_of(self, places: Iterable[int | None]) -> list[str]:
        return [self.columns[place] for place in places if self.columns and place is not None]

    def forced(self) -> set[int]:
        """The features that hold categories whatever their values are."""
        return {f for f, name in enumerate(self.names) if name in self.categorical}

    @property
    def target_name(self) -> str:
        """The column of the target, for messages."""
        place = self.roles.target
        return f"column {place + 1 if self.columns is None else format_value(self.columns[place])}"

    @property
    def target_title(self) -> str:
        """The name of the target, for pages; empty if the columns have no names."""
        return "" if self.columns is None else self.columns[self.roles.target]

    def found(self) -> FoundColumns:
        """The columns as a file has them that holds them in this order."""
        return FoundColumns(self.columns, self.width, "")

    def roles_of(self, found: FoundColumns) -> Roles:
        """The columns of another file: by name where both have names, else by position.

        Raises:
            InvalidData: naming the columns that are missing or unknown.
        """
        if found.names is not None and self.columns is not None:
            return self._by_name(found, found.names, self.columns)
        if found.width != self.width:
            raise InvalidData(
                f"{found.location}: {count(found.width, 'column')}{_listed(found.names)}; the "
                f"training data have {self.width}{_listed(self.columns)}; if this file is not a "
                "part of the data, move it out of the channel"
            )
        return self.roles

    def _by_name(self, found: FoundColumns, names: Sequence[str], columns: Sequence[str]) -> Roles:
        position = {name: place for place, name in enumerate(names)}
        target, weight = self.roles.target, self.roles.weight
        needed = [*self.names, columns[target]]
        missing = [name for name in needed if name not in position]
        unknown = [name for name in names if name not in columns and name not in self.ignored]
        repeated = [name for place, name in enumerate(names) if position[name] != place]
        found_faults = (("missing", missing), ("unknown", unknown), ("repeated", repeated))
        faults = [f"{what} {_joined(which)}" for what, which in found_faults if which]
        if faults:
            step = "; name it in ignore" if len(unknown) == 1 else "; name them in ignore"
            step = step if unknown and not missing and not repeated else ""
            raise InvalidData(
                f"{found.location}: columns {_joined(names)} differ from those of the training "
                f"data, {_joined(columns)}: {' and '.join(faults)}{step}"
            )
        return Roles(
            position[columns[target]],
            None if weight is None else position.get(columns[weight]),
            tuple(position[name] for name in self.names),
        )


def declared(columns: Columns) -> frozenset[str]:
    """The names that the hyperparameters use."""
    used = (columns.target, columns.weight, *columns.ignore, *columns.categories)
    return frozenset(name for name in used if isinstance(name, str))


def without_index(columns: Columns, kept: Sequence[int], dropped: Iterable[str]) -> Columns:
    """The same columns where some, such as an index, are left out.

    Args:
        columns: positions of which count all columns of the data.
        kept: the positions that are left.
        dropped: the names of the others.
    """
    place = {column: position for position, column in enumerate(kept)}

    def moved(column: Column) -> Column:
        # Only the default, the first column, may be an index.
        return (
            place.get(column, 0 if column == 0 else column) if isinstance(column, int) else column
        )

    gone = set(dropped)
    return replace(
        columns,
        target=moved(columns.target),
        weight=None if columns.weight is None else moved(columns.weight),
        ignore=tuple(
            moved(column)
            for column in columns.ignore
            if column not in gone and (column in place or not isinstance(column, int))
        ),
        categories=tuple(map(moved, columns.categories)),
    )


def learn(found: FoundColumns, columns: Columns) -> Layout:
    """The layout of the training data.

    Raises:
        InvalidData: for a column that does not exist, and names that are empty or repeated.
    """
    target = _position(found, columns.target, "target")
    weight = None if columns.weight is None else _position(found, columns.weight, "weight")
    ignored = {
        _position(found, column, "ignore")
        for column in columns.ignore
        if not _may_be_elsewhere(found, column)
    }
    if _ends_unnamed(found) and found.width - 1 not in {target, weight}:
        ignored.add(found.width - 1)
    for column, what in ((target, "target"), (weight, "weight")):
        if column in ignored or (what == "weight" and column == target):
            raise InvalidData(
                f"{found.location}: column {column + 1 if column is not None else ''} is both "
                f"{what} and {'ignored' if column in ignored else 'target'}; choose one of them"
            )
    features = [place for place in range(found.width) if place not in {target, weight, *ignored}]
    if not features and ignored:
        raise InvalidData(
            f"{found.location}: ignore leaves no feature: of the {found.width} columns"
            f"{_listed(found.names)}, it leaves only the target; ignore fewer"
        )
    if not features:
        raise InvalidData(
            f"{found.location}: {count(found.width, 'column')}{_listed(found.names)} "
            f"leave{'s' if found.width == 1 else ''} no feature beside the target; expected a "
            "label and one value or more, separated by commas in CSV"
        )
    names = _named(found, features)
    forced = {_position(found, column, "categories") for column in columns.categories}
    elsewhere = {str(c) for c in columns.ignore if _may_be_elsewhere(found, c)}
    return Layout(
        found.names,
        found.width,
        Roles(target, weight, tuple(features)),
        names,
        frozenset(name for name, place in zip(names, features, strict=True) if place in forced),
        frozenset(elsewhere),
    )


def _ends_unnamed(found: FoundColumns) -> bool:
    """Whether all lines end in a separator, after which there is a column without a name."""
    return found.names is not None and found.width > 2 and found.names[-1] == ""


def _may_be_elsewhere(found: FoundColumns, column: Column) -> bool:
    """Whether an ignored column may be one that only other channels have: it is not misspelled."""
    if isinstance(column, int) or found.names is None or column in found.names:
        return False
    return not get_close_matches(column, found.names, 1, _MISSPELLED)


# Until the first part has been looked at.
UNKNOWN = Layout(None, 0, Roles(0, None, ()), ())


def nameless(n_features: int) -> Layout:
    """The layout of rows that have a label, then features without names."""
    roles = Roles(0, None, tuple(range(1, n_features + 1)))
    return Layout(None, n_features + 1, roles, _numbered(n_features))


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"feature_{i}" for i in range(count))


def _named(found: FoundColumns, features: Sequence[int]) -> tuple[str, ...]:
    if found.names is None:
        return _numbered(len(features))
    places: dict[str, list[int]] = {}
    for place, name in enumerate(found.names):
        if name:
            places.setdefault(name, []).append(place)
    repeated = {name: where for name, where in places.items() if len(where) > 1}
    if repeated:
        shown = ", ".join(
            f"{format_value(name)} (columns {' and '.join(str(place + 1) for place in where)})"
            for name, where in list(repeated.items())[:_NAMES_SHOWN]
        )
        more = f" and {len(repeated) - _NAMES_SHOWN} more" if len(repeated) > _NAMES_SHOWN else ""
        raise InvalidData(
            f"{found.location}: the names of columns are repeated: {shown}{more}; give each "
            "column its own name"
        )
    return tuple(found.names[place] for place in features)


def _position(found: FoundColumns, column: str | int, what: str) -> int:
    if isinstance(column, int):
        if not 0 <= column < found.width:
            raise InvalidData(
                f"{what} is column {column}, counted from 0, but {found.location} has "
                f"{count(found.width, 'column')}{_listed(found.names)}"
            )
        return column
    if found.names is None:
        raise InvalidData(
            f"{what} is {column!r}, but the columns have no names at {found.location}; give a "
            "position counted from 0, or for CSV with names in its first line header=present"
        )
    if column not in found.names:
        close = get_close_matches(column, found.names, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InvalidData(
            f"{what} is {column!r}, which is not a column of {found.location}; {hint}"
            f"the columns are {_joined(found.names)}"
        )
    return found.names.index(column)


def _listed(names: Sequence[str] | None) -> str:
    return "" if names is None else f" ({_joined(names)})"


def _joined(names: Iterable[str]) -> str:
    shown = [format_value(name) for name in names]
    more = f", ... {len(shown)} in all" if len(shown) > _NAMES_SHOWN else ""
    return ", ".join(shown[:_NAMES_SHOWN]) + more

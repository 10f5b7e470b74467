"""Rows as their owner writes them: what training read in a column, the server reads in requests."""

import httpx
import pytest

from support import lay_out, serving
from training.train_command import trained

CSV, WITH_NAMES, JSON = "text/csv", "text/csv; header=present", "application/jsonlines"
CHOSEN = {"algorithm": "decision_tree", "target": "label"}


def rows(line, count=60):
    return "".join(line(row) + "\n" for row in range(count))


def colored(row):
    return f'{("yes", "no")[row % 2]}, "{("red", "blue")[row % 2]}", {row % 7}.1'


def measured(row):
    return f"{'yes' if row / 40 > 5 else 'no'},{'-' if row == 9 else f'{row / 40:.2f}'}"


def priced(row):
    return f'{("no", "yes")[row >= 30]},"R$ {1 + row // 10},{row % 10 * 100:03d}.50"'


def in_euros(row):
    return f'{("no", "yes")[row >= 30]},"{1 + row // 10}.{row % 10 * 100:03d},50 €"'


def identified(row):
    return f"{row},n{row},{('no', 'yes')[row >= 30]},{row}.5,2024-01-{row % 28 + 1:02d}"


def ended(row):
    return f"{('no', 'yes')[row >= 30]},{row}.5,{row % 7},"


CASES = {
    "quotes after blanks": (
        "label,c,x\n" + rows(colored),
        {},
        [
            (JSON, '{"c": "blue", "x": 3.1}', "no"),
            (JSON, '{"c": "red", "x": 3.1}', "yes"),
            (CSV, ' "red", 3.1', "yes"),
            (CSV, "blue,3.1", "no"),
        ],
    ),
    "a hyphen among numbers": (
        "label,x\n" + rows(measured, 400),
        {},
        [
            *((CSV, text, "yes") for text in ("7.50", "7.5", "99", "5.1")),
            *((CSV, text, "no") for text in ("4.9", "0.25")),
            (JSON, '{"x": 7.5}', "yes"),
            (JSON, '{"x": "7.50"}', "yes"),
        ],
    ),
    "a currency and thousands": (
        "label,x\n" + rows(priced),
        {},
        [
            (CSV, '"R$ 5,900.00"', "yes"),
            (CSV, '"R$ 1,900.00"', "no"),
            (CSV, "5900", "yes"),
            (JSON, '{"x": 1900.5}', "no"),
            (JSON, '{"x": "R$ 5,900"}', "yes"),
        ],
    ),
    "decimal commas in quotes": (
        "label,x\n" + rows(in_euros),
        {},
        [
            (CSV, '"5.900,00 €"', "yes"),
            (CSV, '"1.900,00 €"', "no"),
            (JSON, '{"x": "5.900,5"}', "yes"),
            (JSON, '{"x": 1900.5}', "no"),
        ],
    ),
    "columns that training left out": (
        "Unnamed: 0,id,label,x,day\n" + rows(identified),
        {"ignore": "id"},
        [
            (JSON, '{"id": "n3", "x": 50.5, "day": "2024-02-01"}', "yes"),
            (JSON, '{"Unnamed: 0": 3, "id": "n3", "x": 3.5, "day": 5}', "no"),
            (WITH_NAMES, "Unnamed: 0,id,x,day\n7,n7,3.5,2024-02-01", "no"),
            (WITH_NAMES, "x\n50.5", "yes"),
            (CSV, "50.5", "yes"),
        ],
    ),
    "a word that means missing": (
        "label,x,z\n" + rows(ended).replace(",\n", "\n"),
        {"missing_values": "unknown"},
        [
            (CSV, "50.5,unknown", "yes"),
            (JSON, '{"x": 3.5, "z": "unknown"}', "no"),
        ],
    ),
    "separators at the ends of lines": (
        "label,x,z,\n" + rows(ended),
        {},
        [
            (WITH_NAMES, "x,z,\n50.5,3,", "yes"),
            (WITH_NAMES, "x,z\n3.5,3", "no"),
            (CSV, "50.5,3", "yes"),
            (JSON, '{"x": 3.5, "z": 1}', "no"),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_row_means_the_same_in_training_and_in_requests(tmp_path, name):
    text, chosen, requests = CASES[name]
    trained(lay_out(tmp_path, {"train": {"a.csv": text}}, {**CHOSEN, **chosen}))
    with serving(tmp_path / "model") as server:
        for content_type, body, label in requests:
            response = httpx.post(
                f"{server.url}/invocations",
                content=body.encode(),
                headers={"Content-Type": content_type, "Accept": CSV},
                timeout=60,
            )
            assert (body, response.text.strip()) == (body, label)

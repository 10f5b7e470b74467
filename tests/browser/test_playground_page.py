"""The page to try a model on, as a person uses it: by keyboard, on a phone, with a file."""

import csv
import io
import json
import re
import subprocess
import sys
from importlib.resources import files

import httpx
import pytest
from playwright.sync_api import expect

from mlserver_forest.serving.playground import calls
from support import IRIS, IRIS_NAMES

SECONDS = 60_000
ROW = ["6.1", "2.9", "4.7", "1.4"]
# Name, Cylinders, Displacement, Horsepower, Weight_in_lbs, Acceleration, Year and Origin.
CAR = "vw rabbit,4,97,,1985,15.5,1977-01-01,Europe"
NEW_CAR = "tesla,4,97,900,1985,15.5,1977-01-01,Europe"
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


def ask(server, row, outputs):
    """The server's own answer."""
    answer = httpx.post(
        server.url + "/invocations",
        json={"instances": [row]},
        headers={"X-Amzn-SageMaker-Custom-Attributes": f"outputs={outputs}"},
        timeout=60,
    )
    return answer.json()["predictions"][0]


def shown(page, table):
    """The rows of a table of bars, the header and the number of each."""
    rows = page.locator(f"table.{table} tbody tr")
    return {
        row.locator("th bdi").first.inner_text(): row.locator("td").inner_text().strip()
        for row in rows.all()
    }


def signed(text):
    """A number with a sign, whose minus is a typographer's."""
    return float(text.replace("\N{MINUS SIGN}", "-"))


def answered(page, text=None):
    """Wait for an answer."""
    found = page.locator(".answer", has_text=text) if text else page.locator(".answer")
    found.wait_for(timeout=SECONDS)
    page.locator(".answer-box:not(.waiting)").wait_for(timeout=SECONDS)


def type_row(page, values):
    """By keyboard alone: from the first field on, each value and Tab."""
    page.locator("#field-0").focus()
    for value in values:
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")


def test_the_form_is_filled_by_keyboard_and_the_answer_is_the_servers(iris_page_server, open_page):
    """Values and Enter on the button that Tab comes to; classes, shares, and the reasons."""
    page = open_page(iris_page_server)
    answered(page, "setosa")  # The prediction for the sample row on the page.
    type_row(page, ROW)
    answered(page, "versicolor")
    expected = ask(
        iris_page_server, list(map(float, ROW)), "probabilities,contributions,expected_value"
    )
    classes = ("setosa", "versicolor", "virginica")
    shares = [f"{100 * share:.1f} %" for share in expected["probabilities"]]
    assert shown(page, "probabilities") == dict(zip(classes, shares, strict=True))
    reasons = {name: signed(text) for name, text in shown(page, "contributions").items()}
    assert set(reasons) == set(IRIS_NAMES)
    for name, value in reasons.items():
        assert value == pytest.approx(expected["contributions"][name][1], abs=1e-3)
    members = page.locator(".chips").inner_text().split()
    assert (
        members == ask(iris_page_server, list(map(float, ROW)), "prediction_set")["prediction_set"]
    )
    assert "Predicted versicolor" in page.get_by_role("status").first.inner_text()


def test_another_class_can_be_explained(iris_page_server, open_page):
    page = open_page(iris_page_server)
    answered(page, "setosa")
    page.get_by_label("Contributions to").select_option("virginica")
    row = [float(page.locator(f"#field-{i}").input_value()) for i in range(4)]
    expected = ask(iris_page_server, row, "contributions")["contributions"]
    reasons = shown(page, "contributions")
    assert signed(reasons["petal_length"]) == pytest.approx(expected["petal_length"][2], abs=1e-3)


def test_the_card_says_what_when_and_how_good(iris_page_server, open_page):
    page = open_page(iris_page_server)
    head = page.locator("header").inner_text()
    for text in ("forest", "setosa, versicolor or virginica", "Random forest", "UTC"):
        assert text in head
    assert "scikit-learn/" in head
    assert "150" in head
    about = page.locator("#about").inner_text()
    assert "Balanced accuracy" in about
    assert "petal_length" in about


def test_categories_booleans_and_missing_values_have_their_fields(flats_page_server, open_page):
    """A word that looks like HTML is a word; an empty choice is a missing value."""
    page = open_page(flats_page_server)
    answered(page)
    assert page.get_by_label("district", exact=True).locator("option").all_inner_texts() == [
        "(missing)",
        "north",
        "old town",
        'the "east", <b>',
    ]
    page.get_by_label("size", exact=True).fill("100")
    page.get_by_label("district", exact=True).select_option('the "east", <b>')
    page.get_by_label("balcony", exact=True).select_option("")
    page.get_by_role("button", name="Predict").click()
    expected = ask(flats_page_server, [100, 'the "east", <b>', None], "score")["score"]
    answered(page, f"{expected:.4g}")
    low, high = ask(flats_page_server, [100, 'the "east", <b>', None], "interval")["interval"]
    said = page.locator(".interval").inner_text().replace("\N{MINUS SIGN}", "-")
    assert f"price is between {low:.4g} and {high:.4g}" in said
    assert "On average over new rows like those of training, about 80 % of such intervals" in said
    assert "missing" in page.locator("table.contributions").inner_text()


def test_a_value_that_training_never_saw_is_marked_at_its_field(flats_page_server, open_page):
    page = open_page(flats_page_server)
    answered(page)
    assert "25 to 159 in training" in page.locator("#field-0-hint").inner_text()
    page.get_by_label("size", exact=True).fill("1000")
    page.get_by_role("button", name="Predict").click()
    page.locator(".warning").wait_for(timeout=SECONDS)
    said = page.locator(".warning").inner_text()
    assert "Outside the training range: size." in said
    assert "The 80 % above are an average over rows like those of training" in said
    assert "outside the training range" in page.locator("#field-0-hint").inner_text()


def test_the_servers_error_stands_beside_the_form(iris_page_server, open_page):
    page = open_page(iris_page_server)
    answered(page)
    page.get_by_label("sepal_length", exact=True).fill("1e39")
    page.get_by_role("button", name="Predict").click()
    error = page.locator("form [role=alert]")
    error.wait_for(timeout=SECONDS)
    assert "row 1, column 1 (sepal_length)" in error.inner_text()


SAME = {"curl, CSV": calls.curl_csv, "curl, V2": calls.curl_v2}


@pytest.mark.parametrize("fixture", ["iris_page_server", "flats_page_server"])
def test_the_calls_run_as_they_are_copied(fixture, request, open_page):
    """Each gives the prediction that the page shows; forest quickstart prints the same texts."""
    server = request.getfixturevalue(fixture)
    page = open_page(server)
    answered(page)
    text = page.locator("#document").inner_text()
    document = json.loads(text)["model"]
    wanted = "score" if document["kind"] == "regression" else "predicted_label"
    answer = str(ask(server, document["samples"][0], wanted)[wanted])
    for name in ("curl, CSV", "curl, JSON", "Python", "curl, V2", "Python, V2"):
        page.get_by_role("tab", name=name, exact=True).click()
        call = page.locator("#call code").inner_text()
        if name in SAME:
            origin = httpx.URL(page.url)
            same = SAME[name](document, document["samples"][0], f"http://{origin.netloc.decode()}")
            assert call.strip() == same.strip()
        command = ["bash", "-c", call] if name.startswith("curl") else [sys.executable, "-c", call]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert answer[:6] in done.stdout, name


def test_tabs_are_chosen_by_arrows(iris_page_server, open_page):
    page = open_page(iris_page_server)
    answered(page)
    page.get_by_role("tab", name="curl, CSV").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("[aria-selected=true]").inner_text() == "Python, V2"
    assert "tritonclient" in page.locator("#call code").inner_text()


def drop(page, name, text):
    """As a file manager drops a file."""
    transfer = page.evaluate_handle(
        """([name, text]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([text], name));
            return transfer;
        }""",
        [name, text],
    )
    page.dispatch_event(".drop", "drop", {"dataTransfer": transfer})


def downloaded(page):
    page.locator("#download").wait_for(timeout=SECONDS)
    with page.expect_download() as download:
        page.locator("#download").click()
    return download.value.suggested_filename, download.value.path().read_text()


def test_a_dropped_file_comes_back_with_its_predictions(iris_page_server, open_page):
    """Columns in another order, a column that is not a feature, quotes: all stay as they are."""
    lines = [line.split(",") for line in IRIS.read_text().split()]
    text = "petal_width,note,petal_length,sepal_width,sepal_length\r\n"
    text += "".join(f'{a[4]},"a, ""{a[0]}""\nb",{a[3]},{a[2]},{a[1]}\r\n' for a in lines)
    page = open_page(iris_page_server)
    drop(page, "iris.rows.csv", text)
    name, found = downloaded(page)
    assert name == "iris.rows-predictions.csv"
    body = "\n".join(",".join(line[1:]) for line in lines)
    expected = httpx.post(
        iris_page_server.url + "/invocations",
        content=body,
        headers={
            "content-type": "text/csv",
            "accept": "application/jsonlines",
            "x-amzn-sagemaker-custom-attributes": "outputs=predicted_label,probabilities",
        },
    ).text.split("\n")
    head, *rows = csv.reader(io.StringIO(found))
    assert head[5:9] == [
        "prediction",
        *(f"probability_{c}" for c in ("setosa", "versicolor", "virginica")),
    ]
    assert [row[:5] for row in rows] == list(csv.reader(io.StringIO(text)))[1:]
    for row, line in zip(rows, expected, strict=False):
        answer = json.loads(line)
        assert row[5] == answer["predicted_label"]
        assert list(map(float, row[6:9])) == answer["probabilities"]
    assert len(rows) == 150
    # The reasons of the rows that the table shows.
    page.locator("#score td.reasons", has_text="petal").first.wait_for(timeout=SECONDS)
    _, found = downloaded(page)
    head, *more = csv.reader(io.StringIO(found))
    assert head[9:11] == ["reason_1", "contribution_1"]
    assert [row[:9] for row in more] == [row[:9] for row in rows]
    assert {row[9] for row in more[:20]} <= {"petal_length", "petal_width"}
    assert all(abs(float(row[10])) > 0.1 for row in more[:20])
    assert set(more[-1][9:]) == {""}
    assert "note" in page.locator("#score").inner_text()


def test_a_chosen_file_without_a_header_is_scored_in_pieces(flats_page_server, open_page):
    """More rows than one request takes, with words in quotes."""
    text = "".join(f'{25 + i % 100},"the ""east"", <b>",true\n' for i in range(12_000))
    page = open_page(flats_page_server)
    posts = []
    outputs = "x-amzn-sagemaker-custom-attributes"
    page.on(
        "request",
        lambda sent: (
            posts.append(sent) if "out_of_range" in sent.headers.get(outputs, "") else None
        ),
    )
    answered(page)
    posts.clear()
    page.locator("#file").set_input_files(
        files=[{"name": "flats.csv", "mimeType": "text/csv", "buffer": text.encode()}]
    )
    _, found = downloaded(page)
    rows = list(csv.reader(io.StringIO(found)))
    assert [row[:3] for row in rows] == list(csv.reader(io.StringIO(text)))
    expected = ask(flats_page_server, [25, 'the "east", <b>', True], "score,interval")
    (found,) = {tuple(map(float, row[3:6])) for row in rows if row[0] == "25"}
    assert found == pytest.approx((expected["score"], *expected["interval"]))
    assert len(posts) == 3


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("5.1,3.5,1.4,0.2\n\n5.1,3.5,x,0.2\n", "Line 3, column 3 (petal_length)"),
        ("5.1,3.5,1.4,0.2\n5.1,3.5\n", "Line 2 has 2 fields; the first line has 4."),
        ("sepal_length,sepal_width\n1,2\n", "The header does not have petal_length, petal_width"),
        ("1,2,3\n", "The first line has 3 fields; the model reads 4"),
        ("", "The file has no rows."),
    ],
)
def test_a_faulty_file_is_refused_with_its_line(text, error, iris_page_server, open_page):
    page = open_page(iris_page_server)
    drop(page, "faulty.csv", text)
    alert = page.locator("#score [role=alert]")
    alert.wait_for(timeout=SECONDS)
    assert error in alert.inner_text()


def test_typing_predicts_one_row_at_a_time_and_the_last_one_wins(cars_page_server, open_page):
    """Dates, words out of many and gaps can be entered; the row's address gives the same page."""
    page = open_page(cars_page_server)
    head = page.locator("header").inner_text()
    assert "Predicts Miles_per_Gallon from 8 features." in head
    answered(page)
    in_flight, most, rows = set(), [0], []

    def end(sent):
        in_flight.discard(sent)

    def begin(sent):
        if sent.method == "POST":
            in_flight.add(sent)
            most[0] = max(most[0], len(in_flight))
            rows.append(sent.post_data_json["instances"])

    page.on("request", begin)
    page.on("requestfinished", end)
    page.get_by_label("Name", exact=True).fill("vw rabbit")
    page.get_by_label("Year", exact=True).fill("1977-01-01")
    page.get_by_label("Origin").select_option("Europe")
    page.get_by_role("button", name="Set Horsepower to missing").click()
    for name, value in (("Cylinders", "4"), ("Displacement", "97"), ("Acceleration", "15.5")):
        page.get_by_label(name, exact=True).fill(value)
    weight = page.get_by_label("Weight_in_lbs", exact=True)
    weight.fill("")
    weight.press_sequentially("1985", delay=120)
    weight.press("ArrowUp")  # By a hundredth of the range, not by 1.
    row = ["vw rabbit", 4, 97, None, 2035, 15.5, "1977-01-01", "Europe"]
    page.wait_for_url(lambda url: "Weight_in_lbs=2035" in url)
    page.locator(".answer-box:not(.waiting)").wait_for()
    assert most == [1]
    assert [row] in rows
    expected = ask(cars_page_server, row, "score")["score"]
    assert page.locator(".answer").inner_text() == f"{expected:.4g}"
    along = next(found for found in reversed(rows) if len(found) > 1)
    assert len(along) == 41
    assert len({json.dumps(one[:6] + one[7:]) for one in along}) == 1
    assert along[-1][6] == "1982-01-01"
    assert "1982-01-01" in page.locator(".what-if .curve").get_attribute("aria-label")
    assert re.findall(r"\d\.\d{6}", page.locator("main").inner_text()) == []
    shared = open_page(cars_page_server, "/" + page.evaluate("location.hash"))
    answered(shared, f"{expected:.4g}")
    assert shared.get_by_label("Year", exact=True).input_value() == "1977-01-01"
    assert shared.get_by_label("Horsepower", exact=True).input_value() == ""
    shared.get_by_role("link", name="Training report").click()
    shared.get_by_role("heading", name="Partial dependence").wait_for()
    shared.get_by_role("link", name="Try the model on rows of your own").click()
    answered(shared)


def test_a_scored_file_is_a_table_that_sorts_marks_and_explains(cars_page_server, open_page):
    """Each row has its reasons, and opens in the form."""
    page = open_page(cars_page_server)
    answered(page)
    body = [f"{CAR.replace('1985', str(1700 + 40 * i))}" for i in range(25)] + [NEW_CAR]
    drop(page, "cars.csv", "\n".join(body))
    table = page.locator(".scored")
    table.wait_for()
    assert table.locator("tbody tr").count() == 20
    page.get_by_role("button", name="Miles_per_Gallon").click()
    page.get_by_role("button", name="Miles_per_Gallon").click()
    assert table.locator("th[aria-sort=descending]").count() == 1
    scores = [float(text) for text in table.locator("tbody td:nth-child(2)").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    page.get_by_label("Only rows with a value outside the training range (1)").check()
    assert table.locator("tbody tr").count() == 1
    marked = table.locator(".outside").all_inner_texts()
    assert [text.split()[0] for text in marked] == ["tesla", "900"]
    expect(table.locator(".reasons")).not_to_have_text("…", timeout=SECONDS)
    row = ["tesla", 4, 97, 900, 1985, 15.5, "1977-01-01", "Europe"]
    found = ask(cars_page_server, row, "contributions,score")
    first = max(found["contributions"].items(), key=lambda one: abs(one[1]))
    reasons = table.locator(".reasons").inner_text()
    assert reasons.startswith(f"{first[0]} {'+' if first[1] > 0 else ''}")
    table.get_by_role("link", name="26", exact=True).click()
    answered(page, f"{found['score']:.4g}")
    assert page.get_by_label("Name", exact=True).input_value() == "tesla"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("fixture", ["iris_page_server", "cars_page_server"])
def test_the_page_fits_and_is_accessible(fixture, scheme, size, request, open_page, tmp_path):
    """No scrolling sideways, and nothing that axe-core calls serious or critical."""
    page = open_page(
        request.getfixturevalue(fixture),
        color_scheme=scheme,
        viewport=SIZES[size],
        reduced_motion="reduce",
    )
    answered(page)
    drop(page, "one.csv", "5.1,3.5,1.4,0.2\n" if "iris" in fixture else f"{CAR}\n{NEW_CAR}\n")
    page.locator(".scored").wait_for(timeout=SECONDS)
    page.locator(".what-if .curve").wait_for(timeout=SECONDS)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run()")
    grave = [fault for fault in found["violations"] if fault["impact"] in {"serious", "critical"}]
    assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in grave] == []

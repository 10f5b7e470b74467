"""Several models in one process have modules of the same name, and each gets its own."""

import pickle
import sys
import threading

import pytest

from mlserver_forest.serving.scripts.script_modules import ScriptModules


@pytest.fixture
def make(tmp_path):
    """Makes the modules of a model from their texts; all are forgotten afterwards."""
    made = []

    def make(name, **texts):
        folder = tmp_path / name
        for path, text in texts.items():
            file = folder / f"{path}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        made.append(ScriptModules([folder]))
        return made[-1]

    yield make
    for modules in made:
        modules.unload()


SCRIPT = """
import helper_of_test
from parts_of_test.first import FIRST

class Thing:
    pass

def now(): return helper_of_test.NAME, FIRST

def later():
    from parts_of_test import second
    from parts_of_test.first import FIRST
    import helper_of_test
    import parts_of_test.third
    return helper_of_test.NAME, second.SECOND, FIRST, parts_of_test.third.THIRD
"""


def texts_of(name):
    return {
        "script_of_test": SCRIPT,
        "helper_of_test": f"NAME = {name!r}",
        "parts_of_test/first": f"FIRST = {name!r} + '1'",
        "parts_of_test/second": "from .first import FIRST\nSECOND = FIRST.replace('1', '2')",
        "parts_of_test/third": f"from . import second\nTHIRD = {name!r} + '3'",
    }


def test_each_model_gets_its_own_modules_now_and_later(make):
    models = [make(name, **texts_of(name)) for name in "ab"]
    scripts = [modules.load("script_of_test") for modules in models]
    found = {}

    def ask(name, script):
        found[name] = script.now(), script.later()

    threads = [threading.Thread(target=ask, args=each) for each in zip("ab", scripts, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {
        name: ((name, f"{name}1"), (name, f"{name}2", f"{name}1", f"{name}3")) for name in "ab"
    }
    assert not {"script_of_test", "helper_of_test", "parts_of_test"} & set(sys.modules)


def test_a_model_that_is_alone_with_a_name_has_its_modules_where_pickles_look(make):
    modules = make("a", **texts_of("a"))
    script = modules.load("script_of_test")
    assert sys.modules["script_of_test"] is script
    thing = pickle.loads(pickle.dumps(script.Thing()))  # noqa: S301  # our own
    assert type(thing) is script.Thing
    modules.unload()
    assert "script_of_test" not in sys.modules
    assert modules not in sys.meta_path


def test_pickles_find_classes_of_the_model_while_it_is_loaded(make, tmp_path):
    path = tmp_path / "thing.pkl"
    make("first", **texts_of("first")).load("script_of_test")
    path.write_bytes(b"cscript_of_test\nThing\n.")
    modules = make("second", **texts_of("second"))
    with modules.imported():
        script = modules.load("script_of_test")
        assert pickle.loads(path.read_bytes()) is script.Thing  # noqa: S301  # our own
    assert script.now() == ("second", "second1")


def test_a_module_of_another_model_alone_is_not_found(make):
    make("a", only_in_a="NAME = 1").load("only_in_a")
    modules = make("b", asks_for_a="def ask():\n    import only_in_a")
    with pytest.raises(ModuleNotFoundError, match="only_in_a"):
        modules.load("asks_for_a").ask()


def test_names_of_python_and_of_the_server_keep_their_meaning(make):
    modules = make("a", json="1/0", numpy="1/0", uses_both_of_test="import json, numpy")
    assert modules.hidden == {"json", "numpy"}
    assert modules.load("uses_both_of_test").json.dumps([]) == "[]"


def test_a_module_that_fails_is_not_kept(make, tmp_path):
    modules = make("a", fails_of_test="1/0")
    with pytest.raises(ZeroDivisionError):
        modules.load("fails_of_test")
    (tmp_path / "a" / "fails_of_test.py").write_text("WELL = True")
    assert modules.load("fails_of_test").WELL

"""A script's requirements.txt is read, never installed."""

from importlib.metadata import version

from mlserver_forest.serving.scripts.script_requirements import missing_requirements

TEXT = """\
# What the endpoint needs
numpy
numpy==1.0  # of old
Scikit_Learn>=0.20 ; python_version > "3"
winreg-of-nobody ; sys_platform == "win32"
package-of-nobody[extra]>=2,\\
 <3
--extra-index-url https://example.com
./wheels/own.whl
"""


def test_each_requirement_that_is_not_met_is_named(tmp_path):
    path = tmp_path / "requirements.txt"
    assert missing_requirements(path) == []
    path.write_text(TEXT)
    assert missing_requirements(path) == [
        f"numpy==1.0 ({version('numpy')} is installed)",
        "package-of-nobody[extra]>=2,  <3 (not installed)",
        "--extra-index-url https://example.com",
        "./wheels/own.whl",
    ]

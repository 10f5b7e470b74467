"""What is deployed is what serve would serve: a model directory, or its archive."""

import shutil
import tarfile

import pytest

from mlserver_forest.aws.served_folder import check_model_archive, check_model_folder
from mlserver_forest.errors import DeploymentError


@pytest.fixture
def training(tmp_path, model_dir):
    """The folder that forest train writes: the data, the report and the model."""
    (tmp_path / "ml" / "input" / "data").mkdir(parents=True)
    (tmp_path / "ml" / "input" / "data" / "iris.csv").write_text("1,2\n")
    shutil.copytree(model_dir, tmp_path / "ml" / "model")
    return tmp_path / "ml"


def archive(path, folder, name="."):
    with tarfile.open(path, "w:gz") as members:
        members.add(folder, name)
    return path


def test_a_model_directory_and_its_archive_pass(training, tmp_path):
    check_model_folder(training / "model")
    check_model_archive(archive(tmp_path / "a.tar.gz", training / "model"))
    versions = tmp_path / "versions"
    for number in "12":
        shutil.copytree(training / "model", versions / number)
    check_model_folder(versions)
    script = tmp_path / "script"
    (script / "code").mkdir(parents=True)
    (script / "code" / "inference.py").write_text("def model_fn(folder): ...\n")
    check_model_folder(script)


def test_everything_else_is_refused_with_what_to_give(training, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model-settings.json").write_text("{")
    (tmp_path / "junk.tar.gz").write_bytes(b"no archive")
    with tarfile.open(tmp_path / "plain.tar.gz", "w") as members:
        members.add(training / "model", ".")
    folders = {
        training: f"{training} is not a model directory; {training / 'model'} in it is",
        training / "input": "and nothing else that serve would serve",
        tmp_path / "empty": "is empty",
        tmp_path / "broken": "cannot be used",
    }
    archives = {
        tmp_path / "junk.tar.gz": "is not a .tar.gz (not a gzip file)",
        tmp_path / "plain.tar.gz": "is not a .tar.gz",
        archive(tmp_path / "in.tar.gz", training / "model", "m"): "holds m/model-settings.json in",
        archive(tmp_path / "data.tar.gz", training / "input"): "nothing else that serve would",
    }
    for check, table in ((check_model_folder, folders), (check_model_archive, archives)):
        for path, said in table.items():
            with pytest.raises(DeploymentError) as caught:
                check(path)
            assert said in str(caught.value)

"""What files are that are not models, by their first bytes or by the names in an archive or folder.

The forms that are read stand in ``importers/registry.py``; this table is asked first, because a
pickle or a zip archive may belong to something else. Each row says what to do instead.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mlserver_forest.errors import format_value

_NETWORK = (
    "a neural network is not a tree ensemble; serve it with a server of its own, such as "
    "Triton or TensorFlow Serving"
)
_ORIGINAL = "it cannot be turned back; pack the file of the library that trained the model"
_DATA = "it holds data, not a model; give the file of the model, and the rows as --data in CSV"
_AGAIN = "the model was not downloaded; fetch it again, as with aws s3 cp, and look at its size"
_UNPACK = "unpack it, and give the model that is in it"


@dataclass(frozen=True)
class FileKind:
    """A kind of file that is not a model.

    Attributes:
        title: for messages, such as "a PDF document".
        advice: what to do instead.
        start: a regular expression for its first bytes; empty if it is known by names alone.
        names: regular expressions for the names in an archive or a folder, which must all occur.
    """

    title: str
    advice: str
    start: bytes = b""
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.title}; {self.advice}"


_BY_START = (
    FileKind(
        "a Git LFS pointer",
        "run git lfs pull to fetch the file itself",
        rb"version https://git-lfs",
    ),
    FileKind("a Keras model in HDF5", _NETWORK, rb"\x89HDF\r\n\x1a\n"),
    FileKind("a TensorFlow SavedModel", _NETWORK, rb"\x08\x01\x12"),
    FileKind("a TensorFlow Lite model", _NETWORK, rb".{4}TFL3"),
    FileKind("a Core ML model", _ORIGINAL, rb"\x08[\x02-\x0a]\x12[\x01-\x7f]\x0a"),
    FileKind("a PyTorch file", _NETWORK, rb"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19\."),
    FileKind("a GGUF model", _NETWORK, rb"GGUF"),
    FileKind(
        "a safetensors file",
        "if it is the forest.safetensors of a packed model, serve its folder; other tensors are "
        "not a tree ensemble",
        rb".{5}\0\0\0\{",
    ),
    FileKind("a Treelite checkpoint", _ORIGINAL, rb"[\x03\x04]\0{3}[\0-\x40]\0{3}[\0-\x40]\0{3}"),
    FileKind("a compiled program or library", _ORIGINAL, rb"\x7fELF|MZ.{2}\0|\xcf\xfa\xed\xfe"),
    FileKind("an object of Java, as Weka writes it", _ORIGINAL, rb"\xac\xed\x00\x05"),
    FileKind(
        "a file of R's saveRDS or save",
        "write the booster itself in R, with xgb.save(model, 'model.ubj') or "
        "lgb.save(model, 'model.txt')",
        rb"X\n\0{3}[\x02\x03]|A\n[23]\n|RD[XA][23]\n",
    ),
    FileKind(
        "a dump of XGBoost's trees",
        "it lacks the objective and base_score; save the booster with save_model('model.ubj')",
        rb'\s*\[\s*\{\s*"nodeid"|booster\[0\]:|0:(?:\[|leaf=)',
    ),
    FileKind(
        "a dump of LightGBM's trees",
        "save the booster with booster.save_model('model.txt') instead of dump_model",
        rb'\s*\{\s*"name"\s*:\s*"tree"',
    ),
    FileKind("a PMML document", _ORIGINAL, rb"\s*<(?:[^>]*>\s*<)*PMML"),
    FileKind("an error message of S3", _AGAIN, rb"\s*<(?:\?[^>]*>\s*<)?Error>"),
    FileKind("a web page", _AGAIN, rb"(?i)\s*<(?:!doctype html|html)"),
    FileKind("an XML document", "give the file of the model", rb"\s*<\?xml"),
    FileKind("a PDF document", "give the file of the model", rb"%PDF-"),
    FileKind("an image", "give the file of the model", rb"\x89PNG|\xff\xd8\xff|GIF8"),
    FileKind("a Parquet file", _DATA, rb"PAR1"),
    FileKind("an Arrow or Feather file", _DATA, rb"ARROW1|FEA1"),
    FileKind("a NumPy array", _DATA, rb"\x93NUMPY"),
    FileKind("an ORC file", _DATA, rb"ORC"),
    FileKind("an Avro file", _DATA, rb"Obj\x01"),
    FileKind("a MATLAB file", _DATA, rb"MATLAB \d"),
    FileKind("a SQLite database", _DATA, rb"SQLite format 3\0"),
    FileKind("an archive of 7-Zip or RAR", _UNPACK, rb"7z\xbc\xaf\x27\x1c|Rar!"),
    FileKind(
        "text in UTF-16 or UTF-32, as PowerShell's > writes it",
        "copy the file without converting it, or save it as UTF-8",
        rb"\xff\xfe|\xfe\xff|\0\0\xfe\xff",
    ),
    FileKind(
        "text with a byte order mark",
        "save it as UTF-8 without one; an editor has put it in",
        rb"\xef\xbb\xbf",
    ),
    FileKind(
        "a pickle in base64",
        "decode it, as with base64 -d FILE > model.pkl, and give the result",
        rb"gA[NSJQ][A-Za-z0-9+/\s]{13}",
    ),
    FileKind(
        "a Jupyter notebook",
        "save the estimator in it, with joblib.dump(estimator, 'model.joblib')",
        rb'\s*\{\s*"(?:cells|nbformat|metadata)"',
    ),
    FileKind(
        "MLflow's description of a model",
        "give the folder that it is in",
        rb"(?:artifact_path|flavors|mlflow_version|model_id):",
    ),
    FileKind(
        "Python code",
        "run it, and save the estimator with joblib.dump(estimator, 'model.joblib')",
        rb"#!.*python|(?:import|from|def|class|async def) \w|\"\"\"",
    ),
    FileKind(
        "text with columns, such as CSV",
        _DATA,
        rb"[^\n\x00-\x08\x0e-\x1f\x7f-\xff]*[,;\t][^\n\x00-\x08]*\n",
    ),
)
_BY_NAMES = (
    FileKind(
        "a model that is packed already",
        "serve it: SAGEMAKER_BASE_DIR is the folder around it",
        names=(r"(?:.*/)?forest\.safetensors", r"(?:.*/)?model-settings\.json"),
    ),
    FileKind("a Keras model", _NETWORK, names=(r"config\.json", r".*\.weights\.h5")),
    FileKind("a TensorFlow SavedModel", _NETWORK, names=(r"(?:.*/)?saved_model\.pbt?(?:xt)?",)),
    FileKind("a TorchScript model", _NETWORK, names=(r".*/data\.pkl", r".*/constants\.pkl")),
    FileKind("a PyTorch file", _NETWORK, names=(r".*/data\.pkl", r".*/(?:version|byteorder)")),
    FileKind(
        "an H2O MOJO",
        "H2O's trees cannot be packed; train with XGBoost or LightGBM",
        names=(r"model\.ini", r"domains/.*|trees/.*"),
    ),
    FileKind(
        "a model of Spark ML",
        "Spark's own trees cannot be packed; take XGBoost's or LightGBM's booster out of the "
        "pipeline, with nativeBooster.saveModel or saveNativeModel",
        names=(r"(?:.*/)?metadata/part-\d+.*", r"(?:.*/)?(?:data|stages)/.*"),
    ),
    FileKind(
        "a predictor of AutoGluon",
        "it stacks several models; take one of them out, and save its estimator with joblib.dump",
        names=(r"(?:.*/)?predictor\.pkl", r"(?:.*/)?learner\.pkl"),
    ),
    FileKind("a bundle of MLeap", _ORIGINAL, names=(r"bundle\.json",)),
    FileKind("a model of ML.NET", _ORIGINAL, names=(r"(?:TransformerChain|TrainingInfo)/.*",)),
    FileKind("an Excel workbook", _DATA, names=(r"xl/workbook\.xml",)),
    FileKind("a Word document", "give the file of the model", names=(r"word/document\.xml",)),
    FileKind("a Java archive", _ORIGINAL, names=(r"META-INF/MANIFEST\.MF",)),
    FileKind("a Python wheel", "install it", names=(r"[^/]*\.dist-info/METADATA",)),
)
_ARRAYS = FileKind("NumPy arrays in a .npz file", _DATA)
_STARTS = tuple((re.compile(kind.start, re.DOTALL), kind) for kind in _BY_START)


def kind_of(head: bytes) -> FileKind | None:
    """The kind of a file that begins with ``head``; None if it is not in the table."""
    return next((kind for pattern, kind in _STARTS if pattern.match(head)), None)


def kind_of_names(names: Iterable[str]) -> FileKind | None:
    """The kind of an archive or a folder that holds files of these names; None if not known."""
    known = list(names)
    if known and all(name.endswith(".npy") for name in known):
        return _ARRAYS
    return next((kind for kind in _BY_NAMES if _has_all(kind.names, known)), None)


def _has_all(patterns: Iterable[str], names: list[str]) -> bool:
    return all(any(re.fullmatch(pattern, name) for name in names) for pattern in patterns)


def describe_start(head: bytes) -> str:
    """The first bytes of a file of no known kind."""
    return format_value(head[:8].decode("latin-1"))

"""Run the cells of a notebook in one process: a JSON list of texts -> a JSON list of outputs.

The value of a cell's last line is shown as a notebook does, by ``_repr_html_`` or ``repr``.
"""

import ast
import contextlib
import io
import json
import sys


def run(cell, names):
    """Run a cell; return what it writes and shows."""
    tree = ast.parse(cell)
    last = tree.body[-1]
    shown = None
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        if isinstance(last, ast.Expr):
            tree.body.pop()
            exec(compile(tree, "cell", "exec"), names)  # noqa: S102  # a page of our own
            shown = eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307
        else:
            exec(compile(tree, "cell", "exec"), names)  # noqa: S102
    if shown is not None:
        if hasattr(shown, "_repr_html_"):
            assert shown._repr_html_().strip().startswith("<")
        written.write(repr(shown) + "\n")
    return written.getvalue()


if __name__ == "__main__":
    names = {"__name__": "__main__"}
    print(json.dumps([run(cell, names) for cell in json.load(sys.stdin)]))

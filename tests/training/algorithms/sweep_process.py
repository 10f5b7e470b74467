"""Runs the jobs of the sweep in a process of their own, which a library may end."""

import os
import shutil
import sys

from forked_command import fork
from mlserver_forest.training.cli import train_in
from mlserver_forest.training.job_process import keep_libraries_quiet
from support import lay_out
from training.algorithms.sweep import csv

RAW = ("Warning", "Traceback", "[LightGBM]", "Stack trace", "the training library cannot fit")


def faults_of(drawn, folder):
    """Run jobs one after the other in a process, and in a new one after one that died."""
    faults, results = [], folder / "results"
    results.touch()
    while (done := len(results.read_text().splitlines())) < len(drawn):
        process = fork(_run, drawn[done:], folder, results)
        process.join()
        n_before, done = done, len(results.read_text().splitlines())
        if done < len(drawn):
            faults.append(f"{drawn[done]}: exit code {process.exitcode}")
            with results.open("a") as file:
                file.write("died\n")
        assert done >= n_before
    return faults + [line for line in results.read_text().splitlines() if line.startswith("fault")]


def _run(drawn, folder, results):
    """Run jobs in this process, and add a line for each to the results."""
    keep_libraries_quiet()
    for case in drawn:
        base = folder / "job"
        fault = _fault_of(case, base)
        with results.open("a") as file:
            line = f"fault: {case}: {fault}" if fault else f"ok: {case}"
            file.write(line.replace("\n", " | ") + "\n")
        shutil.rmtree(base)


def _fault_of(case, base):
    """The fault in the way a job ended, or None."""
    lay_out(base, {"train": {"a.csv": csv(case.task, case.table)}}, case.hyperparameters)
    output = base / "log"
    with output.open("wb") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        code = train_in(base)
        sys.stdout.flush()
        sys.stderr.flush()
    said = output.read_text()
    is_quiet = not {"verbose", "verbosity"} & set(case.settings)
    if code not in {0, 1} or (is_quiet and any(text in said for text in RAW)):
        return f"exit code {code}: {said[-1500:]}"
    failure = base / "output" / "failure"
    if code == 1 and not failure.read_text().startswith("ClientError: "):
        return f"no sentence: {said[-500:]}"
    return None

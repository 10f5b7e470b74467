"""``forest open``, from the shell."""

import re
import signal
import subprocess

import httpx

from support import BIN, clean_environ


def test_a_model_is_opened_and_closed(model_dir):
    """Its page is there under the printed address, for this machine alone, until Ctrl-C."""
    with subprocess.Popen(
        [BIN / "forest", "open", model_dir, "--no-browser"],
        env=clean_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # The server's log comes between.
        said = r"(http://127\.0\.0\.1:\d+/) has the model's page"
        url = next(found[1] for line in process.stdout if (found := re.match(said, line)))
        httpx.get(url, timeout=60, follow_redirects=True).raise_for_status()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err

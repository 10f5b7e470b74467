"""``forest open`` as a command."""

import re
import signal
import subprocess

import httpx

from support import BIN, clean_environ


def test_a_model_is_opened_and_closed(model_dir):
    """Until Ctrl-C, this machine alone can open its page at the printed address."""
    with subprocess.Popen(
        [BIN / "forest", "open", model_dir, "--no-browser"],
        env=clean_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # The server's log is in between.
        said = r"The model's page: +(http://127\.0\.0\.1:\d+/)"
        url = next(found[1] for line in process.stdout if (found := re.match(said, line)))
        httpx.get(url, timeout=60, follow_redirects=True).raise_for_status()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err

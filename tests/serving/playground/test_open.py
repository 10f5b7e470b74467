"""``forest open`` and ``forest serve MODEL_DIR`` as commands."""

import re
import signal
import subprocess

import httpx
import pytest

from support import BIN, clean_environ, free_port


@pytest.mark.parametrize("words", [["open", "--no-browser"], ["serve", "--port", "PORT"]])
def test_a_model_is_opened_and_closed(model_dir, words):
    """Until Ctrl-C, this machine alone can open its page at the printed address."""
    port = str(free_port())
    with subprocess.Popen(
        [BIN / "forest", *(port if word == "PORT" else word for word in words), model_dir],
        env=clean_environ(FOREST_GRPC_PORT=str(free_port())),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # The server's log is in between.
        said = r"The model's page: +(http://127\.0\.0\.1:\d+/)"
        url = next(found[1] for line in process.stdout if (found := re.match(said, line)))
        httpx.get(url, timeout=5).raise_for_status()  # It answers when it says so.
        assert words[0] == "open" or url == f"http://127.0.0.1:{port}/"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err

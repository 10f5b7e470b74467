"""The ``serve`` of AWS's sample container: starts nginx and gunicorn, and ends with either.

``python classic_serve.py FOLDER WORKERS``, in the environment that holds gunicorn; FOLDER
holds nginx.conf, and will hold the socket between the two.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path


def main(folder, workers):
    configuration = ["-e", f"{folder}/nginx-error.log", "-c", f"{folder}/nginx.conf"]
    nginx = subprocess.Popen([os.environ["CLASSIC_NGINX"], *configuration])
    gunicorn = subprocess.Popen(
        [
            Path(sys.executable).parent / "gunicorn",
            *("--timeout", "60", "-k", "sync", "-w", workers),
            *("-b", f"unix:{folder}/gunicorn.sock", "classic_app:app"),
        ],
        cwd=Path(__file__).parent,
    )

    def stop(*_):
        nginx.send_signal(signal.SIGQUIT)
        gunicorn.terminate()
        nginx.wait()
        gunicorn.wait()
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    ended = None
    while ended not in {nginx.pid, gunicorn.pid}:
        ended, _ = os.wait()
    stop()


if __name__ == "__main__":
    main(*sys.argv[1:])

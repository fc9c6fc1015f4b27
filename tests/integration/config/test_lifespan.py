import signal
import subprocess
import sys
import time

from config.ports import free_port
from config.readiness import DIRECTLY, serves


def test_a_stream_says_good_bye_at_sigterm_and_the_server_ends_at_once() -> None:
    port = free_port()
    argv = [
        sys.executable,
        "-m",
        "uvicorn",
        "tests.integration.config.drain_app:application",
        "--lifespan",
        "on",
    ]
    argv += ["--port", str(port), "--timeout-graceful-shutdown", "30", "--log-level", "error"]
    with subprocess.Popen(argv) as server:
        url = f"http://127.0.0.1:{port}/"
        deadline = time.monotonic() + 20
        while not serves_something(port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with DIRECTLY.open(url, timeout=20) as answer:
            assert answer.readline() == b"hello\n"
            server.send_signal(signal.SIGTERM)
            assert answer.read() == b"bye\n"
        started = time.monotonic()
        server.wait(timeout=20)
        assert time.monotonic() - started < 5


def serves_something(port: int) -> bool:
    """The answer never ends by itself, so only its status is awaited."""
    return serves(f"http://127.0.0.1:{port}/")

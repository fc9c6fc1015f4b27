"""The client stands alone: no Django, no Redis, nothing of the server but `streaming`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
# What httpx brings along; anything else the interpreter does not find.
ALLOWED = ("httpx", "httpcore", "h11", "anyio", "certifi", "idna", "sniffio", "typing_extensions.py")
PROGRAM = """
import sys
sys.path[:] = [path for path in sys.path if "site-packages" not in path] + [sys.argv[1]]
import streaming.client
from streaming.client import Client
Client("http://127.0.0.1:1", auth="lh_token").close()
ours = {name for name in sys.modules if name.split(".")[0] in {"streaming", "outbox", "workflows", "config"}}
print(sorted(name for name in ours if not name.startswith("streaming.client")))
"""


def test_a_clean_interpreter_imports_the_client_with_httpx_alone(tmp_path: Path) -> None:
    import httpx

    packages = Path(httpx.__file__).parents[1]
    for name in ALLOWED:
        if (packages / name).exists():
            (tmp_path / name).symlink_to(packages / name)
    (tmp_path / "streaming").symlink_to(ROOT / "streaming")

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in {"['streaming']", "['streaming', 'streaming.folding']"}

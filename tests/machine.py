"""What a machine may lack: programs that the set-up installs where it may."""

import os
import shutil

import pytest


def require(command: str) -> str:
    """The path of `command`. Skips the test without it, but under CI=true fails: green must not hide it there."""
    found = shutil.which(command)
    if found is not None:
        return found
    why = f"{command} is not installed here; `make setup` installs it where it may"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)

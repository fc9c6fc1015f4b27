"""The data folder: everything of one installation that is not code (LONGHAUL_DATA_DIR, default `.longhaul/`).

env           secrets and addresses made once: KEY=value, readable by its owner alone
db.sqlite3    the embedded database      redis/    the embedded Redis
files/        uploads and reports        reports/  what `make demo` downloaded
logs/         one file a process         lock      held while Longhaul runs on this folder
"""

import contextlib
import fcntl
import json
import os
import secrets
import stat
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from config import redis_server

PASSWORD_ALPHABET = "".join(sorted(set(string.ascii_letters + string.digits) - set("0O1lI")))
PASSWORD_LENGTH = 16
HEADER = "# Made by `make up`. Values in the environment win over these.\n"


class DataFolderError(Exception):
    """The data folder cannot be used. The message says why, and what to set."""


class InUseError(DataFolderError):
    """Another launcher holds the data folder. `holder` is what it said about itself, such as its URL."""

    def __init__(self, folder: Path, holder: Mapping[str, str]) -> None:
        super().__init__(
            f"Longhaul already runs on {folder} (process {holder.get('pid', 'unknown')}). "
            "Stop it, or set LONGHAUL_DATA_DIR to another folder."
        )
        self.holder = holder


@dataclass(frozen=True)
class DataFolder:
    root: Path

    @property
    def env_file(self) -> Path:
        return self.root / "env"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def redis(self) -> Path:
        return self.root / "redis"

    def make(self) -> None:
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._close_to_others()
            for folder in (self.logs, self.reports):
                folder.mkdir(exist_ok=True)
        except OSError as error:
            raise DataFolderError(
                f"The data folder {self.root} cannot be made: {error.strerror}. Set LONGHAUL_DATA_DIR to another one."
            ) from None

    def _close_to_others(self) -> None:
        """A folder of ours that was there already may be open to all. One that many share (sticky) stays as it is."""
        found = self.root.stat()
        if found.st_uid == os.getuid() and not found.st_mode & stat.S_ISVTX:
            self.root.chmod(0o700)

    @contextlib.contextmanager
    def held(self, **about: str) -> Iterator[None]:
        """The folder is ours for the length of the block. Raises InUseError with what its holder said."""
        path = self.root / "lock"
        with path.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUseError(self.root, _holder(path)) from None
            file.truncate(0)
            file.write(json.dumps({"pid": str(os.getpid()), **about}))
            file.flush()
            yield

    def holder(self) -> dict[str, str] | None:
        """What the launcher that holds the folder said about itself; None when nobody holds it."""
        try:
            with self.held():
                return None
        except InUseError as error:
            return dict(error.holder)


def _holder(path: Path) -> dict[str, str]:
    try:
        said: dict[str, str] = json.loads(path.read_text())
    except ValueError:  # it has the lock, and has not written yet
        return {}
    return said


def read_values(path: Path) -> dict[str, str]:
    """KEY=value lines; empty when there is no file."""
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def write_values(path: Path, values: Mapping[str, str]) -> None:
    """Set these keys in place and append new ones; the rest stays. Readable by its owner only."""
    left = dict(values)
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else [HEADER]
    for index, line in enumerate(lines):
        name = line.partition("=")[0].strip()
        if name in left:
            lines[index] = f"{name}={left.pop(name)}\n"
    lines += [f"{name}={value}\n" for name, value in left.items()]
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_text("".join(lines))
    temporary.replace(path)


def new_password() -> str:
    return "".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(PASSWORD_LENGTH))


def given_values(environment: Mapping[str, str], *, saved: Mapping[str, str]) -> dict[str, str]:
    """The environment without what `config/settings.py` copied into it from the saved values."""
    return {name: value for name, value in environment.items() if saved.get(name) != value}


def embedded_port(saved: Mapping[str, str]) -> int:
    """The embedded Redis's port in the saved REDIS_URL; 0 without one, or with a server of someone else's."""
    address = urlsplit(saved.get("REDIS_URL", ""))
    password = saved.get("REDIS_PASSWORD")
    return (address.port or 0) if password and address.password == password else 0


def complete_values(saved: Mapping[str, str], *, redis_port: int) -> dict[str, str]:
    """The saved values with every missing secret made, and REDIS_URL at `redis_port` (0: leave it out)."""
    fresh = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "REDIS_PASSWORD": new_password(),
        "ADMIN_PASSWORD": new_password(),
        "DEMO_PASSWORD": new_password(),
        "FLOWER_BASIC_AUTH": f"flower:{new_password()}",
    }
    values = {**fresh, **saved}
    if redis_port:
        values["REDIS_URL"] = redis_server.url(redis_port, values["REDIS_PASSWORD"])
    return values

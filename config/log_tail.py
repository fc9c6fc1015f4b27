"""Follows the log files of all processes and shows new lines, each with the name of its process."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

COLOURS = (36, 33, 35, 32, 34, 31, 96, 93)
POLL_SECONDS = 0.2


class LogTail:
    """From its start on. `write` gets whole lines; `colour` is for terminals."""

    def __init__(self, folder: Path, *, write: Callable[[str], object], colour: bool) -> None:
        self.folder = folder
        self._write = write
        self._colour = colour
        self._positions = {path: path.stat().st_size for path in folder.glob("*.log")}

    def start(self) -> None:
        """Read from now on, until the program ends."""
        threading.Thread(target=self._run, name="log-tail", daemon=True).start()

    def _run(self) -> None:
        while True:
            self.read()
            time.sleep(POLL_SECONDS)

    def read(self) -> None:
        """Show what was added since the last call. A half line waits for its end."""
        for index, path in enumerate(sorted(self.folder.glob("*.log"))):
            position = self._positions.get(path, 0)
            if path.stat().st_size < position:  # it was set aside and emptied
                position = 0
            with path.open("rb") as file:
                file.seek(position)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._positions[path] = position + len(whole)
            for line in whole.decode(errors="replace").splitlines():
                self._write(self._prefixed(path.stem, line, COLOURS[index % len(COLOURS)]))

    def _prefixed(self, name: str, line: str, colour: int) -> str:
        prefix = f"{name:<10} | "
        return f"\033[{colour}m{prefix}\033[0m{line}" if self._colour else f"{prefix}{line}"

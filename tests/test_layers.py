"""Imports run downhill only, between packages and between the rooms inside one."""

import ast
from pathlib import Path

import pytest

RANK = {"outbox": 0, "streaming": 1, "workflows": 2, "documents": 3, "config": 4, "benchmarks": 5}

# Rooms of a package from the bottom up; a room may import rooms on lower lines, and itself.
ROOMS = {
    "outbox": [
        {"apps", "clock", "conf", "connections", "consumer", "failpoints", "wire"},
        {"firehose", "models", "pacing", "redis"},
        {"backlog", "leases", "nudge", "publisher", "retention", "status", "tombstones", "trimming"},
        {"append", "cursors", "epochs", "forgetting", "frames", "report", "requeueing", "webhooks"},
        {"relay", "verification"},
        {"consumers", "consuming", "looping"},
        {"tasks", "upkeep"},
        {"management"},
    ],
    "streaming": [
        {"apps", "folding", "parsers", "prices"},
        {"client", "conf", "hints", "prompts"},
        {"llm", "gateway"},
        {"fanout"},
        {"management"},
    ],
    "workflows": [
        {
            "apps",
            "conf",
            "errors",
            "problem_kinds",
            "states",
            "strict_json",
            "holder",
            "dispatch",
            "credentials",
        },
        {"browsing", "storage", "telemetry"},
        {"definitions"},
        {"engine"},
        {"events", "models"},
        {"execution", "services"},
        {"principals"},
        {"entrance", "rights", "usage"},
        {"results"},
        {"selectors"},
        {"access", "system", "tasks", "testing"},
        {"api", "admin", "pages"},
        {"management"},
    ],
}


def imported(path: Path) -> set[str]:
    """Dotted names of what a file imports, in functions and under TYPE_CHECKING too."""
    nodes = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def sources(package: str) -> list[Path]:
    return [path for path in Path(package).rglob("*.py") if "migrations" not in path.parts]


@pytest.mark.parametrize("package", RANK)
def test_imports_between_packages_run_downhill(package: str) -> None:
    for path in sources(package):
        tops = {name.partition(".")[0] for name in imported(path)}
        uphill = {name for name in tops if RANK.get(name, -1) > RANK[package]}
        assert not uphill, f"{path} reaches up to {uphill}"


@pytest.mark.parametrize("package", ROOMS)
def test_imports_between_rooms_run_downhill(package: str) -> None:
    level = {room: index for index, rooms in enumerate(ROOMS[package]) for room in rooms}
    for path in sources(package):
        if path.name == "__init__.py" and path.parent.name == package:
            continue
        here = path.relative_to(package).parts[0].removesuffix(".py")
        assert here in level, (
            f"{path} stands in no room: name it in ROOMS, at the level of what it may import"
        )
        for name in imported(path):
            top, _, rest = name.partition(".")
            there = rest.partition(".")[0]
            if top == package and there in level and there != here:
                assert level[there] < level[here], f"{path} reaches up or sideways to {name}"


def test_nothing_that_runs_in_production_imports_what_is_for_tests() -> None:
    for path in (path for package in RANK for path in sources(package) if "testing" not in path.parts):
        assert not any(name.startswith("workflows.testing") for name in imported(path)), path


def test_apps_have_empty_init_files_since_django_imports_them_before_models_are_ready() -> None:
    for package in RANK:
        assert not Path(package, "__init__.py").read_text()


def test_no_room_is_a_junk_drawer() -> None:
    names = {path.stem for package in RANK for path in sources(package)}
    assert not names & {"utils", "helpers", "common", "misc", "manager"}


def test_the_engine_uses_no_timers_or_retries_of_celery() -> None:
    for package in ("workflows", "outbox"):
        for path in sources(package):
            text = path.read_text()
            assert not any(word in text for word in ("countdown=", "eta=", "self.retry(", ".retry(args")), (
                path
            )


def test_nothing_trusts_text_as_markup() -> None:
    sinks = ("mark_safe", "|safe", "innerHTML", "insertAdjacentHTML", "autoescape off", "document.write")
    pages = [path for folder in [*RANK, "templates"] for path in Path(folder).rglob("*")]
    for path in pages:
        if path.suffix in {".py", ".html", ".js"}:
            text = path.read_text()
            assert not any(sink in text for sink in sinks), path

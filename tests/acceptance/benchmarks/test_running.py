"""The command itself, at a size that measures nothing: so that it still runs when somebody wants to know."""

import json
import subprocess
import sys


def test_the_relays_benchmark_runs_from_end_to_end_and_writes_its_figures(tmp_path):
    path = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--only", "relay", "--smoke", "--json", str(path)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr[-2_000:]
    told = json.loads(path.read_text())
    names = {figure["figure"].partition(",")[0] for figure in told["figures"]}
    assert {"relay throughput", "relay latency p50", "relay latency p99"} <= names
    assert any("entries, floor" in figure["figure"] for figure in told["figures"])
    assert all(figure["value"] > 0 for figure in told["figures"])
    assert {"cores", "python", "postgresql", "redis", "commit", "date"} <= set(told["machine"])
    assert "relay throughput" in answer.stdout


def test_the_parsers_benchmark_runs_from_end_to_end_and_writes_its_figures(tmp_path):
    path = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--only", "parsers", "--smoke", "--json", str(path)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr[-2_000:]
    told = json.loads(path.read_text())
    names = {figure["figure"].partition(",")[0].partition(":")[0] for figure in told["figures"]}
    assert {"NdjsonParser", "DocumentParser", "re-parsing the prefix with jiter"} <= names
    assert any("peak memory above start" in figure["figure"] for figure in told["figures"])
    assert {"ijson", "orjson", "pydantic-core", "jiter"} <= set(told["machine"])


def test_the_benchmarks_can_be_listed_and_none_is_run():
    answer = subprocess.run([sys.executable, "-m", "benchmarks", "--list"], capture_output=True, text=True)
    assert answer.returncode == 0
    assert answer.stdout.startswith("relay ")

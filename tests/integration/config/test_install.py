"""The set-up script on machines that lack something: what it installs, what it says, what it does not repeat."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

TOOLS = [
    "sh",
    "env",
    "cat",
    "awk",
    "dirname",
    "mkdir",
    "cksum",
    "cut",
    "id",
    "tail",
    "sed",
    "date",
    "touch",
    "rm",
    "ls",
]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A checkout whose Python packages are installed, on a machine with few programs and an ordinary user."""
    source = Path(settings.BASE_DIR)
    setup = tmp_path / "config" / "setup"
    shutil.copytree(source / "config" / "setup", setup)
    shutil.copy(source / "requirements.txt", tmp_path)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for tool in TOOLS:
        (bin_folder / tool).symlink_to(str(shutil.which(tool)))
    program(tmp_path, "id", "echo 1000")
    venv = tmp_path / ".venv" / "bin"
    venv.mkdir(parents=True)
    (venv / "python").symlink_to(str(shutil.which("true")))
    checksum = f"cat {tmp_path}/requirements.txt {setup}/uv.txt | cksum"
    stamp = subprocess.run(["sh", "-c", checksum], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / ".venv" / ".installed").write_text(f"runtime {stamp} {tmp_path.resolve()}")
    return tmp_path


def program(machine: Path, name: str, script: str) -> None:
    path = machine / "bin" / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def run(machine: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(machine / "config" / "setup" / "install.sh"), "runtime"],
        env={"PATH": str(machine / "bin"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def install(machine: Path, **environment: str) -> str:
    answer = run(machine, **environment)
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout


def test_with_everything_there_it_says_nothing(machine: Path) -> None:
    program(machine, "tesseract", "exit 0")

    assert install(machine) == ""


def test_the_data_folder_is_for_its_owner_alone(machine: Path) -> None:
    install(machine)

    assert stat.S_IMODE((machine / ".longhaul").stat().st_mode) == 0o700


def test_a_checkout_that_was_moved_gets_a_new_venv(machine: Path) -> None:
    program(machine, "tesseract", "exit 0")
    program(
        machine,
        "python3",
        f'case "$1" in -m) echo "$*" > {machine}/made; ln -sf /bin/true .venv/bin/python ;; esac',
    )
    (machine / "bin" / "ln").symlink_to(str(shutil.which("ln")))
    moved = machine.with_name("moved")
    (moved / "checkout").mkdir(parents=True)
    for name in ("config", ".venv", "requirements.txt"):
        (machine / name).rename(moved / "checkout" / name)

    answer = subprocess.run(
        [str(moved / "checkout" / "config" / "setup" / "install.sh"), "runtime"],
        env={"PATH": str(machine / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 0, answer.stderr
    assert (machine / "made").read_text() == "-m venv --clear .venv\n"
    assert (moved / "checkout" / ".venv" / ".installed").read_text().endswith(f" {moved.resolve()}/checkout")


def test_without_rights_it_names_the_one_command_and_goes_on(machine: Path) -> None:
    said = install(machine)

    assert said.count("\n") == 1
    assert "going on without tesseract-ocr" in said
    assert "sudo apt-get install tesseract-ocr" in said


@pytest.mark.parametrize("root", [True, False])
def test_it_installs_what_is_missing_where_it_may(machine: Path, root: bool) -> None:
    tesseract = machine / "bin" / "tesseract"
    if root:
        program(machine, "id", "echo 0")
    else:
        program(machine, "sudo", 'shift; exec "$@"')
    program(machine, "true", "exit 0")
    # As on a machine whose package list is old: the first try fails, after the update it works.
    program(
        machine,
        "apt-get",
        f'case "$1 $*" in update*) touch {machine}/fresh ;; *tesseract-ocr*) '
        f'[ -e {machine}/fresh ] && echo "#!/bin/sh" > {tesseract} && {shutil.which("chmod")} +x {tesseract} ;; esac',
    )

    assert "installing tesseract-ocr" in install(machine)
    assert tesseract.exists()
    assert install(machine) == ""


def test_a_failed_installation_is_not_repeated_at_every_start(machine: Path) -> None:
    program(machine, "id", "echo 0")
    program(machine, "apt-get", f"echo x >> {machine}/tries; exit 100")

    install(machine)
    tries = (machine / "tries").read_text()
    said = install(machine)

    assert (machine / "tries").read_text() == tries
    assert "sudo apt-get install tesseract-ocr" in said
    install(machine, FORCE="1")
    assert (machine / "tries").read_text() != tries


def test_without_python_it_says_what_to_install(machine: Path) -> None:
    shutil.rmtree(machine / ".venv")

    answer = run(machine)

    assert answer.returncode == 1
    assert "no Python 3.11 or later found" in answer.stderr


def test_a_python_without_venv_leads_to_the_package_that_brings_it(machine: Path) -> None:
    (machine / ".venv" / ".installed").unlink()
    (machine / ".venv" / "bin" / "python").unlink()
    program(
        machine, "python3", 'case "$1" in -c) exit 0 ;; *) echo "ensurepip is not available"; exit 1 ;; esac'
    )

    answer = run(machine)

    assert answer.returncode == 1
    assert "sudo apt-get install python3-venv" in answer.stderr
    assert "ensurepip is not available" in answer.stderr

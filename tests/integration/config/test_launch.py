import os
import signal
import socket
from contextlib import nullcontext
from pathlib import Path

import pytest

from config.conf import ConfigSettings
from config.data_folder import DataFolder, DataFolderError, read_values, write_values
from config.interrupts import Interrupts
from config.launch import Address, System, _stopped, prepare_environment, running_system
from config.management.commands.up import Command
from config.people import Login
from config.ports import PortError, free_port
from config.readiness import StartError
from config.supervisor import Program, Supervisor


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    """An empty data folder, and an environment that says nothing of Redis."""
    for name in ("REDIS_URL", "BROKER_URL", "SECRET_KEY", "PORT", "FLOWER_PORT", "HOST", "FLOWER_HOST"):
        monkeypatch.delenv(name, raising=False)
    folder = DataFolder(tmp_path)
    folder.make()
    return folder


def test_a_second_start_keeps_every_secret_and_the_port(folder: DataFolder) -> None:
    first, programs = prepare_environment(folder)
    second, _ = prepare_environment(folder)

    assert [program.name for program in programs] == ["redis"]
    assert second == first


def test_each_process_gets_the_secrets_of_the_file(folder: DataFolder) -> None:
    environment, _ = prepare_environment(folder)

    assert read_values(folder.env_file).items() <= environment.items()
    assert environment["LONGHAUL_DATA_DIR"] == str(folder.root)


def test_a_redis_of_the_users_own_is_used_and_none_is_started(
    folder: DataFolder, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_server)

    environment, programs = prepare_environment(folder)

    assert programs == []
    assert environment["REDIS_URL"] == redis_server
    assert "REDIS_URL" not in read_values(folder.env_file)


def test_a_redis_that_the_user_wrote_into_the_file_is_left_alone(
    folder: DataFolder, redis_server: str
) -> None:
    write_values(folder.env_file, {"REDIS_URL": redis_server})

    environment, programs = prepare_environment(folder)

    assert programs == []
    assert environment["REDIS_URL"] == redis_server


def test_a_redis_of_the_users_own_that_is_away_is_a_clear_message(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://:canary@127.0.0.1:{free_port()}/0")

    with pytest.raises(StartError, match="Redis does not answer at redis://") as refusal:
        prepare_environment(folder)

    assert "canary" not in str(refusal.value)


def test_what_settings_copied_into_the_environment_does_not_hide_a_new_port(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = prepare_environment(folder)
    monkeypatch.setenv("REDIS_URL", first["REDIS_URL"])
    port = int(first["REDIS_URL"].rpartition(":")[2].removesuffix("/0"))
    with socket.socket() as intruder:
        intruder.bind(("127.0.0.1", port))
        intruder.listen()
        second, _ = prepare_environment(folder)

    assert second["REDIS_URL"] != first["REDIS_URL"]
    assert second["REDIS_PASSWORD"] == first["REDIS_PASSWORD"]


def test_a_redis_port_that_was_asked_for_and_is_taken_is_a_clear_message(
    folder: DataFolder, settings
) -> None:
    with socket.socket() as intruder:
        intruder.bind(("127.0.0.1", 0))
        intruder.listen()
        port = intruder.getsockname()[1]
        settings.LONGHAUL = {"REDIS_PORT": str(port)}
        with pytest.raises(PortError, match=rf"Port {port} is taken.*LONGHAUL_REDIS_PORT"):
            prepare_environment(folder)


def test_two_checkouts_have_different_node_names(tmp_path: Path, folder: DataFolder) -> None:
    other = DataFolder(tmp_path / "other")
    other.make()

    assert prepare_environment(folder)[0]["NODE_NAME"] != prepare_environment(other)[0]["NODE_NAME"]


def test_a_taken_port_refuses_the_start_before_anything_runs(folder: DataFolder) -> None:
    with socket.socket() as intruder:
        intruder.bind(("127.0.0.1", 0))
        intruder.listen()
        port = intruder.getsockname()[1]
        address = Address(host="127.0.0.1", port=port, flower_host="127.0.0.1", flower_port=port)
        with (
            pytest.raises(PortError, match=rf"Port {port} is taken by another program\. .*PORT"),
            running_system(folder, address, say=print),
        ):
            raise AssertionError("it started")
    assert not folder.env_file.exists()
    assert folder.holder() is None


@pytest.mark.parametrize("value", ["http", "0", "70000", "-1"])
def test_a_port_that_is_none_is_told_with_its_setting(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PORT", value)

    with pytest.raises(StartError, match=f"PORT={value} is no port"):
        Address.configured()


def test_the_demonstration_takes_free_ports_unless_told_otherwise(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Address.private().port not in {8000, 0}

    monkeypatch.setenv("PORT", "8123")
    assert Address.private().port == 8123


@pytest.mark.parametrize(
    ("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("localhost", "localhost")]
)
def test_an_address_is_shown_as_a_browser_takes_it(host: str, shown: str) -> None:
    assert Address(host=host, port=1, flower_host=host, flower_port=2).url == f"http://{shown}:1"


def test_a_data_folder_that_cannot_be_made_is_a_clear_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DataFolderError, match=r"cannot be made.*LONGHAUL_DATA_DIR"):
        DataFolder(tmp_path / "file" / "data").make()


class Stubborn(Supervisor):
    """Takes a Ctrl-C while it stops, as from somebody who is impatient."""

    def stop(self) -> None:
        signal.raise_signal(signal.SIGINT)
        super().stop()
        assert self._at_once.is_set()


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_signal_while_stopping_leaves_nobody_behind(tmp_path: Path, interrupted: bool) -> None:
    program = Program(name="worker", argv=("sleep", "600"))
    supervisor = Stubborn(
        programs=[program],
        environment=dict(os.environ),
        logs=tmp_path,
        folder=tmp_path,
        limits=ConfigSettings(),
    )
    expected = pytest.raises(KeyboardInterrupt) if interrupted else nullcontext()
    with expected, Interrupts() as interrupts:
        interrupts.at_once = supervisor.hurry
        with _stopped(supervisor, interrupts, say=print):
            supervisor.start()
            assert supervisor.pids()
            if interrupted:
                signal.raise_signal(signal.SIGINT)
    assert supervisor.pids() == {}


def test_up_ends_with_a_sentence_when_its_supervisor_does(tmp_path: Path) -> None:
    supervisor = Supervisor(programs=[], environment={}, logs=tmp_path, folder=tmp_path)
    supervisor.failure = MemoryError("no memory")
    login = Login("demo", "secret")
    system = System(url="", flower_url="", logins={}, flower_login=login, supervisor=supervisor)
    supervisor.start()
    supervisor.stop()

    with pytest.raises(StartError, match=r"The supervisor ended by itself \(no memory\)"):
        Command().wait(system)


def test_the_programs_of_this_environment_come_first(folder: DataFolder) -> None:
    environment, _ = prepare_environment(folder)

    first = Path(environment["PATH"].split(os.pathsep)[0])
    assert (first / "celery").exists()

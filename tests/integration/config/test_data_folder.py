import os
import stat
from pathlib import Path

import environ
import pytest

from config.data_folder import (
    DataFolder,
    InUseError,
    complete_values,
    embedded_port,
    given_values,
    read_values,
    write_values,
)


def test_missing_secrets_are_made_and_present_ones_kept() -> None:
    values = complete_values({"DEMO_PASSWORD": "chosen"}, redis_port=0)

    assert values["DEMO_PASSWORD"] == "chosen"
    assert len(values["SECRET_KEY"]) >= 50
    assert values["FLOWER_BASIC_AUTH"].startswith("flower:")
    assert len({*values.values()}) == len(values)


def test_two_installations_share_no_secret() -> None:
    one, two = complete_values({}, redis_port=0), complete_values({}, redis_port=0)

    assert not set(one.values()) & set(two.values())


def test_the_embedded_redis_is_recognised_by_its_password() -> None:
    values = complete_values({}, redis_port=7001)

    assert embedded_port(values) == 7001
    assert embedded_port({**values, "REDIS_URL": "redis://:other@db.example.com:6379/0"}) == 0
    assert embedded_port({}) == 0


def test_what_settings_copied_from_the_file_is_not_taken_for_the_users_wish() -> None:
    saved = {"REDIS_URL": "redis://ours", "SECRET_KEY": "ours"}
    environment = {"REDIS_URL": "redis://theirs", "SECRET_KEY": "ours", "PATH": "/bin"}

    assert given_values(environment, saved=saved) == {"REDIS_URL": "redis://theirs", "PATH": "/bin"}


def test_the_file_is_for_its_owner_alone_and_keeps_what_people_wrote(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("# mine\nLOG_LEVEL=DEBUG\nREDIS_URL=old\n")

    write_values(path, {"REDIS_URL": "new", "SECRET_KEY": "made"})

    assert path.read_text() == "# mine\nLOG_LEVEL=DEBUG\nREDIS_URL=new\nSECRET_KEY=made\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_settings_read_the_file_as_we_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "env"
    write_values(path, complete_values({}, redis_port=7001))
    values = read_values(path)
    for name in values:
        monkeypatch.delenv(name, raising=False)

    environ.Env.read_env(path, overwrite=False)

    assert {name: os.environ.pop(name) for name in values} == values


def test_a_folder_that_was_there_and_open_to_all_is_closed_to_others(tmp_path: Path) -> None:
    root = tmp_path / "data"
    (root / "logs").mkdir(parents=True)
    root.chmod(0o755)

    DataFolder(root).make()

    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_a_folder_that_many_share_stays_open(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)

    DataFolder(tmp_path).make()

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


def test_a_folder_has_one_holder_at_a_time(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with folder.held(url="http://127.0.0.1:8000"):
        with (
            pytest.raises(InUseError, match=rf"process {os.getpid()}.*LONGHAUL_DATA_DIR") as refusal,
            folder.held(),
        ):
            raise AssertionError("both hold it")
        assert refusal.value.holder["url"] == "http://127.0.0.1:8000"
        assert folder.holder() == refusal.value.holder
    assert folder.holder() is None

from pathlib import Path

from config.log_tail import LogTail


def test_new_whole_lines_are_shown_with_their_process(tmp_path: Path) -> None:
    worker = tmp_path / "worker.log"
    worker.write_text("before\n")
    lines: list[str] = []
    tail = LogTail(tmp_path, write=lines.append, colour=False)

    with worker.open("a") as file:
        file.write("one\ntwo\nhal")
    tail.read()
    (tmp_path / "web.log").write_text("hello\n")
    with worker.open("a") as file:
        file.write("f\n")
    tail.read()
    worker.write_text("anew\n")
    tail.read()

    assert lines == [
        "worker     | one",
        "worker     | two",
        "web        | hello",
        "worker     | half",
        "worker     | anew",
    ]


def test_a_terminal_gets_a_colour_for_each_process(tmp_path: Path) -> None:
    lines: list[str] = []
    tail = LogTail(tmp_path, write=lines.append, colour=True)
    (tmp_path / "web.log").write_text("hello\n")

    tail.read()

    assert lines == ["\033[36mweb        | \033[0mhello"]

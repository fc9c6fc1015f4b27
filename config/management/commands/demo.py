import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand
from rich.console import Console

from config.conf import conf
from config.data_folder import DataFolder, read_values
from config.demo_client import demo_client, download, upload
from config.demo_view import RunView
from config.launch import REFUSALS, SAMPLE, Address, running_system
from streaming.client import Client, ClientError


class Command(BaseCommand):
    help = (
        "Starts everything on free ports, analyses the sample document as a client would, stops everything."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        folder = DataFolder(settings.DATA_DIR)
        console = Console(highlight=False, soft_wrap=True)
        try:
            folder.make()
            with client_of(folder, console) as client:
                last_line = analyse(client, folder, console)
        except KeyboardInterrupt:
            self.give_up("interrupted; what was started has been stopped")
        except REFUSALS as error:
            self.give_up(str(error))
        except ClientError as error:
            self.give_up(f"{error}\nThe logs are in {folder.logs}; start with worker.log and worker-llm.log.")
        else:
            self.stdout.write(last_line)

    def give_up(self, sentence: str) -> NoReturn:
        self.stderr.write(sentence)
        sys.exit(1)


@contextlib.contextmanager
def client_of(folder: DataFolder, console: Console) -> Iterator[Client]:
    """A client of a system of our own, or of the one that `make up` runs on this data folder."""
    if holder := folder.holder():
        console.print(f"using the Longhaul that runs at {holder.get('url')}")
        with demo_user(holder.get("url"), read_values(folder.env_file).get("DEMO_PASSWORD")) as client:
            yield client
        return
    with (
        running_system(folder, Address.private(), say=console.print) as system,
        demo_user(system.url, system.logins["demo"].password) as client,
    ):
        yield client


def demo_user(url: str | None, password: str | None) -> Client:
    if url is None:
        raise ClientError("Longhaul is just starting on this data folder. Try again in a moment.")
    if password is None:
        raise ClientError(
            "The user demo has a password that somebody else set. Give it as DEMO_PASSWORD, "
            "or set a new one: .venv/bin/python manage.py changepassword demo"
        )
    return demo_client(url, name="demo", password=password)


def save_report(client: Client, run_id: str, folder: DataFolder) -> Path:
    """The report as HTML and PDF in the data folder; the path of the PDF, short where it lies below the checkout."""
    for ending in ("html", "pdf"):
        download(client, f"/runs/{run_id}/report.{ending}", folder.reports / f"{run_id}.{ending}")
    path = folder.reports / f"{run_id}.pdf"
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def analyse(client: Client, folder: DataFolder, console: Console) -> str:
    """Upload the sample, show its run live, save the report. Returns the last line; raises ClientError."""
    run_id = upload(client, settings.BASE_DIR / SAMPLE)["id"]
    console.print(f"{SAMPLE.name} uploaded: {client.url}/runs/{run_id}/")
    with RunView(console) as view:
        for event in client.follow(
            run_id,
            timeout_seconds=conf().demo_timeout_seconds,
            on_cut=lambda _: view.say("stream cut; going on from the cursor"),
        ):
            view.apply(event)
    snapshot = client.snapshot(run_id)
    if snapshot["state"] != "completed":
        raise ClientError(f"The run ended {snapshot['state']}: {snapshot['state_info']}")
    report = save_report(client, run_id, folder)
    return f"run {run_id} completed: {view.findings} findings, report {report}"

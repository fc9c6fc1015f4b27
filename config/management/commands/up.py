import sys
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand

from config.data_folder import DataFolder
from config.launch import REFUSALS, SAMPLE, Address, System, running_system
from config.log_tail import LogTail
from config.readiness import StartError

BANNER = """
Longhaul is up.

  Page     {system.url}/
  Admin    {system.url}/admin/
  API      {system.url}/api/v1/runs
  Flower   {system.flower_url}/

  Sign in  {demo.name:<7}  {demo.shown}
           {admin.name:<7}  {admin.shown}
  Flower   {flower.name:<7}  {flower.shown}

  Try      curl -u '{demo.name}:{demo.shown}' -F file=@{sample} {system.url}/api/analysis
  Logs     {logs}
  Stop     Ctrl-C
"""


class Command(BaseCommand):
    help = "Starts everything and keeps it up until Ctrl-C. Settings: PORT, FLOWER_PORT, LONGHAUL_DATA_DIR."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--logs", action="store_true", help="show what every process logs")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = DataFolder(settings.DATA_DIR)
        try:
            with running_system(folder, Address.configured(), say=self.say) as system:
                self.say(banner(system, folder))
                if options["logs"]:
                    self.show_logs(folder)
                self.wait(system)
        except KeyboardInterrupt:
            self.say("stopped; the data is kept")
        except REFUSALS as error:
            self.stderr.write(str(error))
            sys.exit(1)

    def wait(self, system: System) -> NoReturn:
        """Until a signal. Raises StartError when the supervisor ends without one."""
        system.supervisor.wait()
        reason = f" ({error})" if (error := system.supervisor.failure) else ""
        raise StartError(f"The supervisor ended by itself{reason}, and with it everything. Start it again.")

    def say(self, text: str) -> None:
        """At once, also into a pipe."""
        self.stdout.write(text)
        self.stdout.flush()

    def show_logs(self, folder: DataFolder) -> None:
        LogTail(folder.logs, write=self.say, colour=self.stdout.isatty()).start()


def banner(system: System, folder: DataFolder) -> str:
    return BANNER.format(
        system=system,
        demo=system.logins["demo"],
        admin=system.logins["admin"],
        flower=system.flower_login,
        logs=folder.logs,
        sample=SAMPLE,
    )

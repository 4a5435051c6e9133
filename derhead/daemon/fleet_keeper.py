"""Keeps the fleet equal to ``assets.yaml``: reads the file when it changes, and at SIGHUP."""

from pathlib import Path

from derhead.api import RestApp
from derhead.headend import Headend
from derproto.base.runtime import Runtime
from derproto.configuration.assets_file import load_fleet
from derproto.configuration.changes import Changes
from derproto.configuration.fleet import Fleet
from derproto.configuration.fleet_changes import describe_changes, find_changes
from derproto.system.reloading import Reload, Reloads


class FleetKeeper:
    """The fleet that all parts of a headend share, and the file that it comes from.

    A reload is whole or not at all: if the file has a fault, the fleet stays as it is.
    """

    def __init__(self, path: Path, fleet: Fleet, runtime: Runtime) -> None:
        self._path = path
        self._runtime = runtime
        self._serving: tuple[Headend, RestApp] | None = None
        self.fleet = fleet

    async def watch(self, reloads: Reloads) -> None:
        """Reloads the file with ``reloads`` from now on."""
        await reloads.add(Reload("assets", self.reload, (self._path,)))

    def serve(self, headend: Headend, app: RestApp) -> None:
        """Passes later changes to a headend that runs with this fleet, and to its REST."""
        self._serving = headend, app

    async def reload(self) -> Changes | None:
        """Reads the file, and puts it in force; returns what changed, if anything did.

        Raises: ConfigError; then nothing has changed.
        """
        new = await self._runtime.run_blocking(lambda: load_fleet(self._path))
        changes = await self._runtime.run_blocking(lambda: find_changes(self.fleet, new))
        if not changes:
            return None
        told = await self._runtime.run_blocking(lambda: describe_changes(self.fleet, new, changes))
        if self._serving is None:
            self.fleet.become(new)
        else:
            headend, app = self._serving
            await headend.renew_fleet(new, changes)
            app.renew_fleet([asset.id for asset in changes.removed])
        return told

"""The flags of ``deragent probe``, and what it prints."""

import argparse
import json
import ssl
import sys
from typing import TypeVar

from deragent import map_probe, probe
from deragent.drivers.modbus.map_names import MAP
from deragent.drivers.sunspec.probing import ProbedUnit
from deragent.modbus_tcp import LinkAddress, LinkTls
from derproto.configuration.kinds import PATH, Kind, Whole, address
from derproto.configuration.problems import ConfigError, Problem
from derproto.stdio.command import put_out
from derproto.stdio.terminal import rendered

T = TypeVar("T")


def run_probe(args: argparse.Namespace) -> None:
    """Prints what the devices offer. Raises: ConfigError, DeviceError."""
    problems: list[Problem] = []
    text = args.address if ":" in args.address else f"{args.address}:{probe.MODBUS_PORT}"
    where = _flag("HOST", address(least_port=1), text, problems)
    unit = None if args.scan else _flag("--unit", Whole(0, 247), args.unit, problems)
    if args.map is not None and args.scan:
        problems.append(Problem(None, None, "--scan", "a map is of one unit; write --unit N"))
    files = LinkTls(
        *(
            named and _flag(f"--tls-{name}", PATH, named, problems)
            for name, named in (("ca", args.tls_ca), ("cert", args.tls_cert), ("key", args.tls_key))
        )
    )
    if files != LinkTls() and not args.tls:
        problems.append(Problem(None, None, "--tls", "missing; add it, or leave out its files"))
    if where is None or problems:
        raise ConfigError(problems)
    place = LinkAddress(where, files if args.tls else None)
    try:
        context = place.context()
    except OSError as wrong:
        text = f"{wrong}; name PEM files that can be read"
        raise ConfigError([Problem(None, None, "--tls", text)]) from wrong
    if args.map is not None:
        _probe_map(place, context, unit or 0, args)
        return
    units: list[ProbedUnit] = []

    def take(found: ProbedUnit) -> None:
        units.append(found)
        if args.json:
            put_out(json.dumps(probe.shape_of_unit(found), ensure_ascii=False) + "\n")
        else:
            put_out(rendered(sys.stdout, *probe.text_of(found, where)) + "\n\n")

    probe.probe(place, context, unit, take)
    assets = None if args.json else probe.assets_of(units, place)
    if assets is not None:
        put_out(assets)


def _probe_map(
    where: LinkAddress, context: ssl.SSLContext | None, unit: int, args: argparse.Namespace
) -> None:
    problems: list[Problem] = []
    source = _flag("--map", MAP, args.map, problems)
    if source is None or problems:
        raise ConfigError(problems)
    found = map_probe.probe_map(where, context, unit, source)
    if args.json:
        put_out(json.dumps(map_probe.shape_of_map(found, unit), ensure_ascii=False) + "\n")
        return
    put_out(rendered(sys.stdout, *map_probe.text_of_map(found, where.address, unit)) + "\n\n")
    put_out(map_probe.assets_of_map(found, where, unit, source))


def _flag(name: str, kind: Kind[T], text: str, problems: list[Problem]) -> T | None:
    try:
        return kind.parse(text)
    except ValueError as wrong:
        problems.append(Problem(None, None, name, str(wrong)))
        return None

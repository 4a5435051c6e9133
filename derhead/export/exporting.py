"""The command ``derhead export``.

It reads the journal's file directly, with or without a running headend, and PostgreSQL if the
configuration names one. After an incident an operator may have only the files.
"""

import os
import random
import sys
from argparse import Namespace
from pathlib import Path
from typing import BinaryIO

import trio

from derhead.config import HeadendConfig, load
from derhead.export.export_progress import ExportPosition, open_progress_bar
from derhead.export.export_request import ExportRequest, read_request
from derhead.export.output import open_output
from derhead.export.parts import columns, parts
from derhead.history import (
    Archive,
    History,
    PageRequest,
    SpoolWatch,
    make_postgres,
    open_for_reading,
)
from derhead.shapes import CsvList, JsonLines, ListText
from derproto.base.runtime import Runtime, real_runtime
from derproto.stdio.command import EXIT_PIPE

PAGE_ITEMS = 1_000
"""Items in memory at once. When full, they are written before the next are read."""

EXIT_INTERRUPTED = 130
"""Exit code that shells use for a program that Ctrl-C ended."""


def run(flags: Namespace) -> None:
    """Writes the export that the flags describe.

    Raises: ConfigError, JournalError, OSError; then no file was written, and standard output is
    incomplete. SystemExit if the export was interrupted, or its reader closed the pipe.
    """
    config, fleet = load(flags, os.environ)
    request = read_request(flags, fleet)
    path = None if flags.output is None else Path(flags.output)
    kind: type[CsvList | JsonLines] = CsvList if flags.format == "csv" else JsonLines
    text = kind(columns(request))
    code = 0
    try:
        with open_output(path) as output:
            trio.run(_export, config, request, text, output)
    except* KeyboardInterrupt:
        print("derhead: interrupted; the export is not whole", file=sys.stderr)
        code = EXIT_INTERRUPTED
    except* BrokenPipeError:
        code = EXIT_PIPE
    if code:
        raise SystemExit(code)


async def _export(
    config: HeadendConfig, request: ExportRequest, text: ListText, output: BinaryIO
) -> None:
    runtime = real_runtime()
    with open_for_reading(config.data / "journal.db", runtime) as journal:
        agents = [session.agent_id for session in await journal.last_sessions()]
        if config.postgres_dsn is None:
            await _write(request, History(journal), agents, text, output, runtime)
            return
        postgres = make_postgres(
            config.postgres_dsn,
            runtime,
            random.Random(),
            password_file=config.postgres_password_file,
        )
        async with trio.open_nursery() as services:
            await services.start(postgres.run)
            history = History(journal, Archive(postgres), SpoolWatch(journal))
            await _write(request, history, agents, text, output, runtime)
            services.cancel_scope.cancel()


async def _write(
    request: ExportRequest,
    history: History,
    agents: list[str],
    text: ListText,
    output: BinaryIO,
    runtime: Runtime,
) -> None:
    within = request.query.within
    to_us = runtime.wall_us() if within.to_us is None else within.to_us
    of = parts(request, history, agents)
    rows = 0
    output.write(text.head().encode())
    with open_progress_bar(sys.stderr) as bar:
        for number, part in enumerate(of):
            cursor: str | None = None
            at_us: int | None = None
            begun = False
            while cursor is not None or not begun:
                begun = True
                bar.show(
                    ExportPosition(number, len(of), rows, within.from_us, to_us, at_us), part.name
                )
                page = await part.ask(PageRequest(PAGE_ITEMS, within, cursor))
                output.write(text.piece(map(part.shape, page.items)).encode())
                cursor = page.next_cursor
                rows += len(page.items)
                at_us = part.when(page.items[-1]) if page.items else at_us
        output.write(text.tail(None).encode())
        bar.show(ExportPosition(len(of), len(of), rows, within.from_us, to_us, None), "")

"""Subject ``history``: the cost of reading history; ``history_run.py`` measures it."""

import json
import sys

from contest import Budget
from errors import Failed
from measures import Findings, Measure, findings_of_json
from processes import running
from workshop import HERE, ROOT, Workshop

FULL_S = 600.0
"""Most time for a full run, seconds."""

MEASURES = (Measure("history", "reading the past"),)
"""The measures that are reported missing if ``history_run.py`` cannot run."""


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    size = budget.pick("quick", "full")
    with workshop.scratch() as folder:
        # The client reads on the same core, so the figures of REST include its work.
        with running(
            "history",
            [sys.executable, str(HERE / "history_run.py"), str(folder), size],
            cores=workshop.cores.server,
            logs=workshop.logs,
            environment={"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"},
        ) as child:
            output = child.wait(budget.timeout_s(FULL_S))
    try:
        shapes = json.loads(output)
    except ValueError:
        raise Failed(f"history said {output[:200]!r}") from None
    return [findings_of_json(key, shape) for key, shape in shapes.items()]

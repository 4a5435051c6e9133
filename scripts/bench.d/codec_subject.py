"""Subject ``codec``: decoding and encoding alone; ``codec.py`` says what it measures."""

import json
import sys

from contest import Budget
from errors import Failed
from measures import Findings, Measure, findings_of_json
from processes import running
from workshop import HERE, Workshop

FULL_S = 600.0
"""Most time for a full run, seconds."""

MEASURES = (Measure("codec", "encoding and decoding"),)
"""The measures that are reported missing if ``codec.py`` cannot run."""

_PROGRAM = "import codec, json, sys; print(json.dumps(codec.main(quick='quick' in sys.argv)))"


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    size = budget.pick("quick", "full")
    # A process of its own runs on the server's core, and can be ended if it takes too long.
    with running(
        "codec",
        [sys.executable, "-c", _PROGRAM, size],
        cores=workshop.cores.server,
        logs=workshop.logs,
        environment={"PYTHONPATH": str(HERE)},
    ) as child:
        output = child.wait(budget.timeout_s(FULL_S))
    try:
        shapes = json.loads(output)
    except ValueError:
        raise Failed(f"codec said {output[:200]!r}") from None
    return [findings_of_json(key, shape) for key, shape in shapes.items()]

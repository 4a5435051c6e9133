"""Subject ``codec``: decoding and encoding alone; ``codec.py`` says what it measures."""

import json
import sys

from contest import Budget
from errors import Failed
from measures import Findings, Measure, findings_of_json
from processes import running
from workshop import HERE, Workshop

FULL_S = 600.0
"""The longest that it may take when it is not to be quick."""

MEASURES = (Measure("codec", "encoding and decoding"),)
"""What is said to be missing if ``codec.py``, which knows its measures, cannot run."""

_PROGRAM = "import codec, json, sys; print(json.dumps(codec.main(quick='quick' in sys.argv)))"


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    size = budget.pick("quick", "full")
    # In a process of its own: on the server's core, and ended if it takes too long.
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

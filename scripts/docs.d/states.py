"""A dispatch's states and transitions as a diagram and as tables."""

from itertools import groupby

from derhead.dispatch.life.transitions import ENDED, REASONS, RESPONSES, TRANSITIONS, State


def draw() -> str:
    """The diagram, then the tables of transitions, states and reasons."""
    return f"{_diagram()}\n\n{_transitions()}\n\n{_states()}\n\n{_reasons()}"


def _diagram() -> str:
    """One arrow for each pair of states. The table alone has those to final states that only an
    agent reports: with them, nobody could follow a line."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for row in TRANSITIONS:
        arrows.setdefault((row.before, row.after), []).append(row.event)
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> pending: ordered"]
    for (before, after), events in arrows.items():
        usual = (before, after) in ((State.RECEIVED, State.STARTED), (State.SENT, State.RECEIVED))
        if usual or before is State.STARTED or events != ["Reported"]:
            lines.append(f"    {before} --> {after}: {', '.join(dict.fromkeys(events))}")
    lines += [f"    {state} --> [*]" for state in State if state in ENDED]
    return "\n".join([*lines, "```"])


def _transitions() -> str:
    rows = sorted(TRANSITIONS, key=lambda row: (list(State).index(row.before), row.event))
    lines = ["| in | event | becomes | when | source |", "|---|---|---|---|---|"]
    for (before, event, when), group in groupby(rows, lambda r: (r.before, r.event, r.when)):
        same = list(group)
        after = ", ".join(f"`{row.after}`" for row in same)
        sources = list(dict.fromkeys(row.source for row in same))
        source = sources[0] if len(sources) == 1 else "see the states below"
        lines.append(f"| `{before}` | {event} | {after} | {when} | {source} |")
    return "\n".join(lines)


def _states() -> str:
    lines = ["| state | IEEE 2030.5 response type |", "|---|---|"]
    lines += [f"| `{state}` | {RESPONSES.get(state, 'none')} |" for state in State]
    return "\n".join(lines)


def _reasons() -> str:
    lines = ["| reason | DNP3 status code |", "|---|---|"]
    lines += [f"| `{reason}` | {code or 'none'} |" for reason, code in REASONS.items()]
    return "\n".join(lines)

"""What the states of a dispatch and the causes of gaps mean: tables of their enums."""

import ast

from tests.support.repository import modules


def states() -> str:
    """What each state of a dispatch means."""
    return _meanings("derhead.dispatch.life.transitions", "State", "state")


def causes() -> str:
    """What each cause of a gap means, but for the one that no caller sees."""
    return _meanings("derhead.gaps.record", "HoleCause", "cause", hidden="none")


def _meanings(module: str, enum: str, heading: str, hidden: str = "") -> str:
    lines = [f"| {heading} | meaning |", "|---|---|"]
    for node in modules()[module].body:
        if not isinstance(node, ast.ClassDef) or node.name != enum:
            continue
        for member, said in zip(node.body, node.body[1:], strict=False):
            match member, said:
                case ast.Assign(value=ast.Constant(value)), ast.Expr(ast.Constant(text)):
                    if value != hidden:
                        words = " ".join(str(text).split()).replace("``", "`")
                        lines.append(f"| `{value}` | {words} |")
    return "\n".join(lines)

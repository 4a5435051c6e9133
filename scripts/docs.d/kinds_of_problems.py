"""The kinds of problems, from REST's own table."""

from derhead.api.answering.problem_kinds import ProblemKinds


def draw() -> str:
    """A section for each kind."""
    return "\n\n".join(map(_section, ProblemKinds))


def _section(problem: ProblemKinds) -> str:
    kind = problem.value
    status = f" Status {kind.status}." if kind.status else ""
    return f"## {kind.slug}\n\n**{kind.title}.**{status}\n\n{kind.meaning}\n\n{kind.remedy}"

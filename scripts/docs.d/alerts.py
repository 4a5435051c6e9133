"""The table of alerts, from the rules for Prometheus."""

import re

import yaml

from tests.support.repository import ROOT

VALUE = re.compile(r"\{\{ *\$(\w+)(?:\.(\w+))?[^}]*\}\}")


def draw() -> str:
    """A row for each alert: what it says, its severity, its runbook."""
    groups = yaml.safe_load((ROOT / "ops/prometheus/alerts.yaml").read_text(encoding="utf-8"))
    lines = ["| alert | severity | says | runbook |", "|---|---|---|---|"]
    for rule in (rule for group in groups["groups"] for rule in group["rules"]):
        notes = rule["annotations"]
        # A value stands for itself, a label for its name.
        says = VALUE.sub(lambda found: f"*{found[2] or 'N'}*", notes["summary"])
        page = notes["runbook_url"].rpartition("/docs/")[2]
        name = page.rpartition("/")[2].removesuffix(".md").replace("-", " ")
        severity = rule["labels"]["severity"]
        lines.append(f"| `{rule['alert']}` | {severity} | {says} | [{name}]({page}) |")
    return "\n".join(lines)

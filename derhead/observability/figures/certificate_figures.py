"""Checks and figures of certificates and of reloads. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.metrics_core import Metric

from derhead.observability.checks.readiness import Check, Health
from derproto.metrics.families import gauge_by
from derproto.tls.certificate_findings import CertificateFinding

DAY_S = 86_400


def certificate_check(
    findings: Sequence[CertificateFinding], seconds_left: Mapping[str, float]
) -> Check:
    """Whether clients take the certificates now and in the next weeks.

    Open connections stay, so a bad certificate degrades the headend and does not make it unready.
    """
    if not findings:
        left = [f"{setting} for {s // DAY_S:.0f} days" for setting, s in seconds_left.items()]
        return Check("certificates", Health.READY, f"valid: {', '.join(left)}")
    said = "; ".join(f"{each.setting}: {each.text}" for each in findings)
    return Check("certificates", Health.DEGRADED, said)


def certificate_metrics(seconds_left: Mapping[str, float]) -> Iterator[Metric]:
    """How long each certificate is still valid."""
    yield gauge_by(
        "derhead_certificate_left_seconds",
        "Time until the first certificate in the file of a setting ends; negative afterwards.",
        "setting",
        seconds_left,
    )


def reload_check(failures: Mapping[str, str]) -> Check:
    """Whether the present files are in force. If a reload failed, a restart would fail, too."""
    if not failures:
        return Check("reload", Health.READY, "no reload has failed")
    said = "; ".join(f"{what}: {why}" for what, why in failures.items())
    return Check("reload", Health.DEGRADED, f"the former stay in force: {said}")

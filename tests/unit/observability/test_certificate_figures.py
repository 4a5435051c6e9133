"""What `/readyz` and `/metrics` tell of certificates and reloads."""

from derhead.observability import reload_check
from derhead.observability.checks.readiness import Check, Health
from derhead.observability.figures.certificate_figures import certificate_check, certificate_metrics
from derproto.metrics.exposition import Metrics
from derproto.tls.certificate_findings import CertificateFinding, CertificateGrade


def test_valid_certificates_are_ready() -> None:
    left = {"tls_cert": 396.9 * 86_400, "tls_client_ca": 3_000 * 86_400.0}
    assert certificate_check([], left) == Check(
        "certificates", Health.READY, "valid: tls_cert for 396 days, tls_client_ca for 3000 days"
    )


def test_a_certificate_that_ends_soon_or_has_ended_degrades() -> None:
    soon = CertificateFinding("tls_cert", "h.pem expires in 12 days", CertificateGrade.SOON)
    over = CertificateFinding("tls_client_ca", "ca.pem expired", CertificateGrade.REFUSED)
    assert certificate_check([over, soon], {}) == Check(
        "certificates",
        Health.DEGRADED,
        "tls_client_ca: ca.pem expired; tls_cert: h.pem expires in 12 days",
    )


def test_a_failed_reload_degrades_until_it_succeeds() -> None:
    assert reload_check({}).health is Health.READY
    failed = reload_check({"certificates": "tls_key: h.key is gone", "tokens": "is public"})
    assert failed.health is Health.DEGRADED
    assert failed.detail == (
        "the former stay in force: certificates: tls_key: h.key is gone; tokens: is public"
    )


def test_the_time_left_is_a_figure_of_each_setting() -> None:
    metrics = Metrics()
    metrics.add(lambda: certificate_metrics({"tls_cert": 86_400.5, "tls_client_ca": -1.0}))
    text = metrics.render()[0].decode()
    assert 'derhead_certificate_left_seconds{setting="tls_cert"} 86400.5\n' in text
    assert 'derhead_certificate_left_seconds{setting="tls_client_ca"} -1.0\n' in text

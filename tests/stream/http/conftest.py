"""Certificates for tests that run with TLS and without."""

import pytest

from tests.support.certificates import Certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["cleartext", "tls"])
def secure(request: pytest.FixtureRequest, certificates: Certificates) -> Certificates | None:
    """The certificates, or none: a test with it runs twice."""
    return certificates if request.param == "tls" else None

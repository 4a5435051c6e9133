"""A certificate names its agent as a URI."""

from derhead.sessions.admission.certificate import certificate_end_us, check_certificate

CERTIFICATE = {
    "subjectAltName": (("DNS", "mesa"), ("URI", "urn:der:agent:mesa"), ("URI", "https://x"))
}


def test_the_agent_named_may_register() -> None:
    assert check_certificate(CERTIFICATE, "mesa") is None


def test_another_may_not() -> None:
    problem = check_certificate(CERTIFICATE, "other")
    assert problem is not None
    assert problem.startswith("register.agent_id: other is not")


def test_a_certificate_without_an_agent_names_none() -> None:
    problem = check_certificate({"subjectAltName": (("DNS", "mesa"),)}, "mesa")
    assert problem is not None
    assert "urn:der:agent:" in problem


def test_without_certificates_the_network_is_trusted() -> None:
    assert check_certificate(None, "anyone") is None


def test_a_certificate_says_when_it_ends() -> None:
    assert certificate_end_us({"notAfter": "Jan  5 09:34:43 2018 GMT"}) == 1_515_144_883_000_000
    assert certificate_end_us(None) is None
    assert certificate_end_us({}) is None

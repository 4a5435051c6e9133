"""Generated classes and certificates for the tests against grpcio."""

import importlib
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from grpc_tools import protoc

from tests.stream.triogrpc.interop import EchoSchema


@pytest.fixture(scope="session")
def echo(tmp_path_factory: pytest.TempPathFactory) -> EchoSchema:
    """The messages and grpcio's stubs of ``echo.proto``, generated for this run."""
    source = Path(__file__).parent
    target = tmp_path_factory.mktemp("echo_pb")
    # A name of their own: nothing else may be imported by it.
    renamed = target / "triogrpc_echo.proto"
    renamed.write_text((source / "echo.proto").read_text())
    failed = protoc.main(
        [
            "protoc",
            f"-I{target}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            str(renamed),
        ]
    )
    assert not failed
    sys.path.insert(0, str(target))
    try:
        messages = importlib.import_module("triogrpc_echo_pb2")
        stubs = importlib.import_module("triogrpc_echo_pb2_grpc")
    finally:
        sys.path.remove(str(target))
    return EchoSchema(messages, stubs)


@dataclass(frozen=True)
class Certificates:
    """A CA's, and what both libraries need of it."""

    ca_pem: bytes
    server_pem: bytes
    server_key_pem: bytes
    client_pem: bytes
    client_key_pem: bytes
    server_context: ssl.SSLContext
    client_context: ssl.SSLContext
    ca: trustme.CA
    server: trustme.LeafCert
    client: trustme.LeafCert


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    """A server "localhost" and a client "agent", who both must show a certificate."""
    ca = trustme.CA()
    server = ca.issue_cert("localhost", "127.0.0.1")
    client = ca.issue_cert("agent@example.org", common_name="agent")
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_context.set_alpn_protocols(["h2"])
    server_context.verify_mode = ssl.CERT_REQUIRED
    server.configure_cert(server_context)
    ca.configure_trust(server_context)
    client_context = ssl.create_default_context()
    client.configure_cert(client_context)
    ca.configure_trust(client_context)
    return Certificates(
        ca_pem=ca.cert_pem.bytes(),
        server_pem=server.cert_chain_pems[0].bytes(),
        server_key_pem=server.private_key_pem.bytes(),
        client_pem=client.cert_chain_pems[0].bytes(),
        client_key_pem=client.private_key_pem.bytes(),
        server_context=server_context,
        client_context=client_context,
        ca=ca,
        server=server,
        client=client,
    )

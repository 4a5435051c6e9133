"""When a silent peer is asked, and when it is gone."""

import pytest

from derproto.triogrpc.sockets.shared import Attended


def attended() -> Attended:
    return Attended(100.0, keepalive_s=30.0, timeout_s=10.0)


def test_a_peer_is_asked_after_its_silence_and_gone_after_another() -> None:
    peer = attended()
    assert peer.due_at == 130.0
    assert not peer.is_silent(129.9)
    assert peer.is_silent(130.0)
    peer.ask(130.0)
    assert peer.due_at == 140.0
    assert not peer.is_silent(139.9)
    assert not peer.is_gone(139.9)
    assert peer.is_gone(140.0)


@pytest.mark.parametrize("heard_at", [130.0, 139.0])
def test_any_sign_after_the_question_is_an_answer(heard_at: float) -> None:
    peer = attended()
    peer.ask(130.0)
    peer.heard_at = heard_at
    assert not peer.is_gone(1000.0)
    assert peer.due_at == heard_at + 30.0
    assert peer.is_silent(heard_at + 30.0)


def test_a_peer_that_speaks_is_never_due() -> None:
    peer = attended()
    for now in range(101, 1000):
        peer.heard_at = float(now)
        assert not peer.is_silent(now)
        assert not peer.is_gone(now)

"""What the server holds for clients that take nothing, and who gives way."""

import random

from derhead.httpserver.http_bounds.held_answers import AnswerShare, HeldAnswers


def shares(held: HeldAnswers, count: int) -> tuple[list[AnswerShare], list[int]]:
    gone: list[int] = []
    return [held.share(lambda n=n: gone.append(n)) for n in range(count)], gone  # type: ignore[misc]


def test_the_client_that_took_nothing_for_longest_gives_way() -> None:
    held = HeldAnswers(100)
    (a, b, c), gone = shares(held, 3)
    a.hold(40, 1.0)
    b.hold(40, 2.0)
    a.release(10, 3.0)
    c.hold(40, 4.0)
    assert gone == [1]
    assert held.held == 70
    assert held.given_up == 1


def test_as_many_give_way_as_must() -> None:
    held = HeldAnswers(100)
    some, gone = shares(held, 11)
    for n, share in enumerate(some[:10]):
        share.hold(10, n)
    some[10].hold(95, 10)
    assert gone == list(range(10))
    assert held.held == 95


def test_a_connection_that_holds_too_much_gives_way() -> None:
    held = HeldAnswers(100)
    (one,), gone = shares(held, 1)
    one.hold(101, 0)
    assert gone == [0]
    one.release(101, 1)
    one.hold(50, 2)
    assert held.held == 0


def test_the_sum_is_that_of_the_shares_whatever_happens() -> None:
    rng = random.Random(1)
    held = HeldAnswers(1_000)
    some, _ = shares(held, 8)
    for now in range(5_000):
        share = rng.choice(some)
        match rng.randrange(10):
            case 0:
                share.leave()
                some[some.index(share)] = held.share(lambda: None)
            case n if n < 6:
                share.hold(rng.randrange(200), now)
            case _:
                share.release(rng.randint(0, share.held), now)
        assert held.held == sum(each.held for each in some)
        assert 0 <= held.held <= 1_000

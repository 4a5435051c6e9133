"""The same app under Hypercorn's own ``serve``, as a process that prints its port."""

import logging

import trio
from hypercorn.config import Config
from hypercorn.trio import serve

from tests.stream.http.support import make_app


async def main() -> None:
    with trio.socket.socket() as probe:
        await probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, make_app(), config)
        print(port, flush=True)


if __name__ == "__main__":
    logging.disable()
    trio.run(main)

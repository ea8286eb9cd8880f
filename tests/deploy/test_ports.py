"""Free ports."""

import socket
from contextlib import closing

from deploy.embedded import ports


def test_a_preferred_port_is_kept_while_it_is_free() -> None:
    port = ports.choose()

    assert ports.choose(port) == port


def test_another_port_is_chosen_when_the_preferred_one_is_taken() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

        assert not ports.is_free(port)
        assert ports.accepts(port)
        assert ports.choose(port) != port


def test_ports_to_avoid_are_avoided() -> None:
    port = ports.choose()

    assert ports.choose(port, avoid=frozenset({port})) != port

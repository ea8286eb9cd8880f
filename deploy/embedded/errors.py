"""What can go wrong while the embedded servers are set up and run."""


class EmbeddedError(Exception):
    """The embedded system cannot start or go on. Fate: what was started is stopped and the command exits non-zero.

    The message is one sentence for a person: what happened, to what, and what to do.
    """


class PortTaken(EmbeddedError):
    """A server could not listen on its port because another process has it. Fate: another port is chosen and tried."""

"""Becomes another program after tying itself to its parent: `launch.py PARENT SIGNAL USER GROUP PROGRAM ARGUMENT...`.

When the process PARENT ends, however it ends, the kernel sends SIGNAL to the program. USER and GROUP are numbers, or
-1 to stay who we are; a program that leaves root this way keeps the right to pass folders that are closed to others, so
that data and programs may lie in root's own folders.

Runs in a fresh interpreter instead of between fork and exec of the caller, whose threads make that unsafe. Imports
little: it is started for every child.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAP_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, *arguments: int) -> bool:
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return bool(_libc.prctl(option, *(ctypes.c_ulong(argument) for argument in padded)) == 0)


def _leave_root(user: int, group: int) -> None:
    _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    mask = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAP_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    # Without the capability (a container may lack it) the program still runs wherever the folders are open to it.
    if _libc.capset(header, data) == 0:
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE)


def main(arguments: list[str]) -> None:
    parent, death_signal, user, group = (int(argument) for argument in arguments[:4])
    program = arguments[4:]
    if user >= 0:
        _leave_root(user, group)
    # After the change of user: that change clears it.
    _prctl(_PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:  # it died before we were tied to it
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        os.execv(program[0], program)
    except OSError as error:
        sys.stderr.write(f"cannot run {program[0]}: {error.strerror}\n")
        os._exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])

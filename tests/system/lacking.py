"""What a machine may lack, taken away from one process and its children: for the preexec_fn of
subprocess, or as words before a command. x86-64 only, as gallocy."""
import ctypes
import os
import struct
import subprocess

from harness import Skipped

LIBC = ctypes.CDLL(None, use_errno=True)
IO_URING_SETUP, PERSONALITY = 425, 135  # numbers of system calls
OLD_RELEASE = 0x0020000                 # UNAME26: uname() speaks of Linux 2.6

NO_NEW_PRIVILEGES, SECCOMP, SECCOMP_FILTER = 38, 22, 2  # of prctl
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ANSWER_ERROR, ALLOW = 0x00050000, 0x7fff0000


def _call(function, *arguments):
    if function(*arguments) == -1:
        raise OSError(ctypes.get_errno(), function.__name__)


def refuse_call(number, error):
    """From here on the kernel answers that system call with the error."""
    instructions = [(LOAD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, number),
                    (RETURN, 0, 0, ANSWER_ERROR | error), (RETURN, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in instructions))
    program = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(instructions), ctypes.addressof(code)))
    _call(LIBC.prctl, NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    _call(LIBC.prctl, SECCOMP, SECCOMP_FILTER, program, 0, 0)


def have_an_old_kernel():
    _call(LIBC.personality, OLD_RELEASE)


def hiding(places):
    """Words before a command that sees something else at these places: {place: file or folder}."""
    words = ["unshare", "-m", "sh", "-ec", "\n".join(
        ["while [ $1 != -- ]; do mount --bind $2 $1; shift 2; done", "shift", 'exec "$@"']), "sh"]
    for place, other in places.items():
        words += [place, other]
    words.append("--")
    if os.geteuid() != 0 or subprocess.run([*words, "true"], capture_output=True).returncode != 0:
        raise Skipped("nothing can be mounted here")
    return words

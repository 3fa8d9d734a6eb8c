"""What a machine may lack, taken away from one process and its children: for the preexec_fn of
subprocess, or as words before a command. x86-64 only, as gallocy."""
import contextlib
import ctypes
import os
import resource
import struct
import subprocess

from harness import Failed, Skipped, expect, wait_for

LIBC = ctypes.CDLL(None, use_errno=True)
IO_URING_SETUP, PERSONALITY = 425, 135  # numbers of system calls
CLONE, CLONE3 = 56, 435                 # by which the C library makes processes, and threads
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


def have_at_most(name, value):
    """A limit of the process, RLIMIT_..."""
    resource.setrlimit(getattr(resource, name), (value, value))


# What a job meets, as a limit of all of its processes: the limit, a value, and the remedy.
TOO_SMALL = (("RLIMIT_FSIZE", 8 << 10, "ulimit -f unlimited"),
             ("RLIMIT_FSIZE", 1 << 30, "ulimit -f unlimited"),
             ("RLIMIT_AS", 8 << 30, "ulimit -v unlimited"),
             ("RLIMIT_STACK", 64 << 10, "ulimit -s 8192"),
             ("RLIMIT_STACK", 255 << 10, "ulimit -s 8192"))
CHECK_IN_LIMIT_S = 10  # after which gallocy-run would end a job that nobody has told why


def run_with_more_and_more_descriptors(run):
    """run(lacking=...) with each limit of open files until it ends with 0: before that it must say
    what to do, in time and with a status that is none of the program's."""
    for count in range(5, 200):
        result = run(lacking=lambda count=count: have_at_most("RLIMIT_NOFILE", count))
        if result.status == 0:
            return result
        expect(result.status in (69, 70) and "ulimit -n 1024" in result.err and result.out == "",
               "with", count, "descriptors:", result)
        expect(result.seconds < CHECK_IN_LIMIT_S, "with", count, "descriptors it took too long:",
               result)
    raise Failed("200 descriptors are not enough")


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


def _own_control_groups():
    """Folders in which a group with a memory limit may be made, with the name of the limit's file:
    that of this process, and for version 2, which has no group beside processes, the one around."""
    with open("/proc/self/cgroup") as file:
        groups = [line.strip().split(":", 2) for line in file]
    for _, controllers, group in groups:
        if "memory" in controllers.split(","):
            yield f"/sys/fs/cgroup/memory{group}", "memory.limit_in_bytes"
        if not controllers:
            for place in (group, os.path.dirname(group)):
                yield f"/sys/fs/cgroup{place}", "memory.max"


def memory_limits_here():
    """Those of this process's control group and of all around it, in bytes."""
    limits = []
    for folder, limit in _own_control_groups():
        while folder.startswith("/sys/fs/cgroup"):
            with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
                with open(os.path.join(folder, limit)) as file:
                    limits.append(int(file.read()))
            folder = os.path.dirname(folder)
    return limits


def _make_control_group(size_bytes):
    for parent, limit in _own_control_groups():
        folder = os.path.join(parent, f"gt-{os.getpid()}")
        try:
            os.mkdir(folder)
        except OSError:
            continue
        try:
            with open(os.path.join(folder, limit), "w") as file:
                file.write(str(size_bytes))
            return folder, limit
        except OSError:
            os.rmdir(folder)
    raise Skipped("no control group with a memory limit can be made here")


def _try_rmdir(folder):
    try:
        os.rmdir(folder)
        return True
    except OSError:
        return False


@contextlib.contextmanager
def memory_limit(size_bytes):
    """A control group with that limit. Yields what a process calls to enter it, and the file that
    says the limit."""
    folder, limit = _make_control_group(size_bytes)

    def enter():
        with open(os.path.join(folder, "cgroup.procs"), "w") as file:
            file.write(str(os.getpid()))
    try:
        yield enter, os.path.join(folder, limit)
    finally:  # whoever was in it may be about to go
        wait_for(lambda: _try_rmdir(folder), 10, "the control group is empty")

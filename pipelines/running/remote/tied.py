"""Start a program that does not outlive this process."""

from __future__ import annotations

import os
import sys
import threading

# Asks the kernel for SIGKILL at the end of the parent (prctl(2), Linux alone), and becomes the program.
TIE = """
import ctypes, os, sys
try:
    ctypes.CDLL(None).prctl(1, 9)
except (OSError, AttributeError):
    pass
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


def tied(command: list[str]) -> list[str]:
    """The command of a program that ends with this process.

    The kernel watches the thread that starts it. Outside the main thread, which may end earlier, it is not
    tied.
    """
    if threading.current_thread() is not threading.main_thread():
        return command
    return [sys.executable, "-I", "-S", "-c", TIE, str(os.getpid()), *command]

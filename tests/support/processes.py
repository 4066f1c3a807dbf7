"""Processes of a test: do they still run?"""

from pathlib import Path


def is_running(process: int) -> bool:
    """Is there a process of this number? One that has ended and is not yet collected by its parent counts as ended.

    In a container without an init, nobody collects orphans.
    """
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"

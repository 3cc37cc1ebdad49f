"""Kind of the disk under a folder: one that seeks (``hdd``) or not (``ssd``)."""

from __future__ import annotations

import os


def kind(path: str, setting: str = "auto") -> str:
    """``hdd`` or ``ssd``; an unknown device counts as an SSD.

    Args:
        path: Any existing path on the device.
        setting: ``ssd`` or ``hdd`` decide by themselves; ``auto`` reads the
            block device's ``queue/rotational`` flag (Linux).
    """
    if setting != "auto":
        return setting
    try:
        device = os.stat(path).st_dev
    except OSError:
        return "ssd"
    base = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    for flag in (f"{base}/queue/rotational", f"{base}/../queue/rotational"):
        try:
            with open(flag, "rb") as f:
                return "hdd" if f.read(1) == b"1" else "ssd"
        except OSError:
            continue
    return "ssd"

"""What processes used of the processors."""

import psutil


def processor_seconds(process: psutil.Process) -> float:
    """Since it started, in its own code and in the kernel. Counts in hundredths of a second."""
    times = process.cpu_times()
    return float(times.user + times.system)

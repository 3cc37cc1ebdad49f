"""The update pipeline: phase 1 in workers, phase 2 in one writer, and the limits of both."""

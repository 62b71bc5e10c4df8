"""What stops a flow, as one line and an exit code."""


class FlowError(Exception):
    """Something the user can put right."""

    code = 2


class StageFailed(FlowError):
    """A stage ended badly; ``code`` is 2 where it said itself what to put right, else 1."""

    def __init__(self, stage: str, code: int, last_line: str) -> None:
        self.code = 2 if code == 2 else 1
        said = last_line.removeprefix("prefactor: error: ") or "it printed nothing"
        if code in (-9, 137):
            said = f"it was killed, as the system does when memory runs out (last line: {said})"
        super().__init__(f"stage {stage} failed (exit code {code}): {said}; then run again: what is finished is kept")


class Interrupted(FlowError):
    """Ctrl-C, or a signal to end."""

    code = 130

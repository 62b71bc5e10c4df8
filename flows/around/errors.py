"""What stops a flow, as one line and an exit code."""

AGAIN = "then run again: what is finished is kept"


class FlowError(Exception):
    """Something the user can put right."""

    code = 2


class StageFailed(FlowError):
    """A stage ended badly; ``code`` is 2 where it said itself what to put right, else 1.

    ``stage``, ``exit_code`` of its command, ``said`` (its last line) and ``remedy`` are the parts of the message.
    """

    def __init__(self, stage: str, exit_code: int, last_line: str, remedy: str = AGAIN) -> None:
        self.stage, self.exit_code, self.remedy = stage, exit_code, remedy
        self.code = 2 if exit_code in (2, 75) else 1
        self.said = last_line.removeprefix("prefactor: error: ") or "it printed nothing"
        if exit_code in (-9, 137):
            self.said = f"it was killed, as the system does when memory runs out (last line: {self.said})"
        super().__init__(f"stage {stage} failed (exit code {exit_code}): {self.said}; {remedy}")


class StageEnded(StageFailed):
    """A stage took longer than it may, and was ended with all that it had started."""

    def __init__(self, stage: str, limit: str, last_line: str) -> None:
        said = f"it was ended after {limit} (last line: {last_line or 'it printed nothing'})"
        super().__init__(stage, 1, said, "raise the limit if it needs longer, else look what it waits for; " + AGAIN)


class Interrupted(FlowError):
    """Ctrl-C, or a signal to end."""

    code = 130

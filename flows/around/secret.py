"""Addresses with a user's password in them, on their way to a terminal or a page."""

import re

_USER = re.compile(r"(?<=://)[^\s/]*@")


def without_secrets(text: str) -> str:
    """``text`` with no user and no password in the addresses that are in it."""
    return _USER.sub("", text)

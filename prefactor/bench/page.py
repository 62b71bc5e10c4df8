"""The page: one file, whose script and style alone run in it."""

import secrets
from pathlib import Path

from prefactor.web.assets import bundle, style

HERE = Path(__file__).parent / "page"
SCRIPTS = (
    "ask.js", "shown.js", "edit.js", "picker.js", "sliders.js", "damage.js", "tokens.js", "streams.js", "finder.js",
    "keep.js", "main.js",
)  # fmt: skip


def page() -> tuple[str, str]:
    """HTML without any data, and the Content-Security-Policy that goes with it; both new for every request."""
    nonce = secrets.token_urlsafe(16)
    html = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Prefactor bench</title>
<link rel="icon" href="data:,">
<style nonce="{nonce}">
{style([HERE / "bench.css"])}
</style>
</head>
<body>
<div id="bench"></div>
<script nonce="{nonce}">
{bundle([HERE / name for name in SCRIPTS])}
</script>
</body>
</html>
"""
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return html, policy

"""What the bench answers. What is asked carries the whole edit; what is wrong with it is told in a line of JSON."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException

from prefactor.bench import keeping, project, reading, writing
from prefactor.bench.asked import AskedEdit, Found, FromPage, Generated, Kept, Loaded, Measured, Read, Shown, Sought
from prefactor.bench.finding import Finder
from prefactor.bench.live import Live
from prefactor.bench.page import page
from prefactor.bench.turns import Superseded, Turns
from prefactor.corpus.tokenizer_file import read_tokenizer
from prefactor.errors import PrefactorError
from prefactor.machine.trouble import trouble

MEASURED = ("base_ce", "edited_ce", "damage", "damage_error", "kl")  # nats a token


def bench_app(live: Live) -> FastAPI:
    """The application, without its doors (``doors.py``)."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    tokenizer, turns, finder = read_tokenizer(live.work.corpus), Turns(), Finder(live.work.params.parent)

    @app.get("/")
    def start() -> Response:
        html, policy = page()
        return HTMLResponse(html, headers={"content-security-policy": policy})

    @app.post("/api/project")
    def told() -> dict[str, Any]:
        return project.told(live, tokenizer)

    @app.post("/api/components")
    def components(asked: Found) -> dict[str, Any]:
        return project.found(live, asked)

    @app.post("/api/component")
    def component(asked: Shown) -> dict[str, Any]:
        return project.shown(live, asked.subcomponent)

    @app.post("/api/sliders")
    def sliders(asked: Loaded) -> dict[str, Any]:
        return project.sliders_of(live, asked.name)

    @app.post("/api/measure")
    def measure(asked: Measured) -> dict[str, Any]:
        turn = turns.begin(asked.page, "measure")
        rows = live.measure(asked.edit, turn, exact=asked.exact)
        about = ("domain", "role", "tokens")
        figures = [{k: row[k] for k in about} | {k: project.finite(row[k]) for k in MEASURED} for row in rows]
        return {"exact": asked.exact, "rows": figures}

    @app.post("/api/text")
    def text(asked: Read) -> dict[str, Any]:
        turn = turns.begin(asked.page, "text")
        return reading.read(live, tokenizer, live.change(asked.edit), asked.text, turn)

    @app.post("/api/generate")
    def generate(asked: Generated) -> Response:
        turn = turns.begin(asked.page, "generate")
        sides = {"base": {}, "edited": live.change(asked.edit)}
        if asked.beside is not None:
            sides["beside"] = live.change(AskedEdit(stacked=(asked.beside,)))
        steps = writing.write(
            live, tokenizer, sides, asked.prompt, asked.tokens, float(asked.temperature), asked.seed, turn
        )
        return streamed(steps)

    @app.post("/api/find")
    def find(asked: Sought) -> Response:
        return streamed(finder.find(asked.target, float(asked.seconds), turns.begin(asked.page, "find")))

    @app.post("/api/stop")
    def stop(asked: FromPage) -> dict[str, Any]:
        turns.begin(asked.page, "find")
        return {}

    @app.post("/api/save")
    def save(asked: Kept) -> dict[str, Any]:
        keeping.save(live, asked.edit, asked.name)
        return {"saved": asked.name, "next": f"prefactor repro evaluate@{asked.name}"}

    @app.post("/api/adapter")
    def adapter(asked: Kept) -> dict[str, Any]:
        folder = keeping.write_adapter(live, asked.edit, asked.name)
        return {"written": folder.relative_to(live.work.params.parent).as_posix()}

    @app.post("/api/adapter.zip")
    def zipped(asked: Kept) -> Response:
        return Response(keeping.zipped_adapter(live, asked.edit, asked.name), media_type="application/zip")

    @app.exception_handler(Superseded)
    def superseded(request: Request, error: Superseded) -> Response:
        return refusal(409, str(error))

    @app.exception_handler(PrefactorError)
    def wrong(request: Request, error: PrefactorError) -> Response:
        return refusal(422, str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        return refusal(422, f"{where or 'the request'}: {first['msg']}: mend it")

    @app.exception_handler(HTTPException)
    def absent(request: Request, error: HTTPException) -> Response:
        return refusal(error.status_code, f"{request.method} here: {error.detail}")

    @app.exception_handler(OSError)
    def refused(request: Request, error: OSError) -> Response:
        return refusal(500, trouble(error) or "the system refused: see the terminal of the bench")

    return app


def refusal(status: int, line: str) -> Response:
    return JSONResponse({"error": line[:500]}, status)


def streamed(events: Iterable[dict[str, Any]]) -> Response:
    """Server-sent events, one for each of ``events``; what ends them early is the last, under ``error``."""

    def lines() -> Iterator[str]:
        try:
            for event in events:
                yield f"data: {json.dumps(event)}\n\n"
        except PrefactorError as error:
            yield f"data: {json.dumps({'error': str(error)})}\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")

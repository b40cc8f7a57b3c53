"""The web application: a page, its two files, and three calls for it and for programs."""

import html
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, File, Form, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from pydantic import PlainValidator, WithJsonSchema
from starlette.datastructures import UploadFile

from syntrans import __version__
from syntrans.errors import InputError, SyntransError, UsageError, in_one_line
from syntrans.images.decode import MAX_BYTES, MAX_PIXELS
from syntrans_training.prediction.server.guard import REQUEST_BYTES, Guard
from syntrans_training.prediction.server.session import Session, upload

MAX_FILES = 200
"""Pictures in one request."""


def _file(sent: object) -> UploadFile:
    """A field of the form that is a file; `ValueError` (422) for one that is text."""
    if not isinstance(sent, UploadFile):
        raise ValueError("this field is text; send a file")  # noqa: TRY004 - what pydantic asks for
    return sent


# FastAPI has an UploadFile of its own, but hands over this one.
Sent = Annotated[UploadFile, PlainValidator(_file), WithJsonSchema({"type": "string", "format": "binary"})]
_HERE = Path(__file__).parent
_PAGES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}


def create_app(session: Session, port: int) -> FastAPI:
    """The application on `session`, which answers to this machine's own names at `port` alone."""
    # FastAPI's own page at /docs loads its script from another site.
    app = FastAPI(title="SynTrans serve", version=__version__, docs_url=None, redoc_url=None)
    app.add_middleware(Guard, port=port)
    for expected in (SyntransError, OSError, MemoryError):
        app.add_exception_handler(expected, _explain)
    _add_calls(app, session)
    for path, (name, kind) in _PAGES.items():
        app.add_api_route(path, _page(name, kind), include_in_schema=False)
    app.add_api_route("/favicon.ico", lambda: Response(status_code=204), include_in_schema=False)
    app.add_api_route("/docs", lambda: HTMLResponse(_docs(app)), include_in_schema=False)
    return app


def _add_calls(app: FastAPI, session: Session) -> None:
    # Plain functions run in a thread, so that the server goes on listening.
    @app.get("/task", summary="The classes, what the answers promise, and the limits.")
    def task() -> dict[str, Any]:
        limits = {"files": MAX_FILES, "bytes": MAX_BYTES, "request_bytes": REQUEST_BYTES, "pixels": MAX_PIXELS}
        return {
            "classes": session.classes,
            "encoder": session.encoder,
            "terms": session.terms(),
            "support": str(session.folder),
            "limits": limits,
        }

    @app.post("/predict", summary="Name pictures: form field “files”, once a picture. They are named together.")
    def predict(files: Annotated[list[Sent], File()]) -> dict[str, Any]:
        if len(files) > MAX_FILES:
            raise HTTPException(413, f"{len(files)} pictures; at most {MAX_FILES} in one request: send fewer at once")
        rows = session.answer([upload(file.filename, file.file.read()) for file in files])
        return {"answers": [answer.as_dict() for answer in rows]}

    @app.post("/correct", summary="Make a picture (field “file”) a support of a class (field “name”), and keep it.")
    def correct(file: Annotated[Sent, File()], name: Annotated[str, Form()]) -> dict[str, str]:
        return {"class": name, "kept": str(session.correct(upload(file.filename, file.file.read()), name))}


def _page(name: str, kind: str) -> Any:
    return lambda: FileResponse(_HERE / name, media_type=kind)


async def _explain(_request: Request, error: Exception) -> JSONResponse:
    """A mistake of the sender's is 400, what this machine cannot do is 500; one line each."""
    line = in_one_line(error)[0] if isinstance(error, OSError | MemoryError) else str(error)
    return JSONResponse({"detail": line}, 400 if isinstance(error, InputError | UsageError) else 500)


def _docs(app: FastAPI) -> str:
    """The calls as a page without any script; the whole schema is at /openapi.json."""
    calls = [(method, path, call) for path, below in app.openapi()["paths"].items() for method, call in below.items()]
    rows = "".join(
        f"<dt><code>{html.escape(f'{method.upper()} {path}')}</code></dt><dd>{html.escape(call['summary'])}</dd>"
        for method, path, call in calls
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>SynTrans serve: calls</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/page.css">'
        f"</head><body><main><h1>Calls for programs</h1><dl>{rows}</dl><p>All answers are JSON; an error is "
        '<code>{"detail": …}</code>. The schema is <a href="/openapi.json">openapi.json</a>. '
        '<a href="/">Back to the page</a></p></main></body></html>'
    )

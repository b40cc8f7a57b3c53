"""What `syntrans serve` does: open the task, take a port of this machine, answer until it is stopped."""

import socket

import uvicorn

from syntrans.errors import EnvironmentProblem
from syntrans.progress import say
from syntrans_training.prediction.server.app import create_app
from syntrans_training.prediction.server.session import Session, check_folder
from syntrans_training.prediction.task import TaskRequest, open_task

HOST = "127.0.0.1"


def serve(request: TaskRequest, port: int) -> None:
    """Answer at `port` (0: any free one) until Ctrl-C."""
    request.check()
    with bound(port) as listener:
        supports = request.supports()
        folder = check_folder(request.support, supports)
        session = Session(open_task(request, supports), folder)
        for line in session.terms():
            say(line)
        port = listener.getsockname()[1]
        listener.listen()  # who opens the address as soon as it is said waits a moment, and is not refused
        say(f"open http://{HOST}:{port}/ in a browser; corrections are kept in {folder}; Ctrl-C ends it")
        config = uvicorn.Config(create_app(session, port), log_level="warning", access_log=False, server_header=False)
        uvicorn.Server(config).run(sockets=[listener])


def bound(port: int) -> socket.socket:
    """A socket that has `port` of this machine alone; `EnvironmentProblem` when another program has it."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise EnvironmentProblem(
            f"port {port} cannot be taken ({error.strerror}); give another one: --port N"
        ) from error
    return listener

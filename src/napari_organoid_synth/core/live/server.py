"""The process of the live renderer: requests come through the standard input, answers leave through the output.

``python -m napari_organoid_synth.core.live.server``; what else is printed, and the log, go to the standard error. It
ends when its input does, so that it never outlives the program that started it.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import BinaryIO

from napari_organoid_synth.core.live.frames import Decoder, FrameError, encode
from napari_organoid_synth.core.live.pending import Pending

logger = logging.getLogger(__name__)
CHUNK = 1 << 20
"""Bytes that are read at once."""
REST_SECONDS = 30.0
"""Without a request until memory is returned."""
PATIENCE = 0.3
"""Seconds without a request, at the start or after a model was opened, until a tiny mask is painted."""
END_SECONDS = 2.0
"""In which the present work may end once the input has."""


def serve(source: BinaryIO, target: BinaryIO) -> int:
    """Answer requests until the source ends.

    Parameters
    ----------
    source, target : binary streams
        Messages as `frames` describes them.

    Returns
    -------
    int
        Exit status: 0, or 2 where the source brought bytes that are no message.
    """
    pending, done = Pending(), threading.Event()
    errors: list[FrameError] = []
    threading.Thread(target=_read, args=(source, pending, done, errors), daemon=True).start()
    try:
        _work(pending, target)
    finally:
        done.set()
    return 2 if errors else 0


def _work(pending: Pending, target: BinaryIO) -> None:
    from napari_organoid_synth.core.live.renderer import Renderer  # only now, while the first request is on its way

    renderer, seconds, cold = Renderer(), REST_SECONDS, True
    while not pending.closed:
        request = pending.take(PATIENCE if cold else seconds)
        if request is None and cold:
            renderer.warm_up()
            cold = False
        elif request is None:
            renderer.rest()
            seconds = threading.TIMEOUT_MAX  # there is nothing more to return
        else:
            if request.kind == "quit":
                return
            with suppress(BrokenPipeError):  # nobody listens any more: the input is about to end
                for answer in renderer.answer(request):
                    target.write(encode(answer))
                    target.flush()
            cold, seconds = request.kind == "open", REST_SECONDS


def _read(source: BinaryIO, pending: Pending, done: threading.Event, errors: list[FrameError]) -> None:
    """Take up requests while others are worked on; end the process where the work does not."""
    decoder = Decoder()
    try:
        while data := os.read(source.fileno(), CHUNK):
            pending.add(decoder.feed(data))
    except FrameError as error:
        logger.error("The input is damaged: %s", error)
        errors.append(error)
    except OSError as error:
        logger.error("The input cannot be read: %s", error)
    pending.close()
    if not done.wait(END_SECONDS):
        os._exit(2 if errors else 0)


def main() -> int:
    """Serve the process's own input and output."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(relativeCreated)d ms %(name)s: %(message)s")
    with suppress(ValueError, AttributeError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is meant for the program that started it
    target = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what anything prints must not get among the messages
    return serve(sys.stdin.buffer, target)


if __name__ == "__main__":
    sys.exit(main())

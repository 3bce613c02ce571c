"""Commands that a person of this computer has given or allowed; those of a shared project run only when asked for.

A saved segmenter and the settings of a comparison lie in the project, which may come from somebody else. The commands
that they name would run with all rights of the person who opens it.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.segmentation.segmenters.command_config import CommandConfig
from napari_organoid_synth.core.segmentation.segmenters.config import SegmenterConfig

FILE = "trusted_commands.json"


def trust(config: SegmenterConfig) -> None:
    """Remember, for this person on this computer, that the commands of a segmenter may run; others have none."""
    if isinstance(config, CommandConfig) and _digest(config) not in (known := _known()):
        write_text(_file(), json.dumps(sorted({*known, _digest(config)})))


def refuse_untrusted(config: SegmenterConfig, todo: str) -> None:
    """Refuse the commands of a segmenter that nobody gave or allowed here.

    Parameters
    ----------
    config : SegmenterConfig
        Of any segmenter; those without commands pass.
    todo : str
        How to allow them.

    Raises
    ------
    UserError
        Naming the commands.
    """
    if isinstance(config, CommandConfig) and _digest(config) not in _known():
        place = f" in {config.folder}" if config.folder else ""
        raise UserError(
            f"This segmenter runs '{shlex.join(config.predict)}'{place}, and was not trained here.",
            "Expected a command that you know: it may do on this computer whatever you may do.",
            todo,
        )


def _digest(config: CommandConfig) -> str:
    return hashlib.sha256(json.dumps([config.fit, config.predict, config.folder]).encode()).hexdigest()


def _file() -> Path:
    import pooch

    return Path(pooch.os_cache("napari-organoid-synth")) / FILE


def _known() -> set[str]:
    try:
        return set(map(str, json.loads(_file().read_text())))
    except (OSError, ValueError, TypeError):
        return set()

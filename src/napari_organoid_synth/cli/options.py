"""The command line application, and the options that its commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_organoid_synth.cli.output import Interrupted, show_settings
from napari_organoid_synth.core.spelling import did_you_mean

OLDER_NAMES = {"adopt": "import-model", "curate": "samples"}
"""Commands of version 0.1 under another name; they are not listed."""


class CommandGroup(typer.core.TyperGroup):
    """All commands. A short one gets an option for each of its settings only when it is called.

    Importing the settings of all would make ``--help`` slow.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments name, and the remaining arguments."""
        args = [OLDER_NAMES.get(args[0], args[0]), *args[1:]]
        if args[0] not in self.commands and not args[0].startswith("-"):
            ctx.fail(f"No such command '{args[0]}'. {did_you_mean(args[0], self.commands)}".strip())
        name, command, remaining = super().resolve_command(ctx, args)
        if name in _SHORT:
            command = _alone(name, _with_options(_SHORT[name], name))
        if name and command and any(parameter.name == "overrides" for parameter in command.params):
            _offer_settings(command, name, SETTINGS in remaining)
        return name, command, remaining

    def invoke(self, ctx: Any) -> Any:
        """Run the command; Ctrl-C in one that does not handle it is an error like others."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("Stopped.") from None


SETTINGS = "--settings"
SettingsOption = Annotated[bool, typer.Option(SETTINGS, help="List all settings with type, default and bounds; exit.")]


def _only_settings(settings: SettingsOption = False) -> None: ...


def _alone(name: str, function: Callable[..., None]) -> Any:
    """Return a function as a command that is in no list."""
    single = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    single.command(name)(function)
    return typer.main.get_command(single)


def _offer_settings(command: Any, name: str, wanted: bool) -> None:
    """Add the option ``--settings`` to a command; where it is wanted, no project is needed and nothing is run."""
    option = _alone("settings", _only_settings).params[0]
    option.expose_value = False
    command.params.append(option)
    if wanted:
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                parameter.required = False
        command.callback = partial(_list_settings, name)


def _list_settings(verb: str, as_json: bool, **given: Any) -> None:
    """Print the settings of a command, with the values of recipe and options."""
    from napari_organoid_synth.cli.running import settings_of
    from napari_organoid_synth.core.setting_list import list_settings
    from napari_organoid_synth.core.verbs import settings_class

    if verb == "study":
        _list_study(as_json, **given)
        return
    known = settings_class(verb).model_fields
    member = given.pop("gan", None)  # chosen before its own settings
    overrides = [*([f"gan={member}"] if member else []), *(given["overrides"] or ())]
    fields = {key: value for key, value in given.items() if key in known}
    listed = list_settings(settings_of(verb, given.get("recipe"), overrides, fields))
    show_settings(verb, listed, as_json)


def _list_study(as_json: bool, **given: Any) -> None:
    """Print the settings of a study, by default of the first."""
    from napari_organoid_synth.core.setting_list import list_settings
    from napari_organoid_synth.core.studies.catalog import STUDIES, study_settings
    from napari_organoid_synth.core.studies.settings import Size

    name: str = given["name"] or next(iter(STUDIES))
    size: Size = given["size"] or "small"
    show_settings("study", list_settings(study_settings(name, "", size, *(given["overrides"] or ()))), as_json)


app = typer.Typer(
    name="organoid-synth",
    cls=CommandGroup,
    help="Make, curate and prove synthetic image-mask pairs for microscopy.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ProjectArgument = Annotated[Path, typer.Argument(help="Project folder.")]
RecipeOption = Annotated[Path | None, typer.Option(help="YAML file of settings.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override a setting: key=value. Repeatable.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only measure time and memory; nothing is written.")]
JobOption = Annotated[Path | None, typer.Option("--job", hidden=True, help="Folder of events and control.")]


def command_of(arguments: Sequence[str]) -> str:
    """Return the command that the arguments name; empty if none."""
    words = (OLDER_NAMES.get(word, word) for word in arguments if not word.startswith("-"))
    return next(words, "")


@app.callback(invoke_without_command=True)
def version(
    context: typer.Context, show: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False
) -> None:
    """Make, curate and prove synthetic image-mask pairs for microscopy."""
    if show:
        from napari_organoid_synth import __version__

        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(2)


# --- short commands: every field of their settings is also an option --------------------------------------------------

_SHORT: dict[str, Callable[..., None]] = {}


def short_verb(function: Callable[..., None]) -> Callable[..., None]:
    """Add a short command to the list; `CommandGroup` adds its options."""

    def listed() -> None: ...

    name = function.__name__.replace("_", "-")
    app.command(name, help=function.__doc__)(listed)
    _SHORT[name] = function
    return function


def _with_options(function: Callable[..., None], verb: str) -> Callable[..., None]:
    """Return the function with an option for each field of the settings in place of ``fields``."""
    import inspect
    from functools import wraps

    from napari_organoid_synth.core.verbs import SHORT_VERBS

    own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.name != "fields"]
    options = []
    for name, field in SHORT_VERBS[verb].settings_class().model_fields.items():
        shown: Any = {"help": field.description, "show_default": str(field.default) if field.default else False}
        kind: Any = str | None
        option: Any = typer.Option(None, **shown)
        if field.annotation is bool:
            kind, option = bool, typer.Option(False, f"--{name.replace('_', '-')}", **shown)
        elif field.annotation is int:
            ends = {end: getattr(bound, end) for bound in field.metadata for end in ("ge", "le") if hasattr(bound, end)}
            kind, option = int | None, typer.Option(None, min=ends.get("ge"), max=ends.get("le"), **shown)
        elif str(field.annotation).startswith("tuple"):
            kind = list[str] | None
        if isinstance(field.json_schema_extra, dict) and "option" in field.json_schema_extra:  # a name Python reserves
            option = typer.Option(None, str(field.json_schema_extra["option"]), f"--{name}", **shown)
        options.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind))

    @wraps(function)
    def command(**arguments: Any) -> None:
        function(**arguments)

    command.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (*own, *options)}
    return command

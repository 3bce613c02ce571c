"""The one error that people see: what was found, what was expected, what to do."""

from __future__ import annotations


class UserError(ValueError):
    """Something that the person at the screen can mend.

    Parameters
    ----------
    found : str
        What is wrong, with file, shape and number: ``"cell_03.tif holds 0 bytes."``
    expected : str
        What would have been right: ``"Expected a TIFF with at least one page."``
    todo : str
        The next thing to do: ``"Copy the file again from the microscope."``
    """

    def __init__(self, found: str, expected: str = "", todo: str = "") -> None:
        self.found, self.expected, self.todo = found, expected, todo
        super().__init__(" ".join(part for part in (found, expected, todo) if part))

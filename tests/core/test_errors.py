"""Messages can be printed and read, whatever values they quote."""

from __future__ import annotations

from napari_organoid_synth.core.errors import UserError


def test_a_long_value_keeps_its_two_ends() -> None:
    error = UserError(f"The label is {'1' + 10_000 * '7' + '9'}.", "Expected less.")
    assert len(str(error)) < 350
    assert str(error).startswith("The label is 1777")
    assert str(error).endswith("779. Expected less.")


def test_a_long_list_is_cut() -> None:
    text = str(UserError(" ".join(f"file_{k}.tif" for k in range(10_000))))
    assert len(text) == 2000
    assert text.endswith("file_9999.tif")


def test_surrogates_and_control_characters_are_replaced() -> None:
    assert UserError("a\udcff\x1b[31m\x00b\nc").found == "a\ufffd\ufffd[31m\ufffdb\nc"
    str(UserError("a\udcff")).encode("utf-8")

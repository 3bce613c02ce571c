"""``study.yaml``: written with what each setting means, read again, and what is given on the command line wins."""

from __future__ import annotations

import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.studies.catalog import STUDIES, listed, settings_in, study_settings
from napari_organoid_synth.core.studies.organoid_settings import SIZES, OrganoidSettings
from napari_organoid_synth.core.studies.preparing import fingerprint_of
from napari_organoid_synth.core.studies.settings import FILE, write_settings


def test_the_file_says_what_each_setting_means_and_is_read_again(tmp_path):
    settings = study_settings("organoid", "images here", "small", "seed=3")
    write_settings(tmp_path, settings, "A heading")
    text = (tmp_path / FILE).read_text()
    assert text.startswith("# A heading\n")
    for name, field in OrganoidSettings.model_fields.items():
        assert f"\n{name}:" in text
        assert " ".join(str(field.description).split()[:5]) in text
    assert OrganoidSettings.from_file(tmp_path / FILE) == settings
    assert settings_in(tmp_path, "organoid") == settings


def test_what_is_given_wins_and_comments_stay_where_nothing_changes(tmp_path):
    write_settings(tmp_path, study_settings("organoid", "a"), "x")
    (tmp_path / FILE).write_text((tmp_path / FILE).read_text().replace("epochs: 600", "epochs: 7  # mine"))
    there = settings_in(tmp_path, "organoid")
    assert (there.epochs, there.data) == (7, "a")
    write_settings(tmp_path, there, "x")
    assert "epochs: 7  # mine" in (tmp_path / FILE).read_text()
    given = settings_in(tmp_path, "organoid", "b", "small", ["losses.bce.latent=3"])
    assert (given.epochs, given.data, given.losses["bce"]["latent"]) == (7, "b", 3)
    write_settings(tmp_path, given, "x")
    assert settings_in(tmp_path, "organoid") == given


def test_another_study_or_size_needs_another_folder(tmp_path):
    write_settings(tmp_path, study_settings("organoid", "a"), "x")
    with pytest.raises(UserError, match=r"at the size 'small'.*Choose another folder"):
        settings_in(tmp_path, "organoid", size="published")
    with pytest.raises(UserError, match="holds the study 'organoid'"):
        settings_in(tmp_path, "em")
    (tmp_path / FILE).write_text("- 1\n")
    with pytest.raises(UserError, match="does not name a study"):
        settings_in(tmp_path, "organoid")


def test_names_sizes_and_generators_are_checked():
    with pytest.raises(UserError, match=r"no study 'organoids'.*Did you mean 'organoid'"):
        study_settings("organoids")
    with pytest.raises(UserError, match="no size 'tiny'"):
        study_settings("organoid", size="tiny")
    with pytest.raises(UserError, match="los"):
        study_settings("organoid", "", "small", "losses.bce.los=bce")


def test_the_sizes_are_settings_of_their_study():
    assert {name: one.size for name, one in SIZES.items()} == {"small": "small", "published": "published"}
    assert SIZES["published"].side == 250
    assert list(SIZES["published"].losses) == list(SIZES["small"].losses)
    assert len(SIZES["published"].losses) == 6


def test_the_list_says_what_each_study_needs(call):
    code, out, _ = call("list", "studies")
    assert code == 0
    for name, study in STUDIES.items():
        assert name in out
        assert study.data in out
    assert set(listed()["organoid"]["takes"]) == {"small", "published"}


def test_a_fingerprint_changes_with_the_bytes_of_a_store_or_a_set_of_files(tmp_path):
    store, one, two = tmp_path / "a.zarr" / "0" / "0.0", tmp_path / "img_1.tif", tmp_path / "img_2.tif"
    store.parent.mkdir(parents=True)
    for file in (store, one, two):
        file.write_bytes(b"a")
    places = (tmp_path / "a.zarr", tmp_path / "img_*.tif", one)
    before = [fingerprint_of(place) for place in places]
    assert before == [fingerprint_of(place) for place in places]
    store.write_bytes(b"b")
    two.write_bytes(b"b")
    assert [fingerprint_of(place) != known for place, known in zip(places, before, strict=True)] == [True, True, False]


@pytest.mark.parametrize(("name", "key"), [("organoid", "classes"), ("tissue", "only"), ("tissue", "transfer_only")])
def test_a_pattern_that_is_none_is_told_before_anything_is_done(name, key):
    with pytest.raises(UserError, match="not a regular expression"):
        study_settings(name, "images", "small", f"{key}='('")

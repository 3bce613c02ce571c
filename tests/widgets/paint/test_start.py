"""Which real images may not paint a mask: those whose own mask it is."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.widgets.paint.start import StartChoice, barred_from, read_start


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    for seed in range(2):
        write_pair(folder, tissue(seed, 96).replace(name=f"image_{seed}"))
    return check_pairs(find_pairs(folder))


def test_a_layer_that_holds_a_real_mask_is_not_painted_with_its_image(table):
    own = StartChoice("layer", "mask", labels=tissue(1, 96).labels)
    assert read_start(own, table, None).barred == ("image_1",)
    other = StartChoice("layer", "mask", labels=tissue(7, 96).labels)
    assert read_start(other, table, None).barred == ()
    assert read_start(StartChoice(size=(96, 96)), table, None).barred == ()


def test_a_real_pair_is_barred_unless_its_pixels_stay(table):
    assert read_start(StartChoice("pair", "image_0", keep_real=False), table, None).barred == ("image_0",)
    assert read_start(StartChoice("pair", "image_0"), table, None).barred == ()


@pytest.mark.parametrize(("kind", "barred"), [("real", ("image_0",)), ("drawn", ("image_0",)), ("arranged", ())])
def test_a_sample_is_barred_from_the_image_whose_mask_it_has(kind, barred):
    origin = {"mask": {"kind": kind, "names": ["image_0"], "name": "image_0"}}
    labels = np.ones((8, 8), np.int32)
    assert barred_from(StartChoice("sample", "s1"), labels, None, origin) == barred

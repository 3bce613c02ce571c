import numpy as np

from napari_organoid_synth.core.adapt.place import Place
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.simulators.simulate import em


def test_classes_stay_what_they_are_where_one_is_not_there(tmp_path):
    """A kept square may hold membranes alone: their number must not become that of mitochondria."""
    pairs = [em(seed, 96) for seed in range(2)]
    pairs = [pair.replace(labels=np.where(pair.labels == 2, 2, 0).astype(np.int32)) for pair in pairs]
    place = Place(Project(tmp_path))
    place.write("pairs", pairs)
    for before, after in zip(pairs, place.pairs("pairs"), strict=True):
        assert after.class_names == ("mitochondria", "membranes")
        assert np.array_equal(after.labels, before.labels)


def test_a_folder_that_was_not_written_has_no_pairs(tmp_path):
    assert Place(Project(tmp_path)).pairs("source") == []

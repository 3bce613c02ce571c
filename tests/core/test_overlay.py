import numpy as np

from napari_organoid_synth.core.overlay import error_overlay, outline


def test_errors_have_their_colours():
    predicted, truth = np.array([[1, 1, 0, 0]]), np.array([[1, 0, 1, 0]])
    assert error_overlay(predicted, truth).tolist() == [[[255] * 3, [255, 0, 255], [0, 255, 255], [0] * 3]]


def test_correct_pixels_show_the_image_and_the_image_is_kept():
    background = np.full((1, 4, 3), 77, np.uint8)
    picture = error_overlay(np.array([[1, 1, 0, 0]]), np.array([[1, 0, 1, 0]]), background)
    assert picture[0, 0].tolist() == picture[0, 3].tolist() == [77, 77, 77]
    assert (background == 77).all()


def test_wrong_class_is_yellow_only_for_classes():
    predicted, truth = np.array([[2]]), np.array([[1]])
    assert error_overlay(predicted, truth, classes=True).tolist() == [[[255, 255, 0]]]
    assert error_overlay(predicted, truth).tolist() == [[[255, 255, 255]]]


def test_outline_separates_touching_objects_but_not_the_rim():
    labels = np.array([[1, 1, 1, 2, 2, 2], [1, 1, 1, 2, 2, 2], [1, 1, 1, 0, 2, 2]])
    expected = [[0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 1, 0, 1, 0]]
    expected[1][3] = 1  # above the background pixel
    assert outline(labels).astype(int).tolist() == expected


def test_outline_of_a_stack_keeps_images_apart():
    stack = np.stack([np.ones((3, 3), int), np.zeros((3, 3), int)])
    assert not outline(stack).any()

import numpy as np

from napari_organoid_synth.core.pairs.pictures import error_overlay, flow_colours, outline


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


def test_arrows_have_the_hue_of_their_way_and_the_brightness_of_their_length():
    up, down, right, none, short, long = (-5, 0), (5, 0), (0, 5), (0, 0), (-2.5, 0), (-50, 0)
    flow = np.array([[up, down, right, none, short, long]], np.float32).transpose(2, 0, 1)
    picture = flow_colours(flow)
    assert picture.dtype == np.uint8
    green = [127, int(127.5 * (1 + np.sqrt(0.75))), int(127.5 * (1 - np.sqrt(0.75)))]
    wanted = [[255, 63, 63], [0, 191, 191], green, [0, 0, 0], [127, 31, 31], [255, 63, 63]]
    np.testing.assert_allclose(picture[0], wanted, atol=1)
    np.testing.assert_array_equal(flow_colours(np.stack([flow, -flow], 1))[0], picture)  # a stack


def test_outline_separates_touching_objects_but_not_the_rim():
    labels = np.array([[1, 1, 1, 2, 2, 2], [1, 1, 1, 2, 2, 2], [1, 1, 1, 0, 2, 2]])
    expected = [[0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 1, 0, 1, 0]]
    expected[1][3] = 1  # above the background pixel
    assert outline(labels).astype(int).tolist() == expected


def test_outline_of_a_stack_keeps_images_apart():
    stack = np.stack([np.ones((3, 3), int), np.zeros((3, 3), int)])
    assert not outline(stack).any()

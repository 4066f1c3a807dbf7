import numpy as np
import pytest

from transforms.motions.camera import Camera, place, view_path
from transforms.motions.trajectory import curves, view_areas, view_centres, view_sizes, zoom_of

T = np.linspace(0.0, 1.0, 9)


def quads(camera, image_size=(600, 800), size=(100, 200), where=(0.5, 0.5)):
    return place(view_path([camera], frames=9, size=size), image_size=image_size, where=where)


def test_whole_picture():
    whole_T42 = quads(Camera(), size=(300, 400))
    np.testing.assert_array_equal(view_areas(whole_T42), np.ones(9))
    assert zoom_of(whole_T42) == 1.0
    np.testing.assert_array_equal(view_sizes(whole_T42, (600, 800)), [[600, 800]] * 9)
    np.testing.assert_array_equal(view_centres(whole_T42), [[0.5, 0.5]] * 9)


def test_zoom_counts_what_the_shape_cuts_off():
    # a 2:1 view in a 4:3 picture sees 800x400 of 800x600 pixels; at the end half of that each way
    assert zoom_of(quads(Camera(scale=0.5**T))) == pytest.approx(2.0 * np.sqrt(600 / 400), rel=1e-5)


def test_curves_give_back_what_the_camera_did():
    turning = Camera(scale=0.5**T, angle=200.0 * T - 30.0)
    found = curves(quads(turning), (600, 800), fps=4.0)
    np.testing.assert_allclose(found["seconds"], np.arange(9) / 4.0)
    np.testing.assert_allclose(found["zoom"] / found["zoom"][0], 2.0**T, rtol=1e-4)
    np.testing.assert_allclose(found["angle"], 200.0 * T - 30.0, atol=0.01)
    np.testing.assert_allclose(found["x"], found["x"][0], atol=1e-5)
    np.testing.assert_allclose(found["keystone"], 1.0, atol=1e-4)


def test_the_middle_of_a_tilted_view_is_what_the_camera_looks_at():
    found = curves(quads(Camera(tilt_x=30.0 * T, tilt_y=20.0 * T)), (600, 800), fps=12.0)
    np.testing.assert_allclose(found["x"], found["x"][0], atol=1e-6)
    np.testing.assert_allclose(found["y"], found["y"][0], atol=1e-6)
    assert (np.diff(found["keystone"]) > 0.0).all()


def test_view_sizes_are_in_picture_pixels():
    sizes_T2 = view_sizes(quads(Camera(scale=0.5**T)), (600, 800))
    np.testing.assert_allclose(sizes_T2[[0, -1]], [[400, 800], [200, 400]], atol=0.01)
    turned_T2 = view_sizes(quads(Camera(angle=90.0)), (600, 800))
    np.testing.assert_allclose(turned_T2[0], [300, 600], atol=0.01)

import math

import numpy as np
import pytest

from transforms.motions.camera import FIELD_OF_VIEW, GRID, MAX_TILT, MAX_ZOOM, Camera, place, view_path


def path(*cameras, frames=3, size=(200, 300)):
    return view_path(cameras, frames=frames, size=size)


def test_the_base_view_has_the_shape_of_the_output():
    path_T4 = path(Camera())
    assert path_T4.shape == (3, 4)
    assert path_T4.dtype == np.complex128
    np.testing.assert_allclose(path_T4[2], [-0.75 - 0.5j, 0.75 - 0.5j, 0.75 + 0.5j, -0.75 + 0.5j])


def test_a_camera_moves_scales_and_turns_its_view():
    t_T = np.array([0.0, 0.5, 1.0])
    path_T4 = path(Camera(x=t_T, y=-t_T, scale=1.0 - t_T / 2, angle=90.0 * t_T))
    # the last view: centre one width right and one height up, half as large, its top now on the right
    expected = (1.5 - 1j) + 0.5 * 1j * np.array([-0.75 - 0.5j, 0.75 - 0.5j, 0.75 + 0.5j, -0.75 + 0.5j])
    np.testing.assert_allclose(path_T4[2], expected, atol=1e-12)


def test_cameras_nest():
    inner = Camera(x=np.array([0.0, 0.1, 0.2]))
    path_T4 = path(Camera(scale=0.5, angle=90.0), inner)
    np.testing.assert_allclose(path_T4.mean(1), [0, 0.5 * 1j * 0.15, 0.5 * 1j * 0.3], atol=1e-12)


def test_tilt_is_a_pinhole_camera_looking_aslant():
    """Against ray casting in three dimensions, written from the definition."""
    degrees, (height, width) = np.array([12.0, 40.0]), (2.0, 3.0)
    path_T4 = path(Camera(tilt_x=0.6 * degrees, tilt_y=-0.8 * degrees), frames=2)
    for t, angle in enumerate(np.radians(degrees)):
        axis = np.array(
            [0.8, 0.6, 0.0]
        )  # across the tilt, so that the view's plane comes towards the eye on its far side
        k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
        turn = (
            np.eye(3) + math.sin(angle) * k + (1 - math.cos(angle)) * (k @ k)
        )  # Rodrigues; z points into the picture
        distance = math.hypot(width, height) / height / 2 / math.tan(math.radians(FIELD_OF_VIEW / 2))
        eye = turn @ [0.0, 0.0, -distance]
        for corner, seen in zip([(-1, -1), (1, -1), (1, 1), (-1, 1)], path_T4[t], strict=True):
            point = turn @ [corner[0] * width / height / 2, corner[1] / 2, 0.0]
            hit = eye + (point - eye) * (eye[2] / (eye[2] - point[2]))
            np.testing.assert_allclose([seen.real, seen.imag], hit[:2], atol=1e-12)


def test_the_side_looked_at_recedes():
    tl, tr, br, bl = path(Camera(tilt_x=30.0), frames=1)[0]
    assert abs(br - tr) > abs(bl - tl)
    tl, tr, br, bl = path(Camera(tilt_y=30.0), frames=1)[0]
    assert abs(br - bl) > abs(tr - tl)


def test_tilts_and_zooms_add_up_to_a_limit():
    np.testing.assert_allclose(path(*[Camera(tilt_x=45.0)] * 4), path(Camera(tilt_x=MAX_TILT)))
    zooming = Camera(scale=np.array([1.0, 0.5, 1e-3]))
    widths_T = np.ptp(path(*[zooming] * 3).real, axis=1)
    assert widths_T[0] / widths_T[2] == pytest.approx(MAX_ZOOM)
    assert widths_T[0] / widths_T[1] == pytest.approx(8.0)


def test_a_path_fills_the_picture_in_one_direction_and_lies_where_asked():
    quads_T42 = place(path(Camera(), size=(100, 100)), image_size=(100, 400), where=(0.25, 0.9))
    np.testing.assert_allclose(quads_T42[0], [[0.1875, 0], [0.4375, 0], [0.4375, 1], [0.1875, 1]], atol=1e-6)
    assert quads_T42.dtype == np.float32


def test_a_view_of_the_pictures_shape_is_the_picture():
    for height, width in [(480, 640), (333, 1001), (1, 1), (7919, 104729)]:
        quads_T42 = place(path(Camera(), size=(height, width)), image_size=(height, width), where=(0.3, 0.7))
        assert quads_T42.tolist() == [[[0, 0], [1, 0], [1, 1], [0, 1]]] * 3


def test_quads_lie_on_the_grid_without_negative_zeros():
    quads_T42 = place(
        path(Camera(x=np.array([0, 0.1, 0.3]), scale=0.77)), image_size=(480, 640), where=(0.1, 0.2)
    )
    steps_T42 = quads_T42.astype(np.float64) * GRID
    np.testing.assert_array_equal(steps_T42, np.rint(steps_T42))
    assert not np.signbit(quads_T42).any()


@pytest.mark.parametrize(
    "camera", [Camera(x=float("nan")), Camera(y=np.array([0.0, np.inf, 0.0])), Camera(angle=float("nan"))]
)
def test_a_path_that_is_not_finite_is_refused(camera):
    with pytest.raises(ValueError, match="not finite"), np.errstate(invalid="ignore"):
        place(path(camera), image_size=(10, 10), where=(0.5, 0.5))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), np.array([1.0, 0.0, 1.0])])
def test_a_scale_must_be_positive(scale):
    with pytest.raises(ValueError, match="scale must be above 0"):
        path(Camera(scale=scale))

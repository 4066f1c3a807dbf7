from preview.show.words import in_words, values_in_words
from transforms.motions import sample_trajectory


def test_a_motion_in_words_leaves_usual_timing_out():
    shape = {"seed": 0, "image_size": (480, 640)}
    drawn = sample_trajectory("zoom_in", zoom=1.5, focus_x=0.25, focus_y=1.0, hold_end=0.2, **shape)
    assert in_words(drawn) == "zoom_in zoom=1.5 focus_x=0.25 focus_y=1 hold_end=0.2"
    combined = sample_trajectory("held+pan_left", zoom=2.0, distance=1 / 3, **shape)
    assert in_words(combined) == "held+pan_left held.zoom=2 pan_left.distance=0.333"
    assert in_words(sample_trajectory("static", **shape)) == "static"


def test_views_are_written_as_on_the_command_line():
    views = [{"zoom": 1.0}, {"zoom": 2.0, "x": -0.125}]
    assert values_in_words({"views": views, "easing": "linear"}) == "views=[{zoom:1},{zoom:2,x:-0.125}]"

from pipelines.sources.annotations.cells import texts, url_identity


def test_a_cell_holds_a_caption_or_a_list_of_them() -> None:
    assert texts("a") == ["a"]
    assert texts(["a", 1, None, "b\ud800"]) == ["a", "b?"]
    assert texts(None) == texts({"a": 1}) == texts(float("nan")) == []


def test_equal_urls_have_equal_identities() -> None:
    assert url_identity("http://a/1") == url_identity("http://a/1")
    assert url_identity("http://a/1") != url_identity("http://a/2")
    assert url_identity("http://\ud800/").startswith("url-")

"""JSON walked part by part: what the whole holds, in blocks of any size, and what is wrong with it where it stands."""

import json

import pytest
from conftest import examples
from hypothesis import given
from hypothesis import strategies as st

from costctl.errors import InputRefused
from costctl.files import nested

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def whole(value):
    """Return a JSON as it is read here: numbers as their text."""
    if isinstance(value, dict):
        return {key: whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return json.dumps(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def leaves(place, value, depth):
    """Yield what a walk yields that enters everything above a depth."""
    if isinstance(value, dict | list) and len(place) < depth:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves((*place, key), inner, depth)
    else:
        yield place, value


@given(JSON, st.integers(0, 5), st.integers(1, 9), st.sampled_from([None, 1]))
@examples(200)
def test_a_walk_finds_what_the_whole_holds(tmp_path_factory, value, depth, size, indent):
    path = tmp_path_factory.mktemp("walk") / "any.json"
    text = json.dumps(value, indent=indent)
    path.write_text(text)
    with pytest.MonkeyPatch.context() as patch:  # blocks of a few characters cut every part everywhere
        patch.setattr(nested, "decoded", lambda _: iter([text[at : at + size] for at in range(0, len(text), size)]))
        walked = list(nested.walk(path, lambda place: len(place) < depth))
    assert walked == list(leaves((), whole(json.loads(text)), depth))


def walked(path, text, depth=2):
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return list(nested.walk(path, lambda place: len(place) < depth))


def test_numbers_stay_as_they_are_written(tmp_path):
    text = '{"a": 1.250e-05, "b": 12345678901234567890.12, "c": -0, "d": 1E400, "e": NaN, "f": "1"}'
    found = dict(walked(tmp_path / "a.json", text))
    assert [*found.values()] == ["1.250e-05", "12345678901234567890.12", "-0", "1E400", "NaN", "1"]


@pytest.mark.parametrize(
    ("text", "line", "what", "evidence"),
    [
        ("", 1, "cut short", "Expecting value"),
        ("[1, 2", 1, "cut short", ", is expected"),
        ("[1,\n]", 2, "not JSON", "Expecting value"),
        ('{"a": 1,}', 1, "not JSON", "a key in quotes"),
        ("{1: 2}", 1, "not JSON", "a key in quotes"),
        ('{"a"\n 1}', 2, "not JSON", ": is expected"),
        ("[1 2]", 1, "not JSON", ", is expected"),
        ("[]\n\n[]", 3, "not JSON", "a second value"),
        ('[[{"a": 1, "a": 2}]]', 1, "not JSON", "the key 'a' stands twice"),
        ("[[" + "[" * 50_000, 1, "not JSON", "nested too deep"),
        ("tru", 1, "not JSON", "Expecting value"),
    ],
)
def test_what_is_no_json_is_refused_where_it_stands(tmp_path, text, line, what, evidence):
    with pytest.raises(InputRefused) as refused:
        walked(tmp_path / "a.json", text)
    assert refused.value.where == f"{tmp_path / 'a.json'}:{line}"
    assert what in refused.value.what
    assert evidence in refused.value.evidence[1]


def test_a_part_that_does_not_end_is_not_read_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(nested, "LARGEST", 1 << 20)
    with pytest.raises(InputRefused, match="not JSON") as refused:
        walked(tmp_path / "a.json", '["' + "x" * (6 << 20))
    assert refused.value.evidence[1] == "it is longer than 1 MB, or does not end"


def test_a_place_is_a_json_pointer():
    assert nested.pointer(("a/b", 0, "~c")) == "/a~1b/0/~0c"
    assert nested.pointer(()) == ""

"""The message grammar, and that the committed classes are what the generator writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.wire import generate, messages
from broker.wire.grammar import GrammarError, parse

WIRE = Path(generate.__file__).parent

SAMPLE = """\
# What it does.
#
# More of it.

api 99 Sample
versions 0-4
flexible 3+

request
  name: string?2+ 1+ = null ignorable   # whose
  limit: int32 0-2 = 0x7f
  deep: bool = true tag 1
  parts: [Part] 2
    id: int16
    when: int64 = -1
  others: [Part]?

response
  struct Both
    code: int16
  first: Both
  second: Both 4
"""


def test_a_field_says_its_type_versions_and_default() -> None:
    """Every part of the line lands where it belongs."""
    found = parse(SAMPLE)
    request, response = found.messages
    name, limit, deep, parts, others = request.fields

    assert (found.key, found.api, found.comment) == (99, "Sample", "What it does.\n\nMore of it.")
    assert (request.name, request.low, request.high, request.flexible) == ("SampleRequest", 0, 4, 3)
    assert (name.low, name.high, name.nullable_from, name.default, name.ignorable, name.comment) == (1, 4, 2, "null", True, "whose")
    assert (limit.low, limit.high, limit.default, limit.array) == (0, 2, "0x7f", False)
    assert (deep.tag, deep.default, deep.low, deep.high) == (1, "true", 0, 4)
    assert (parts.array, parts.low, parts.high) == (True, 2, 2)
    assert [(f.name, f.low, f.high) for f in parts.struct.fields] == [("id", 2, 2), ("when", 2, 2)]
    assert others.struct is parts.struct
    assert others.nullable_from == 0
    assert [f.struct.name for f in response.fields] == ["SampleResponseBoth", "SampleResponseBoth"]
    assert response.fields[1].low == 4


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("api 1 A\nversions 0\nrequest\n  Name: string\n", "not a field"),
        ("api 1 A\nversions 0\nrequest\n  name: string 0.5\n", "not a field"),
        ("api 1 A\nversions 0\nrequest\n  part: Part\n", "struct Part is not described"),
        ("api 1 A\nversions 0\nrequest\n    name: string\n", "unexpected indentation"),
        ("api 1 A\nversions 0\nrequest\n  a: P\n    x: int8\n  b: P\n    x: int8\n", "described twice"),
        ("hello\n", "unknown verb"),
    ],
)
def test_lines_outside_of_the_grammar_are_errors(text: str, why: str) -> None:
    """The error names the file and the line."""
    with pytest.raises(GrammarError, match=why) as caught:
        parse(text, "x.msg")
    assert str(caught.value).startswith("x.msg:")


def test_the_committed_classes_are_up_to_date() -> None:
    """`python -m broker.wire.generate` changes nothing."""
    rendered = generate.render(WIRE / "schema")

    assert {path.name for path in (WIRE / "messages").glob("*.py")} == rendered.keys()
    for name, text in rendered.items():
        assert (WIRE / "messages" / name).read_text(encoding="utf-8") == text, f"{name}: run python -m broker.wire.generate"


def test_main_rewrites_the_package_and_drops_what_has_no_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema that is gone takes its module with it."""
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "99_sample.msg").write_text(SAMPLE)
    (tmp_path / "messages").mkdir()
    (tmp_path / "messages" / "gone.py").write_text("")
    monkeypatch.setattr(generate, "_HERE", tmp_path)

    generate.main()

    assert {path.name for path in (tmp_path / "messages").iterdir()} == {"__init__.py", "sample.py"}
    text = (tmp_path / "messages" / "sample.py").read_text()
    assert "limit: int = 127," in text
    assert "deep: bool = True," in text


def test_every_schema_says_what_it_is() -> None:
    """Each schema file opens with what its API does."""
    for path in sorted((WIRE / "schema").glob("*.msg")):
        assert path.read_text(encoding="utf-8").startswith("# "), f"{path.name} does not say what it is"


def test_names_that_do_not_exist_are_attribute_errors() -> None:
    """The lazy package behaves as any other."""
    with pytest.raises(AttributeError, match="has no attribute 'NoSuchRequest'"):
        _ = messages.NoSuchRequest

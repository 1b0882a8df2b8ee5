"""Which paths are legal: ZooKeeper's rules, against a second reading of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import BadArgumentsError
from coord.tree.paths import check_name, check_path, sequential, split_parent

ODD = st.sampled_from(list("/.a\0\x01\x1f\x7f\x80\x9f\ue000\uf8ff\uf900\uffef\ufff0\uffff\U0001f600é "))


def legal(path: str) -> bool:
    """The rules once more, unit by unit as Java sees the string."""
    if not path.startswith("/"):
        return False
    if path == "/":
        return True
    units = memoryview(path.encode("utf-16-be", "surrogatepass")).tolist()
    for high, low in zip(units[::2], units[1::2], strict=True):
        unit = high << 8 | low
        if unit <= 0x1F or 0x7F <= unit <= 0x9F or 0xD800 <= unit <= 0xF8FF or unit >= 0xFFF0:
            return False
    return all(name not in ("", ".", "..") for name in path[1:].split("/"))


@given(st.lists(ODD, max_size=8).map("".join) | st.lists(ODD, max_size=8).map(lambda parts: "/" + "".join(parts)))
def test_a_path_is_legal_or_refused(path: str) -> None:
    """Both readings agree; and so does the short check of a name whose parent is legal."""
    if legal(path):
        check_path(path)
    else:
        with pytest.raises(BadArgumentsError):
            check_path(path)
    parent, _, name = path.rpartition("/")
    if path != "/" and (not parent or legal(parent)) and path.startswith("/"):
        if legal(path):
            check_name(name, path)
        else:
            with pytest.raises(BadArgumentsError):
                check_name(name, path)


def test_a_path_splits_into_parent_and_name() -> None:
    """The root's name is empty here."""
    assert split_parent("/a") == ("", "a")
    assert split_parent("/a/b") == ("/a", "b")
    for path in ("", "a", "/a\0"):
        with pytest.raises(BadArgumentsError):
            split_parent(path)


def test_ten_digits() -> None:
    """More when they are needed, a sign when the counter has wrapped."""
    assert sequential("/a-", 7) == "/a-0000000007"
    assert sequential("/a-", 2**31 - 1) == "/a-2147483647"
    assert sequential("/a-", -5) == "/a--000000005"

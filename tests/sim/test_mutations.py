"""Each mistake of `mutations` is noticed, and its text still fits the code."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.sim.mutations import FOUND, MUTATIONS, ROOT, Mutation, apply, trial


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_text_fits(mutation: Mutation, tmp_path: Path) -> None:
    """The old text is there once, and the new one is Python."""
    target = tmp_path / mutation.path
    target.parent.mkdir(parents=True)
    shutil.copy(ROOT / mutation.path, target)

    apply(mutation, tmp_path)

    compile(target.read_text(), mutation.path, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mistake_is_noticed(mutation: Mutation) -> None:
    """Within a few seeds, as a property that does not hold, as an ensemble that does not come back, or as a crash."""
    code, found = trial(mutation, mutation.arguments)

    assert code in FOUND, found

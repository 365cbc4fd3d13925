from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from bench.drawing import Drawing, main
from network.plan import DEFAULT_PLAN

ROOT = Path(__file__).resolve().parents[2]


def test_the_picture_in_the_docs_is_the_one_of_the_plan(tmp_path: Path) -> None:
    picture = tmp_path / "site.svg"
    assert main([str(picture)]) == 0
    drawn = picture.read_text(encoding="utf-8")
    assert drawn == (ROOT / "docs" / "site.svg").read_text(encoding="utf-8"), (
        "The picture no longer fits the plan: run `python -m bench.drawing docs/site.svg`."
    )


def test_the_picture_has_every_segment_and_every_address() -> None:
    picture = fromstring(Drawing(DEFAULT_PLAN).svg())
    texts = [element.text or "" for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    for segment in DEFAULT_PLAN.segments:
        assert any(text.endswith(str(segment.subnet)) for text in texts)
    for node in DEFAULT_PLAN.nodes:
        for link in node.links:
            assert str(link.address) in texts
            assert f"{link.segment}-{node.name}" in texts


def test_the_picture_needs_nothing_from_elsewhere() -> None:
    text = Drawing(DEFAULT_PLAN).svg()
    assert "href" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_a_plan_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="two segments"):
        Drawing(replace(DEFAULT_PLAN, nodes=DEFAULT_PLAN.nodes[:-1]))


def test_without_a_file_it_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "missing" / "site.svg")]) == 2
    assert capsys.readouterr().err.endswith("cannot be written: No such file or directory\n")

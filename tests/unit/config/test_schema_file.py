"""The schema that editors use is the one that the configuration models give."""

from local.schema import FILE, text


def test_the_schema_file_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run: make schema"

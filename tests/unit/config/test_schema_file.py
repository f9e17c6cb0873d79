"""The files that are made from models are current: the schema, and the configuration reference."""

from local import configuration_page, schema


def test_the_schema_file_is_up_to_date() -> None:
    assert schema.FILE.read_text(encoding="utf-8") == schema.text(), "run: make schema"


def test_the_configuration_reference_is_up_to_date() -> None:
    page = configuration_page.FILE.read_text(encoding="utf-8")
    assert page == configuration_page.text(), "run: make schema"

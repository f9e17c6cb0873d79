"""App settings in the templates are those that the app reads, and none that Flex refuses."""

import pytest

from local.infra_check.check import ROOT
from local.infra_check.settings import NOT_SET, indexed_functions, known_settings
from local.infra_check.types import data
from shared.config.settings import APP_SETTINGS
from tests.infra.templates import SITE, change, said_of_settings

LINE = "    BLOB_SOURCE: 'EventGrid'\n"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("BLOB_SOURC", "nothing reads the setting 'BLOB_SOURC'. Write 'BLOB_SOURCE'"),
        ("blob_source", "Write 'BLOB_SOURCE'"),
        ("FUNCTIONS_WORKER_RUNTIME", "Flex Consumption refuses the setting"),
        ("AzureWebJobsStorage", "Flex Consumption refuses the setting"),
        ("WEBSITE_RUN_FROM_PACKAGE", "Flex Consumption refuses the setting"),
        ("DataStorage", "would be a connection string with a key"),
        ("DataStorage__blobServiceUr", "Write 'DataStorage__blobServiceUri'"),
        ("'DataStorage:blobServiceUri'", "contains ':'. Write 'DataStorage__blobServiceUri'"),
        ("'AzureWebJobs.on_traning_data.Disabled'", "Write 'on_training_data'"),
        ("AzureWebJobs__on_traning_data__Disabled", "Write 'on_training_data'"),
    ],
)
def test_a_setting_that_nothing_reads_is_found_with_its_line(name: str, what: str) -> None:
    found = said_of_settings(SITE + "", "on_training_data")
    more = said_of_settings(change(SITE, LINE, f"{LINE}    {name}: 'x'\n"), "on_training_data")
    assert [one for one in more if one not in found and what in one and ":16: " in one]


@pytest.mark.parametrize("name", ["AzureFunctionsJobHost__functionTimeout", "AZURE_CLIENT_ID"])
def test_settings_of_the_host_are_known(name: str) -> None:
    text = change(SITE, LINE, f"{LINE}    {name}: 'x'\n")
    assert not [one for one in said_of_settings(text) if "nothing reads" in one]


def test_every_setting_of_the_app_has_to_be_set_or_has_a_reason_not_to_be() -> None:
    found = said_of_settings(SITE)
    lacking = {one.split("'")[1] for one in found if "does not set it" in one}
    assert lacking == (
        known_settings() | set(data("flex-settings.json")["required_app_settings"])
    ) - {
        "BLOB_SOURCE",
        *NOT_SET,
        "PYTHON_THREADPOOL_THREAD_COUNT",
    }
    assert NOT_SET.keys() <= {one.name for one in APP_SETTINGS}


def test_settings_are_found_in_merged_objects_too() -> None:
    merged = "  properties: union({ BLOB_SOURC: 'EventGrid' }, { PIPELINES_FILE: 'x' })\n"
    text = change(SITE, "  properties: {\n    BLOB_SOURCE: 'EventGrid'\n  }\n", merged)
    found = said_of_settings(text)
    assert [one for one in found if "Write 'BLOB_SOURCE'" in one]
    assert not [one for one in found if "PIPELINES_FILE" in one]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("minTlsVersion: '1.2'", "ftpsState: 'Disabled'", "refuses siteConfig.ftpsState"),
        ("minTlsVersion: '1.2'", "http20Enabled: true", "may refuse siteConfig.http20Enabled"),
        ("'azd-service-name': 'relearn'", "", "has no tag 'azd-service-name'"),
        (
            "'appsettings'\n",
            "'appsettings'\n}\nresource b 'Microsoft.Web/sites/config@2025-03-01' = {\n",
            "are set by 2 resources",
        ),
    ],
)
def test_what_flex_refuses_in_a_site_is_found(old: str, new: str, what: str) -> None:
    assert [one for one in said_of_settings(change(SITE, old, new)) if what in one]


def test_a_group_of_instances_names_a_function_of_the_app() -> None:
    group = "var groups = ['function:poll_job']\n"
    assert [
        one for one in said_of_settings(SITE + group, "poll_jobs") if "Write 'poll_jobs'" in one
    ]


def test_functions_are_those_that_the_app_registers() -> None:
    found = indexed_functions(ROOT)
    assert {"on_training_data", "on_trained_model", "poll_jobs", "health", "start_run"} <= found


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("POLL_SCHEDULE", "*/30 * * * * *", 0),
        ("POLL_SCHEDULE", "*/30 * * * * 9", 1),
        ("BLOB_SOURCE", "Eventgrid", 1),
        ("TRAINING_DATA_CONTAINER", "Training", 1),
    ],
)
def test_the_app_takes_the_values_that_the_templates_write(
    name: str, value: str, wrong: int
) -> None:
    text = change(SITE, LINE, f"    {name}: '{value}'\n")
    assert len([one for one in said_of_settings(text) if "the app refuses" in one]) == wrong


CONTAINER = """
resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = { name: 'abc' }
resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}
resource made 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [
  for one in ['ledger', 'relearn-config']: {
    parent: blobs
    name: one
  }
]
"""


@pytest.mark.parametrize(("container", "wrong"), [("relearn-config", 0), ("relearn-confg", 1)])
def test_the_pipelines_file_is_in_a_container_that_is_made(container: str, wrong: int) -> None:
    text = change(SITE, LINE, "    PIPELINES_FILE: 'blob:${config}/a.yaml'\n")
    text += f"var config = '{container}'\n{CONTAINER}"
    found = [one for one in said_of_settings(text) if "no template makes the container" in one]
    assert len(found) == wrong
    assert all("Write 'relearn-config'" in one for one in found)


@pytest.mark.parametrize(("tag", "wrong"), [("azd-env-name", 0), ("azd-envname", 1)])
def test_the_resource_group_has_the_tag_that_azd_finds_it_by(tag: str, wrong: int) -> None:
    group = f"""var tags = {{ '{tag}': 'x' }}
resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {{
  name: 'rg'
  location: 'westeurope'
  tags: tags
}}
"""
    found = said_of_settings(SITE + group)
    assert len([one for one in found if "has no tag 'azd-env-name'" in one]) == wrong

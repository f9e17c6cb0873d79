"""Small templates for tests, and the messages of the check about them."""

from pathlib import Path

from local.infra_check.check import templates
from local.infra_check.declarations import check_file
from local.infra_check.files import check_outputs
from local.infra_check.roles import check_values
from local.infra_check.settings import check_settings
from local.infra_check.wanted import check_wanted

ACCOUNT = """param location string
resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: 'relearndata'
  location: location
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: { allowSharedKeyAccess: false }
}
"""
SITE = """param location string
resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: 'relearn'
  location: location
  kind: 'functionapp,linux'
  tags: { 'azd-service-name': 'relearn' }
  properties: {
    siteConfig: { minTlsVersion: '1.2' }
  }
}
resource list 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'appsettings'
  properties: {
    BLOB_SOURCE: 'EventGrid'
  }
}
"""
ROLE = """param principal string
var storageBlobDataReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = { name: 'relearndata' }
resource read 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, principal, storageBlobDataReader)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions', storageBlobDataReader)
    principalId: principal
    principalType: 'ServicePrincipal'
  }
}
"""


def said(text: str, **others: str) -> list[str]:
    """Return the problems of `infra/main.bicep`, and of modules next to it.

    This project's own rules for resources are not checked.
    """
    texts = {"infra/main.bicep": text, **{f"infra/{n}.bicep": one for n, one in others.items()}}
    program = templates(Path("/nowhere"), texts)
    for file in program.files.values():
        check_file(file)
        check_values(file)
        check_wanted(file, required={})
    check_outputs(program)
    return sorted(str(one) for file in program.files.values() for one in file.found)


def said_of_settings(text: str, *functions: str) -> list[str]:
    """Return what is wrong with the app settings and the site of a template."""
    program = templates(Path("/nowhere"), {"infra/main.bicep": text})
    check_settings(program, frozenset(functions))
    return sorted(str(one) for file in program.files.values() for one in file.found)


def change(text: str, old: str, new: str) -> str:
    """Return a text with one place changed, which must be there."""
    assert old in text
    return text.replace(old, new, 1)

"""Members that a type of resource does not have are found, with the line and the probable name."""

import pytest

from tests.infra.templates import ACCOUNT, ROLE, change, said

QUEUES = """resource queues 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}
"""


@pytest.mark.parametrize("text", [ACCOUNT, ROLE, ACCOUNT + QUEUES])
def test_a_right_template_is_not_complained_about(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("allowSharedKeyAccess", "allowSharedKeyAcces", 7, "no property 'allowSharedKeyAcces'"),
        ("allowSharedKeyAccess", "AllowSharedKeyAccess", 7, "Write 'allowSharedKeyAccess'"),
        ("kind:", "Kind:", 2, "the required property 'kind'"),
        ("kind:", "Kind:", 5, "Write 'kind'"),
        ("'StorageV2'", "'StorageV3'", 5, "'StorageV3' is not allowed here. Write 'StorageV2'"),
        ("'Standard_LRS'", "'Standard_Lrs'", 6, "Write 'Standard_LRS'"),
        ("false", "'false'", 7, "'false' is a text, and true or false is needed here"),
        ("false", "0", 7, "'0' is a number, and true or false is needed here"),
        ("sku: { name: 'Standard_LRS' }", "sku: {}", 6, "the required property 'name'"),
        ("sku: { name: 'Standard_LRS' }", "sku: 'Standard_LRS'", 6, "an object is needed here"),
        ("{ allow", "{ primaryEndpoints: {}\n allow", 7, "'primaryEndpoints' of"),
        ("location: location", "id: 'x'\n  location: location", 4, "'id' of"),
        ("  location: location\n", "", 2, "the required property 'location'"),
        ("storageAccounts@", "storageAccount@", 2, "Write 'Microsoft.Storage/storageAccounts@"),
        ("@2025-06-01", "@2025-06-02", 2, "is not known"),
        ("location: location", "location: locations", 4, "nothing is called 'locations'"),
        ("'relearndata'", "'Relearn-data'", 3, "cannot have: - R"),
        ("'relearndata'", "'relearn${location}'", 3, "can have any length, and 24 are allowed"),
        ("'relearndata'", "take('r${location}', 25)", 3, "can have 25 characters"),
        ("'relearndata'", "'r'", 3, "is shorter than 3"),
        ("properties: {", "properties: {{", 7, "this cannot be parsed"),
        ("param location string", "param location strin", 1, "there is no type 'strin'"),
        ("{ allow", "{ minimumTlsVersion: 1\n allow", 7, "'1' is a number, and a text is needed"),
    ],
)
def test_a_mistake_in_a_resource_is_found(old: str, new: str, line: int, what: str) -> None:
    found = said(change(ACCOUNT, old, new))
    assert any(one.startswith(f"infra/main.bicep:{line}: ") and what in one for one in found), found


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("  parent: account\n", "", "has no 'parent'"),
        ("parent: account", "parent: location", "is not a resource, so it cannot be a parent"),
        ("parent: account", "parents: account", "has no property 'parents'"),
        ("'default'", "'defaults'", "'defaults' is not allowed here. Write 'default'"),
        ("queueServices@", "queueServices/queues@", "has a parent of the type"),
    ],
)
def test_a_child_needs_its_parent(old: str, new: str, what: str) -> None:
    found = said(ACCOUNT + change(QUEUES, old, new))
    assert any(what in one for one in found), found


def test_a_nested_resource_has_the_type_of_its_parent_before_its_own() -> None:
    nested = "\n  resource queues 'queueServices' = { name: 'default' }\n}\n"
    text = ACCOUNT.rstrip().removesuffix("}") + nested
    assert said(text + "output id string = account::queues.id\n") == []
    assert "Write 'queues'" in said(text + "output id string = account::queue.id\n")[0]
    wrong = change(text, "queueServices", "queueService")
    assert "Write 'Microsoft.Storage/storageAccounts/queueServices@" in said(wrong)[0]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("account.properties.primaryEndpoints.blobs", "Write 'blob'"),
        ("account.property.primaryEndpoints.blob", "Write 'properties'"),
        ("accounts.id", "Write 'account'"),
        ("account.properties.allowSharedKeyAccess", "true or false, and a text is needed"),
        ("account.listKeys().keys[0].value", "reads keys"),
        ("listKeys(account.id, '2025-06-01').keys[0].value", "reads keys"),
    ],
)
def test_what_is_read_of_a_resource_must_be_there(value: str, what: str) -> None:
    assert said(f"{ACCOUNT}output o string = account.properties.primaryEndpoints.blob\n") == []
    found = said(f"{ACCOUNT}output o string = {value}\n")
    assert any(what in one for one in found), found


def test_a_resource_that_exists_is_not_set() -> None:
    text = change(ROLE, "{ name: 'relearndata' }", "{ name: 'relearndata', kind: 'StorageV2' }")
    assert "'kind' cannot be set: 'account' is 'existing'" in said(text)[0]


def test_a_union_distinguished_by_a_property_takes_what_its_variant_takes() -> None:
    text = """resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: 'topic'
}
resource events 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'events'
  properties: {
    destination: {
      endpointType: 'StorageQueue'
      properties: { resourceId: topic.id, queueName: 'events' }
    }
  }
}
"""
    assert said(text) == []
    assert "Write 'StorageQueue'" in said(change(text, "'StorageQueue'", "'StorageQueues'"))[0]
    other = change(text, "'StorageQueue'", "'WebHook'")
    assert "'WebHookEventSubscriptionDestinationProperties' has no property" in said(other)[0]
    without = change(text, "      endpointType: 'StorageQueue'\n", "")
    assert "'endpointType' is missing" in said(without)[0]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("2a2b9908", "2a2b9909", "is the id of no role"),
        ("2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "ba92f5b4-2d11-453d-a403-e96b0029c9fe", "named"),
        ("    principalType: 'ServicePrincipal'\n", "", "has no 'principalType'"),
        ("'ServicePrincipal'", "'Serviceprincipal'", "Write 'ServicePrincipal'"),
        ("guid(account.id, principal, storageBlobDataReader)", "guid(account.id)", "same name"),
        ("account.id, principal", "resourceGroup().id, principal", "it lacks account.id"),
        (
            "Authorization/roleDefinitions'",
            "Authorization/roleDefinition'",
            "is not the id of a role",
        ),
        ("subscriptionResourceId", "resourceId", "is not the id of a role"),
        ("  scope: account\n", "", "has no 'scope'"),
        ("storageBlobDataReader = ", "storageBlobDataReade = ", "has the id of the role"),
    ],
)
def test_a_role_is_given_by_its_id_and_named_after_what_it_gives(
    old: str, new: str, what: str
) -> None:
    found = said(change(ROLE, old, new))
    what = "has the id of the role 'Storage Blob Data Contributor'" if what == "named" else what
    assert any(what in one for one in found), found


def test_values_that_the_type_leaves_open_are_held_against_those_that_are_known() -> None:
    text = """resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: 'privatelink.vaultcore.azure.net'
  location: 'global'
}
"""
    assert said(text) == []
    assert "Write 'global'" in said(change(text, "'global'", "'globel'"))[0]
    assert "known values of name" in said(change(text, "vaultcore", "vaultcor"))[0]


def test_a_subnet_that_an_id_names_is_one_of_the_network() -> None:
    text = """param location string
resource network 'Microsoft.Network/virtualNetworks@2025-01-01' = {
  name: 'vnet'
  location: location
  properties: {
    addressSpace: { addressPrefixes: ['10.0.0.0/16'] }
    subnets: [{ name: 'app', properties: { addressPrefix: '10.0.1.0/24' } }]
  }
}
output app string = '${network.id}/subnets/app'
"""
    assert said(text) == []
    assert (
        "no network here has the subnet 'apps'"
        in said(change(text, "subnets/app", "subnets/apps"))[0]
    )


@pytest.mark.parametrize(
    ("subject", "wrong"),
    [
        ("/blobServices/default/containers/data/blobs/", 0),
        ("${way}/data/blobs/", 0),
        ("/blobServices/defualt/containers/data/blobs/", 1),
        ("/blobServices/default/container", 1),
    ],
)
def test_the_subject_of_an_event_begins_as_storage_writes_it(subject: str, wrong: int) -> None:
    text = f"var way = '/blobServices/default/containers'\noutput o string = '{subject}${{way}}'\n"
    assert len(said(text)) == wrong


def test_an_id_that_is_written_out_has_a_type_that_there_is() -> None:
    text = "output o string = '/providers/Microsoft.KeyVault/vaults/x'\n"
    assert said(text) == []
    assert "Write 'Microsoft.KeyVault/vaults'" in said(change(text, "vaults", "vault"))[0]

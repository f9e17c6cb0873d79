// Roles of the app, and of who deploys, on the account of the event queues and the dead letters.
param accountName string
param appPrincipalId string
param principalId string
param principalType string

var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var storageBlobDataReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
var storageQueueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'

// The Functions host makes the poison queues, so this is a role on the whole account. Dead letters are only counted.
var rolesOfTheApp = [
  storageBlobDataReader
  storageQueueDataContributor
]
var rolesOfTheDeployer = [
  storageBlobDataContributor
  storageQueueDataContributor
]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName
}

resource appRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in rolesOfTheApp: {
  name: guid(account.id, appPrincipalId, role)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}]

resource deployerRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in rolesOfTheDeployer: if (!empty(principalId)) {
  name: guid(account.id, principalId, role)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: principalId
    principalType: principalType
  }
}]

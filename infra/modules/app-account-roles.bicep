// Roles on the app's own account: packages, ledger, event queues, dead letters. docs/deploy.md lists all roles.
param accountName string
param deadLetterContainer string
param queues array
param appPrincipalId string
param eventsPrincipalId string
param principalId string
param principalType string

var storageBlobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var storageQueueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var storageQueueDataMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
var storageTableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'

// The Functions host makes containers, queues and a table of its own, so these are roles on the whole account.
var rolesOfTheApp = [
  storageBlobDataOwner
  storageQueueDataContributor
  storageTableDataContributor
]
var rolesOfTheDeployer = [
  storageBlobDataContributor
  storageQueueDataContributor
]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: blobs
  name: deadLetterContainer
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource eventQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' existing = [for queue in queues: {
  parent: queueService
  name: queue
}]

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

resource deliver 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (queue, i) in queues: {
  name: guid(eventQueues[i].id, eventsPrincipalId, storageQueueDataMessageSender)
  scope: eventQueues[i]
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageQueueDataMessageSender)
    principalId: eventsPrincipalId
    principalType: 'ServicePrincipal'
  }
}]

resource writeDeadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(deadLetters.id, eventsPrincipalId, storageBlobDataContributor)
  scope: deadLetters
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
    principalId: eventsPrincipalId
    principalType: 'ServicePrincipal'
  }
}

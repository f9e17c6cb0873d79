// Roles on the account of data and models, which may have existed before, in any resource group of the subscription.
param accountName string
param trainingDataContainer string
param modelsContainer string

@description('Blob triggers need roles on the whole account; without them roles on the two containers are enough.')
param blobTriggers bool
param appPrincipalId string
param computePrincipalId string
param principalId string
param principalType string

var storageBlobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var storageBlobDataReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
var storageBlobDelegator = 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'
var storageQueueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'

// The account gives the key that signs URLs, so a role on a container is not enough for it.
var rolesOnTheAccount = blobTriggers ? [ storageBlobDataOwner, storageQueueDataContributor ] : [ storageBlobDelegator ]
var readers = [
  {
    principal: blobTriggers ? '' : appPrincipalId
    type: 'ServicePrincipal'
    dataRole: storageBlobDataReader
  }
  {
    principal: computePrincipalId
    type: 'ServicePrincipal'
    dataRole: storageBlobDataReader
  }
  {
    principal: principalId
    type: principalType
    dataRole: storageBlobDataContributor
  }
]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource trainingData 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: blobs
  name: trainingDataContainer
}

resource models 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: blobs
  name: modelsContainer
}

resource accountRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in rolesOnTheAccount: {
  name: guid(account.id, appPrincipalId, role)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}]

resource dataRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for reader in readers: if (!empty(reader.principal)) {
  name: guid(trainingData.id, reader.principal, reader.dataRole)
  scope: trainingData
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', reader.dataRole)
    principalId: reader.principal
    principalType: reader.type
  }
}]

resource modelRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for reader in readers: if (!empty(reader.principal)) {
  name: guid(models.id, reader.principal, storageBlobDataContributor)
  scope: models
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
    principalId: reader.principal
    principalType: reader.type
  }
}]

output accountId string = account.id
output location string = account.location
output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
output containerIds string = '${trainingData.id} ${models.id}'

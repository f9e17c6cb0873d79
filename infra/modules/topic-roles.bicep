// Roles of a system topic's identity: to write events to the queues, and dead letters to their container.
param accountName string
param topicPrincipalId string

var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var storageQueueDataMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
var roles = [
  storageBlobDataContributor
  storageQueueDataMessageSender
]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName
}

// On the account: a role only on the queue was refused when a subscription was made (azure-deploy §1.5). So this account
// holds only queues of events and dead letters.
resource topicRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in roles: {
  name: guid(account.id, topicPrincipalId, role)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: topicPrincipalId
    principalType: 'ServicePrincipal'
  }
}]

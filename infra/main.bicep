// All of Relearn in one subscription: one resource group, its resources, and roles on existing resources.
// docs/deploy.md explains the parameters; docs/reference/azure-deploy.md has the facts behind the values.
targetScope = 'subscription'

@description('Name of the azd environment. The names of all resources follow from it.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Region of all resources that are made here.')
@minLength(1)
param location string

@description('Name of the resource group, which only this app may use: its tags are replaced, and azd down deletes it. Empty: rg-<environment>.')
@maxLength(90)
param resourceGroupName string = ''

@description('Object id of who deploys: may upload data and models, write the pipelines file and read the queues. Empty: nobody.')
param principalId string = ''

@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param principalType string = 'User'

// If azd cannot read a value as a number, or as true or false, it leaves it out without a message, and the default would
// count. So numbers and choices are texts here, and a wrong one is refused (azure-deploy §3.1).
@description('Memory of one instance in MB: 512, 2048 or 4096; empty: 2048. 512 costs a quarter of 2048.')
@allowed([
  ''
  '512'
  '2048'
  '4096'
])
param instanceMemoryMB string = ''

@description('Most instances for each group of functions; empty: 40.')
param maximumInstanceCount string = ''

@description('Instances that always run for the function that takes storage events; they cost while idle. Empty: none.')
param alwaysReadyInstances string = ''

@description('How storage events reach the app: by a storage queue, or by webhooks of its blob triggers.')
@allowed([
  'queue'
  'blobTrigger'
])
param eventDelivery string = 'queue'

@description('Storage account that has the data and the models already; empty: one is made. Its containers must exist.')
@maxLength(24)
param existingStorageAccount string = ''

@description('Resource group of the existing storage account: not that of the app, which azd down deletes.')
@maxLength(90)
param existingStorageResourceGroup string = ''

@description('System topic of Event Grid that the existing storage account has already, with a system-assigned identity; empty: one is made.')
@maxLength(50)
param existingStorageTopic string = ''

@description('Resource group of that topic; empty: that of the storage account.')
@maxLength(90)
param existingStorageTopicResourceGroup string = ''

@description('Whether the account of the data has a hierarchical namespace (Data Lake Storage). Never changeable.')
@allowed([
  ''
  'true'
  'false'
])
param hierarchicalNamespace string = ''

@description('Container where training data arrives; empty: training-data.')
@maxLength(63)
param trainingDataContainer string = ''

@description('Container that jobs write to, and that models are promoted from; empty: models.')
@maxLength(63)
param modelsContainer string = ''

@description('Container of the app\'s own records; it must hold nothing else; empty: ledger.')
@maxLength(63)
param ledgerContainer string = ''

@description('Only blobs below this path of the training data send events, as in sales/; empty: all.')
param dataPrefix string = ''

@description('Only training data that ends like this sends events, as in .csv; empty: all.')
param dataSuffix string = ''

@description('Only blobs below this path of the models send events; empty: all.')
param modelsPrefix string = ''

@description('Only models that end like this send events; empty: all.')
param modelsSuffix string = ''

@description('The pipelines file: a path in the package, or blob:<container>/<path> in the account of the ledger. Empty: blob:relearn-config/pipelines.yaml.')
param pipelinesFile string = ''

@description('When the poll runs (NCRONTAB); empty: each 30 seconds. The alert on a missing poll expects one each 15 minutes.')
param pollSchedule string = ''

@description('When due times are checked (NCRONTAB); empty: each minute.')
param scheduleTick string = ''

@description('Resource id of an Azure Machine Learning workspace in this subscription, outside of the app\'s resource group; empty: none.')
param existingWorkspaceId string = ''

@description('Object id of the identity of the compute that trains: reads the data and writes the models. Empty: none.')
param computePrincipalId string = ''

@description('Names of app settings that hold secrets, separated by commas. Each becomes a reference to a vault.')
param secretSettings string = ''

@description('More app settings, as in NAME=value;OTHER=value, without a semicolon at the end. Each provision deletes settings that are not listed here.')
param moreSettings string = ''

@description('How the storage accounts that are made here are replicated: within a data center, a region, or to another one.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
])
param storageReplication string = 'Standard_LRS'

@description('Days that deleted and overwritten blobs can be restored, 1 to 365; empty: 7.')
param retentionDays string = ''

@description('Days after which models below runs/ are deleted; 0 or empty: never. A model that serves is deleted, too.')
param modelRetentionDays string = ''

@description('Days that logs are kept, 30 to 730; empty: 30.')
param logRetentionDays string = ''

@description('Locks the storage accounts that are made here against deletion; azd down fails until the locks are removed.')
@allowed([
  ''
  'true'
  'false'
])
param deletionLock string = ''

@description('E-mail address that alerts go to; empty: none.')
param alertEmail string = ''

@description('Resource id of an action group that alerts go to; empty: none but the e-mail address.')
param existingActionGroupId string = ''

@description('Whether a web test calls /api/health from outside. It costs about 3 USD a month.')
@allowed([
  ''
  'true'
  'false'
])
param webTest string = ''

@description('Whether storage and vault are closed, and the app reaches them by private endpoints.')
@allowed([
  ''
  'true'
  'false'
])
param vnetEnabled string = ''

@description('IP addresses that may reach closed storage and a closed vault, separated by commas.')
param allowedIpAddresses string = ''

@description('Begin of the address where this repository is read, as in https://github.com/<owner>/<name>/blob/main/: alerts link to the runbook there.')
param runbookUrl string = ''

var group = empty(resourceGroupName) ? 'rg-${environmentName}' : resourceGroupName
var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
}
var ownData = empty(existingStorageAccount)
var dataAccountName = ownData ? 'stdata${token}' : existingStorageAccount
// azd down deletes the group of the app with all resources in it. So existing resources must be in another group. If they
// are not, the template asks for a group whose name is the error message: Resource Manager does not find it, and shows it.
var elsewhere = !empty(existingStorageResourceGroup) && toLower(existingStorageResourceGroup) != toLower(group)
var existingGroup = elsewhere ? existingStorageResourceGroup : 'EXISTING_STORAGE_RESOURCE_GROUP_must_name_another_group_than_that_of_the_app'
var dataGroup = ownData ? group : existingGroup
var ownTopic = empty(existingStorageTopic)
var groupOfTopic = empty(existingStorageTopicResourceGroup) ? dataGroup : existingStorageTopicResourceGroup
var topicGroup = ownData && !ownTopic ? 'EXISTING_STORAGE_TOPIC_needs_EXISTING_STORAGE_ACCOUNT' : groupOfTopic
var noWorkspaceId = '${subscription().id}/resourceGroups/${group}/providers/Microsoft.MachineLearningServices/workspaces/none'
var workspaceParts = split(empty(existingWorkspaceId) ? noWorkspaceId : existingWorkspaceId, '/')
var sameGroup = !empty(existingWorkspaceId) && toLower(workspaceParts[4]) == toLower(group)
var workspaceGroup = sameGroup ? 'EXISTING_WORKSPACE_ID_must_name_a_workspace_outside_of_the_group_of_the_app' : workspaceParts[4]
var allowedIps = empty(allowedIpAddresses) ? [] : split(replace(allowedIpAddresses, ' ', ''), ',')
var secretNames = empty(secretSettings) ? [] : split(replace(secretSettings, ' ', ''), ',')
var closed = toLower(vnetEnabled) == 'true'
var realFolders = toLower(hierarchicalNamespace) == 'true'
var locked = toLower(deletionLock) == 'true'
var daysOfRetention = empty(retentionDays) ? 7 : int(retentionDays)
var readyInstances = empty(alwaysReadyInstances) ? 0 : int(alwaysReadyInstances)
var vaultName = 'kv-${token}'
var alwaysReady = [
  {
    name: eventDelivery == 'queue' ? 'function:on_storage_events' : 'blob'
    instanceCount: readyInstances
  }
]
// A topic cannot get another source, so another account or workspace gets another topic.
var topicName = ownTopic ? 'evgt-storage-${uniqueString(token, existingStorageAccount)}' : existingStorageTopic
var workspaceTopicName = 'evgt-workspace-${uniqueString(token, existingWorkspaceId)}'
// Written out, not taken from a module's output: only one of the two modules is deployed.
var topicId = '${subscription().id}/resourceGroups/${ownTopic ? group : topicGroup}/providers/Microsoft.EventGrid/systemTopics/${topicName}'
var vaultScope = empty(secretNames) ? '' : ' ${subscription().id}/resourceGroups/${group}/providers/Microsoft.KeyVault/vaults/${vaultName}'
var workspaceScope = empty(existingWorkspaceId) ? '' : ' ${existingWorkspaceId}'
// A workflow hands in an empty text for a variable that is not set, so an empty text stands for the default.
var dataContainer = empty(trainingDataContainer) ? 'training-data' : trainingDataContainer
var modelContainer = empty(modelsContainer) ? 'models' : modelsContainer
var recordContainer = empty(ledgerContainer) ? 'ledger' : ledgerContainer
// This app's own prefix: a storage account may serve more than one app.
var subscriptionPrefix = 'relearn-${token}-'
var deadLetterContainer = 'relearn-dead-letters'
var configContainer = 'relearn-config'
var packageContainer = 'app-package'
var storageEventsQueue = 'relearn-storage-events'
var workspaceEventsQueue = 'relearn-workspace-events'

resource resources 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: group
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'relearn-identity'
  scope: resources
  params: {
    location: location
    tags: tags
    name: 'id-relearn-${token}'
  }
}

module appAccount 'modules/storage.bicep' = {
  name: 'relearn-app-account'
  scope: resources
  params: {
    name: 'st${token}'
    location: location
    tags: tags
    containers: [
      packageContainer
      recordContainer
      configContainer
    ]
    queues: []
    expiringPath: ''
    expireAfterDays: 0
    replication: storageReplication
    retentionDays: daysOfRetention
    closed: closed
    allowedIps: allowedIps
    deletionLock: locked
  }
}

// Of its own, since Event Grid's role is on the whole account (azure-deploy §1.5).
module eventsAccount 'modules/storage.bicep' = {
  name: 'relearn-events-account'
  scope: resources
  params: {
    name: 'stev${token}'
    location: location
    tags: tags
    containers: [
      deadLetterContainer
    ]
    queues: [
      storageEventsQueue
      workspaceEventsQueue
    ]
    expiringPath: '${deadLetterContainer}/'
    expireAfterDays: 90
    replication: storageReplication
    retentionDays: daysOfRetention
    closed: closed
    allowedIps: allowedIps
    deletionLock: locked
  }
}

module dataAccount 'modules/storage.bicep' = if (ownData) {
  name: 'relearn-data-account'
  scope: resources
  params: {
    name: dataAccountName
    location: location
    tags: tags
    hierarchicalNamespace: realFolders
    containers: [
      dataContainer
      modelContainer
    ]
    queues: []
    expiringPath: '${modelContainer}/runs/'
    expireAfterDays: empty(modelRetentionDays) ? 0 : int(modelRetentionDays)
    replication: storageReplication
    retentionDays: daysOfRetention
    closed: closed
    allowedIps: allowedIps
    deletionLock: locked
  }
}

module appAccountRoles 'modules/app-account-roles.bicep' = {
  name: 'relearn-app-account-roles'
  scope: resources
  params: {
    accountName: appAccount.outputs.name
    appPrincipalId: identity.outputs.principalId
    principalId: principalId
    principalType: principalType
  }
}

module eventsAccountRoles 'modules/events-account-roles.bicep' = {
  name: 'relearn-events-account-roles'
  scope: resources
  params: {
    accountName: eventsAccount.outputs.name
    appPrincipalId: identity.outputs.principalId
    principalId: principalId
    principalType: principalType
  }
}

module dataRoles 'modules/data-roles.bicep' = {
  name: 'relearn-data-roles'
  scope: resourceGroup(dataGroup)
  params: {
    accountName: dataAccountName
    trainingDataContainer: dataContainer
    modelsContainer: modelContainer
    blobTriggers: eventDelivery == 'blobTrigger'
    appPrincipalId: identity.outputs.principalId
    computePrincipalId: computePrincipalId
    principalId: principalId
    principalType: principalType
  }
  dependsOn: [
    dataAccount
  ]
}

module workspaceRoles 'modules/workspace-roles.bicep' = if (!empty(existingWorkspaceId)) {
  name: 'relearn-workspace-roles'
  scope: resourceGroup(workspaceParts[2], workspaceGroup)
  params: {
    workspaceName: workspaceParts[8]
    appPrincipalId: identity.outputs.principalId
  }
}

module vault 'modules/vault.bicep' = if (!empty(secretNames)) {
  name: 'relearn-vault'
  scope: resources
  params: {
    name: vaultName
    location: location
    tags: tags
    appPrincipalId: identity.outputs.principalId
    principalId: principalId
    principalType: principalType
    closed: closed
    allowedIps: allowedIps
  }
}

module network 'modules/network.bicep' = if (closed) {
  name: 'relearn-network'
  scope: resources
  params: {
    location: location
    tags: tags
    token: token
    appAccountId: appAccount.outputs.id
    eventsAccountId: eventsAccount.outputs.id
    dataAccountId: dataRoles.outputs.accountId
    blobTriggers: eventDelivery == 'blobTrigger'
    vaultId: !empty(secretNames) ? vault.outputs.id : ''
    workspaceId: existingWorkspaceId
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'relearn-monitoring'
  scope: resources
  params: {
    location: location
    tags: tags
    token: token
    logRetentionDays: empty(logRetentionDays) ? 30 : int(logRetentionDays)
    appPrincipalId: identity.outputs.principalId
  }
}

module app 'modules/app.bicep' = {
  name: 'relearn-app'
  scope: resources
  params: {
    name: 'func-relearn-${token}'
    planName: 'plan-relearn-${token}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    packageContainerUrl: '${appAccount.outputs.blobEndpoint}${packageContainer}'
    instanceMemoryMB: empty(instanceMemoryMB) ? 2048 : int(instanceMemoryMB)
    maximumInstanceCount: empty(maximumInstanceCount) ? 40 : int(maximumInstanceCount)
    alwaysReady: readyInstances == 0 ? [] : alwaysReady
    subnetId: closed ? network.outputs.appSubnetId : ''
  }
  dependsOn: [
    appAccountRoles
    eventsAccountRoles
    dataRoles
    workspaceRoles
  ]
}

module appSettings 'modules/app-settings.bicep' = {
  name: 'relearn-app-settings'
  scope: resources
  params: {
    appName: app.outputs.name
    clientId: identity.outputs.clientId
    appAccountName: appAccount.outputs.name
    appBlobEndpoint: appAccount.outputs.blobEndpoint
    eventsBlobEndpoint: eventsAccount.outputs.blobEndpoint
    eventsQueueEndpoint: eventsAccount.outputs.queueEndpoint
    dataBlobEndpoint: dataRoles.outputs.blobEndpoint
    dataQueueEndpoint: dataRoles.outputs.queueEndpoint
    trainingDataContainer: dataContainer
    modelsContainer: modelContainer
    ledgerContainer: recordContainer
    deadLetterContainer: deadLetterContainer
    storageEventsQueue: storageEventsQueue
    workspaceEventsQueue: workspaceEventsQueue
    pipelinesFile: empty(pipelinesFile) ? 'blob:${configContainer}/pipelines.yaml' : pipelinesFile
    pollSchedule: empty(pollSchedule) ? '*/30 * * * * *' : pollSchedule
    scheduleTick: empty(scheduleTick) ? '0 * * * * *' : scheduleTick
    connectionString: monitoring.outputs.connectionString
    storageEventsByQueue: eventDelivery == 'queue'
    workspaceEvents: !empty(existingWorkspaceId)
    vaultName: vaultName
    secretNames: secretNames
    moreSettings: empty(moreSettings) ? [] : split(moreSettings, ';')
  }
  dependsOn: [
    vault
  ]
}

module storageTopic 'modules/system-topic.bicep' = if (ownTopic) {
  name: 'relearn-storage-topic'
  scope: resources
  params: {
    name: topicName
    sourceId: dataRoles.outputs.accountId
    topicType: 'Microsoft.Storage.StorageAccounts'
    location: dataRoles.outputs.location
    tags: tags
  }
}

module existingTopic 'modules/existing-topic.bicep' = if (!ownTopic) {
  name: 'relearn-existing-topic'
  scope: resourceGroup(topicGroup)
  params: {
    name: topicName
  }
}

module workspaceTopic 'modules/system-topic.bicep' = if (!empty(existingWorkspaceId)) {
  name: 'relearn-workspace-topic'
  scope: resources
  params: {
    name: workspaceTopicName
    sourceId: existingWorkspaceId
    topicType: 'Microsoft.MachineLearningServices.Workspaces'
    location: !empty(existingWorkspaceId) ? workspaceRoles.outputs.location : location
    tags: tags
  }
}

module storageTopicRoles 'modules/topic-roles.bicep' = {
  name: 'relearn-storage-topic-roles'
  scope: resources
  params: {
    accountName: eventsAccount.outputs.name
    topicPrincipalId: ownTopic ? storageTopic.outputs.principalId : existingTopic.outputs.principalId
  }
}

module workspaceTopicRoles 'modules/topic-roles.bicep' = if (!empty(existingWorkspaceId)) {
  name: 'relearn-workspace-topic-roles'
  scope: resources
  params: {
    accountName: eventsAccount.outputs.name
    topicPrincipalId: !empty(existingWorkspaceId) ? workspaceTopic.outputs.principalId : ''
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'relearn-alerts'
  scope: resources
  params: {
    location: location
    tags: tags
    token: token
    componentId: monitoring.outputs.componentId
    topicIds: ownTopic ? [ topicId ] : []
    alertEmail: alertEmail
    existingActionGroupId: existingActionGroupId
    runbookUrl: runbookUrl
    webTest: toLower(webTest) == 'true'
    appHost: app.outputs.host
  }
  dependsOn: [
    storageTopic
  ]
}

// Last of all: when a subscription is made, Event Grid tries its roles, and new ones need minutes (failure 22).
module storageEvents 'modules/storage-events.bicep' = if (eventDelivery == 'queue') {
  name: 'relearn-storage-events'
  scope: resourceGroup(ownTopic ? group : topicGroup)
  params: {
    topicName: topicName
    subscriptionPrefix: subscriptionPrefix
    accountId: eventsAccount.outputs.id
    queueName: storageEventsQueue
    deadLetterContainer: deadLetterContainer
    trainingDataContainer: dataContainer
    dataPrefix: dataPrefix
    dataSuffix: dataSuffix
    modelsContainer: modelContainer
    modelsPrefix: modelsPrefix
    modelsSuffix: modelsSuffix
    hierarchicalNamespace: realFolders
  }
  dependsOn: [
    storageTopicRoles
    appSettings
    alerts
  ]
}

module workspaceEvents 'modules/workspace-events.bicep' = if (!empty(existingWorkspaceId)) {
  name: 'relearn-workspace-events'
  scope: resources
  params: {
    topicName: workspaceTopicName
    accountId: eventsAccount.outputs.id
    queueName: workspaceEventsQueue
    deadLetterContainer: deadLetterContainer
  }
  dependsOn: [
    workspaceTopicRoles
    appSettings
    alerts
  ]
}

// Read by azd, which gives them to the hooks as environment variables.
output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group
output FUNCTION_APP_NAME string = app.outputs.name
output FUNCTION_APP_ID string = app.outputs.id
output FUNCTION_APP_HOST string = app.outputs.host
output APP_PRINCIPAL_ID string = identity.outputs.principalId
output EVENT_DELIVERY string = eventDelivery
output DATA_BLOB_ENDPOINT string = dataRoles.outputs.blobEndpoint
output TRAINING_DATA_CONTAINER string = dataContainer
output TRAINING_DATA_PREFIX string = dataPrefix
output TRAINING_DATA_SUFFIX string = dataSuffix
output MODELS_CONTAINER string = modelContainer
output MODELS_PREFIX string = modelsPrefix
output MODELS_SUFFIX string = modelsSuffix
output DATA_TOPIC_ID string = topicId
output MODELS_TOPIC_ID string = topicId
output DEAD_LETTER_ACCOUNT_ID string = eventsAccount.outputs.id
output DEAD_LETTER_CONTAINER string = deadLetterContainer
output EVENT_SUBSCRIPTION_PREFIX string = subscriptionPrefix
output AZURE_RESOURCE_MANAGER_URL string = environment().resourceManager
output LEDGER_BLOB_ENDPOINT string = appAccount.outputs.blobEndpoint
output KEY_VAULT_NAME string = empty(secretNames) ? '' : vaultName
output ROLE_SCOPES string = '${appAccount.outputs.id} ${eventsAccount.outputs.id} ${dataRoles.outputs.accountId} ${dataRoles.outputs.containerIds} ${monitoring.outputs.componentId}${workspaceScope}${vaultScope}'

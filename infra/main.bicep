// All of Relearn in one subscription: one resource group, its resources, and the roles on what exists already.
// docs/deploy.md explains the parameters; docs/reference/azure-deploy.md has the facts behind the values.
targetScope = 'subscription'

@description('Name of the azd environment. The names of all resources follow from it.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Region of all resources that are made here.')
@minLength(1)
param location string

@description('Name of the resource group; empty: rg-<environment>.')
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

@description('Memory of one instance in MB. 512 costs a quarter of 2048.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('Most instances for each group of functions.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that always run for the function that takes storage events; they cost while idle.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int = 0

@description('How storage events reach the app: by a storage queue, or by webhooks of its blob triggers.')
@allowed([
  'queue'
  'blobTrigger'
])
param eventDelivery string = 'queue'

@description('Storage account that has the data and the models already; empty: one is made. Its containers must exist.')
@maxLength(24)
param existingStorageAccount string = ''

@description('Resource group of the existing storage account; empty: the one that is made here.')
@maxLength(90)
param existingStorageResourceGroup string = ''

@description('System topic of Event Grid that the existing storage account has already; empty: one is made.')
@maxLength(50)
param existingStorageTopic string = ''

@description('Resource group of that topic; empty: that of the storage account.')
@maxLength(90)
param existingStorageTopicResourceGroup string = ''

@description('Whether the account of the data has a hierarchical namespace (Data Lake Storage). Never changeable.')
param hierarchicalNamespace bool = false

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

@description('Resource id of an Azure Machine Learning workspace in this subscription; empty: none.')
param existingWorkspaceId string = ''

@description('Object id of the identity of the compute that trains: reads the data and writes the models. Empty: none.')
param computePrincipalId string = ''

@description('Names of app settings that hold secrets, separated by commas. Each becomes a reference to a vault.')
param secretSettings string = ''

@description('More app settings, as in NAME=value;OTHER=value. Settings that are not here vanish with each provision.')
param moreSettings string = ''

@description('How the storage accounts that are made here are replicated: within a data center, a region, or to another one.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
])
param storageReplication string = 'Standard_LRS'

@description('Days that deleted and overwritten blobs can be restored.')
@minValue(1)
@maxValue(365)
param retentionDays int = 7

@description('Days after which models below runs/ are deleted; 0: never. A model that serves is not spared.')
@minValue(0)
param modelRetentionDays int = 0

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Locks the storage accounts that are made here against deletion; azd down fails until the locks are removed.')
param deletionLock bool = false

@description('E-mail address that alerts go to; empty: none.')
param alertEmail string = ''

@description('Resource id of an action group that alerts go to; empty: none but the e-mail address.')
param existingActionGroupId string = ''

@description('Whether a web test calls /api/health from outside. It costs about 3 USD a month.')
param webTest bool = false

@description('Whether storage and vault are closed, and the app reaches them by private endpoints.')
param vnetEnabled bool = false

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
var dataGroup = ownData || empty(existingStorageResourceGroup) ? group : existingStorageResourceGroup
var ownTopic = empty(existingStorageTopic)
var topicGroup = empty(existingStorageTopicResourceGroup) ? dataGroup : existingStorageTopicResourceGroup
var noWorkspaceId = '${subscription().id}/resourceGroups/${group}/providers/Microsoft.MachineLearningServices/workspaces/none'
var workspaceParts = split(empty(existingWorkspaceId) ? noWorkspaceId : existingWorkspaceId, '/')
var allowedIps = empty(allowedIpAddresses) ? [] : split(allowedIpAddresses, ',')
var secretNames = empty(secretSettings) ? [] : split(secretSettings, ',')
var vaultName = 'kv-${token}'
var alwaysReady = [
  {
    name: eventDelivery == 'queue' ? 'function:on_storage_events' : 'blob'
    instanceCount: alwaysReadyInstances
  }
]
var topicName = ownTopic ? 'evgt-storage-${token}' : existingStorageTopic
// Written out, not taken from a module's output: only one of the two modules is deployed.
var topicId = '${subscription().id}/resourceGroups/${ownTopic ? group : topicGroup}/providers/Microsoft.EventGrid/systemTopics/${topicName}'
var vaultScope = empty(secretNames) ? '' : ' ${subscription().id}/resourceGroups/${group}/providers/Microsoft.KeyVault/vaults/${vaultName}'
var workspaceScope = empty(existingWorkspaceId) ? '' : ' ${existingWorkspaceId}'
// A workflow hands in an empty text for a variable that is not set, so an empty text stands for the default.
var dataContainer = empty(trainingDataContainer) ? 'training-data' : trainingDataContainer
var modelContainer = empty(modelsContainer) ? 'models' : modelsContainer
var recordContainer = empty(ledgerContainer) ? 'ledger' : ledgerContainer
// Of this app alone: a storage account may serve more than one.
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

module identities 'modules/identities.bicep' = {
  name: 'relearn-identities'
  scope: resources
  params: {
    location: location
    tags: tags
    appIdentityName: 'id-relearn-${token}'
    eventsIdentityName: 'id-relearn-events-${token}'
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
      deadLetterContainer
    ]
    queues: [
      storageEventsQueue
      workspaceEventsQueue
    ]
    expiringPath: '${deadLetterContainer}/'
    expireAfterDays: 90
    replication: storageReplication
    retentionDays: retentionDays
    closed: vnetEnabled
    allowedIps: allowedIps
    deletionLock: deletionLock
  }
}

module dataAccount 'modules/storage.bicep' = if (ownData) {
  name: 'relearn-data-account'
  scope: resources
  params: {
    name: dataAccountName
    location: location
    tags: tags
    hierarchicalNamespace: hierarchicalNamespace
    containers: [
      dataContainer
      modelContainer
    ]
    queues: []
    expiringPath: '${modelContainer}/runs/'
    expireAfterDays: modelRetentionDays
    replication: storageReplication
    retentionDays: retentionDays
    closed: vnetEnabled
    allowedIps: allowedIps
    deletionLock: deletionLock
  }
}

module appAccountRoles 'modules/app-account-roles.bicep' = {
  name: 'relearn-app-account-roles'
  scope: resources
  params: {
    accountName: appAccount.outputs.name
    deadLetterContainer: deadLetterContainer
    queues: [
      storageEventsQueue
      workspaceEventsQueue
    ]
    appPrincipalId: identities.outputs.appPrincipalId
    eventsPrincipalId: identities.outputs.eventsPrincipalId
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
    appPrincipalId: identities.outputs.appPrincipalId
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
  scope: resourceGroup(workspaceParts[2], workspaceParts[4])
  params: {
    workspaceName: workspaceParts[8]
    appPrincipalId: identities.outputs.appPrincipalId
  }
}

module vault 'modules/vault.bicep' = if (!empty(secretNames)) {
  name: 'relearn-vault'
  scope: resources
  params: {
    name: vaultName
    location: location
    tags: tags
    appPrincipalId: identities.outputs.appPrincipalId
    principalId: principalId
    principalType: principalType
    closed: vnetEnabled
    allowedIps: allowedIps
  }
}

module network 'modules/network.bicep' = if (vnetEnabled) {
  name: 'relearn-network'
  scope: resources
  params: {
    location: location
    tags: tags
    token: token
    appAccountId: appAccount.outputs.id
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
    logRetentionDays: logRetentionDays
    appPrincipalId: identities.outputs.appPrincipalId
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
    identityId: identities.outputs.appIdentityId
    packageContainerUrl: '${appAccount.outputs.blobEndpoint}${packageContainer}'
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReady: alwaysReadyInstances == 0 ? [] : alwaysReady
    subnetId: vnetEnabled ? network.outputs.appSubnetId : ''
  }
  dependsOn: [
    appAccountRoles
    dataRoles
    workspaceRoles
  ]
}

module appSettings 'modules/app-settings.bicep' = {
  name: 'relearn-app-settings'
  scope: resources
  params: {
    appName: app.outputs.name
    clientId: identities.outputs.appClientId
    appAccountName: appAccount.outputs.name
    appBlobEndpoint: appAccount.outputs.blobEndpoint
    appQueueEndpoint: appAccount.outputs.queueEndpoint
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
    identityId: identities.outputs.eventsIdentityId
  }
}

module existingTopicRoles 'modules/existing-topic-roles.bicep' = if (!ownTopic) {
  name: 'relearn-existing-topic-roles'
  scope: resources
  params: {
    topicName: topicName
    topicResourceGroup: topicGroup
    accountName: appAccount.outputs.name
    deadLetterContainer: deadLetterContainer
    queueName: storageEventsQueue
  }
  dependsOn: [
    appAccountRoles
  ]
}

module storageEvents 'modules/storage-events.bicep' = if (eventDelivery == 'queue') {
  name: 'relearn-storage-events'
  scope: resourceGroup(ownTopic ? group : topicGroup)
  params: {
    topicName: topicName
    subscriptionPrefix: subscriptionPrefix
    identityId: ownTopic ? identities.outputs.eventsIdentityId : ''
    accountId: appAccount.outputs.id
    queueName: storageEventsQueue
    deadLetterContainer: deadLetterContainer
    trainingDataContainer: dataContainer
    dataPrefix: dataPrefix
    dataSuffix: dataSuffix
    modelsContainer: modelContainer
    modelsPrefix: modelsPrefix
    modelsSuffix: modelsSuffix
    hierarchicalNamespace: hierarchicalNamespace
  }
  dependsOn: [
    storageTopic
    existingTopicRoles
    appAccountRoles
  ]
}

module workspaceTopic 'modules/system-topic.bicep' = if (!empty(existingWorkspaceId)) {
  name: 'relearn-workspace-topic'
  scope: resources
  params: {
    name: 'evgt-workspace-${token}'
    sourceId: existingWorkspaceId
    topicType: 'Microsoft.MachineLearningServices.Workspaces'
    location: !empty(existingWorkspaceId) ? workspaceRoles.outputs.location : location
    tags: tags
    identityId: identities.outputs.eventsIdentityId
  }
}

module workspaceEvents 'modules/workspace-events.bicep' = if (!empty(existingWorkspaceId)) {
  name: 'relearn-workspace-events'
  scope: resources
  params: {
    topicName: 'evgt-workspace-${token}'
    identityId: identities.outputs.eventsIdentityId
    accountId: appAccount.outputs.id
    queueName: workspaceEventsQueue
    deadLetterContainer: deadLetterContainer
  }
  dependsOn: [
    workspaceTopic
    appAccountRoles
  ]
}

module alerts 'modules/alerts.bicep' = {
  name: 'relearn-alerts'
  scope: resources
  params: {
    location: location
    tags: tags
    componentId: monitoring.outputs.componentId
    topicIds: ownTopic ? [ topicId ] : []
    alertEmail: alertEmail
    existingActionGroupId: existingActionGroupId
    runbookUrl: runbookUrl
    webTest: webTest
    appHost: app.outputs.host
  }
  dependsOn: [
    storageTopic
  ]
}

// Read by azd, which gives them to the hooks as environment variables.
output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group
output FUNCTION_APP_NAME string = app.outputs.name
output FUNCTION_APP_ID string = app.outputs.id
output FUNCTION_APP_HOST string = app.outputs.host
output APP_PRINCIPAL_ID string = identities.outputs.appPrincipalId
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
output DEAD_LETTER_ACCOUNT_ID string = appAccount.outputs.id
output DEAD_LETTER_CONTAINER string = deadLetterContainer
output EVENT_SUBSCRIPTION_PREFIX string = subscriptionPrefix
output AZURE_RESOURCE_MANAGER_URL string = environment().resourceManager
output EVENTS_IDENTITY_ID string = ownTopic ? identities.outputs.eventsIdentityId : ''
output LEDGER_BLOB_ENDPOINT string = appAccount.outputs.blobEndpoint
output KEY_VAULT_NAME string = empty(secretNames) ? '' : vaultName
output ROLE_SCOPES string = '${appAccount.outputs.id} ${dataRoles.outputs.accountId} ${dataRoles.outputs.containerIds} ${monitoring.outputs.componentId}${workspaceScope}${vaultScope}'

// All app settings. Each provision replaces the whole list, so a setting that is not here is deleted (azure-deploy §1.1).
param appName string
param clientId string
param appAccountName string
param appBlobEndpoint string
param eventsBlobEndpoint string
param eventsQueueEndpoint string
param dataBlobEndpoint string
param dataQueueEndpoint string
param trainingDataContainer string
param modelsContainer string
param ledgerContainer string
param deadLetterContainer string
param storageEventsQueue string
param workspaceEventsQueue string
param pipelinesFile string
param pollSchedule string
param scheduleTick string
param connectionString string
param storageEventsByQueue bool
param workspaceEvents bool
param vaultName string
param secretNames array

@description('Each is NAME=value.')
param moreSettings array

// A secret of a vault has no underscores in its name.
var references = [for secret in secretNames: '"${secret}": "@Microsoft.KeyVault(SecretUri=https://${vaultName}${environment().suffixes.keyvaultDns}/secrets/${replace(secret, '_', '-')})"']
// As JSON, in brackets, with the escapes that the format needs.
var values = [for setting in moreSettings: string(array(substring(setting, indexOf(setting, '=') + 1)))]
var given = [for (setting, i) in moreSettings: '"${trim(first(split(setting, '=')))}": ${substring(values[i], 1, length(values[i]) - 2)}']
// There is no other way to make an object of a list that every reader of Bicep understands.
var more = json('{${join(concat(references, given), ',')}}')

var settings = {
  // The Functions host: its own account, and Application Insights, by the app's identity.
  AzureWebJobsStorage__accountName: appAccountName
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: clientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: connectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${clientId};Authorization=AAD'
  AZURE_CLIENT_ID: clientId

  // The app's storage, by the app's identity.
  DataStorage__blobServiceUri: dataBlobEndpoint
  DataStorage__queueServiceUri: dataQueueEndpoint
  DataStorage__credential: 'managedidentity'
  DataStorage__clientId: clientId
  ModelsStorage__blobServiceUri: dataBlobEndpoint
  ModelsStorage__queueServiceUri: dataQueueEndpoint
  ModelsStorage__credential: 'managedidentity'
  ModelsStorage__clientId: clientId
  LedgerStorage__blobServiceUri: appBlobEndpoint
  LedgerStorage__credential: 'managedidentity'
  LedgerStorage__clientId: clientId
  EventsStorage__blobServiceUri: eventsBlobEndpoint
  EventsStorage__queueServiceUri: eventsQueueEndpoint
  EventsStorage__credential: 'managedidentity'
  EventsStorage__clientId: clientId
  TRAINING_DATA_CONTAINER: trainingDataContainer
  MODELS_CONTAINER: modelsContainer
  LEDGER_CONTAINER: ledgerContainer
  DEAD_LETTER_CONTAINER: deadLetterContainer
  STORAGE_EVENTS_QUEUE: storageEventsQueue
  WORKSPACE_EVENTS_QUEUE: workspaceEventsQueue

  BLOB_SOURCE: 'EventGrid'
  PIPELINES_FILE: pipelinesFile
  POLL_SCHEDULE: pollSchedule
  SCHEDULE_TICK: scheduleTick

  // Storage events are delivered in one of two ways: the functions of the other way are off.
  'AzureWebJobs.on_storage_events.Disabled': storageEventsByQueue ? 'false' : 'true'
  'AzureWebJobs.on_training_data.Disabled': storageEventsByQueue ? 'true' : 'false'
  'AzureWebJobs.on_trained_model.Disabled': storageEventsByQueue ? 'true' : 'false'
  'AzureWebJobs.on_workspace_events.Disabled': workspaceEvents ? 'false' : 'true'
}

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: appName
}

resource appSettings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'appsettings'
  properties: union(settings, more)
}

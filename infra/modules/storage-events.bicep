// One subscription for each container: from the storage account to the queue of on_storage_events.
param topicName string

@description('How the names of this app\'s subscriptions begin: another app may use the same storage account.')
@maxLength(30)
param subscriptionPrefix string

@description('The account of the queue and of the dead letters.')
param accountId string
param queueName string
param deadLetterContainer string
param trainingDataContainer string
param dataPrefix string
param dataSuffix string
param modelsContainer string
param modelsPrefix string
param modelsSuffix string
param hierarchicalNamespace bool

var identity = {
  type: 'SystemAssigned'
}
var containers = '/blobServices/default/containers'
// Without /blobs/ behind the name, containers whose names begin alike would match too.
var subscriptions = [
  {
    name: 'training-data'
    needed: true
    subjectBeginsWith: '${containers}/${trainingDataContainer}/blobs/${dataPrefix}'
    subjectEndsWith: dataSuffix
  }
  {
    name: 'models'
    needed: true
    subjectBeginsWith: '${containers}/${modelsContainer}/blobs/${modelsPrefix}'
    subjectEndsWith: modelsSuffix
  }
  {
    // The user's filters do not apply to the scratch blob, by which the delivery of events is tried.
    name: 'scratch'
    needed: !empty(dataPrefix) || !empty(dataSuffix)
    subjectBeginsWith: '${containers}/${trainingDataContainer}/blobs/.relearn/scratch/'
    subjectEndsWith: ''
  }
]
var flatTypes = [
  'Microsoft.Storage.BlobCreated'
]
var eventTypes = hierarchicalNamespace ? concat(flatTypes, [ 'Microsoft.Storage.BlobRenamed' ]) : flatTypes
// Operations that complete a blob; infra/hooks/event_subscriptions.py has the same, without renames. A hierarchical
// namespace also sends CreateFile, of an empty file.
var completed = [
  'PutBlob'
  'PutBlockList'
  'CopyBlob'
  'FlushWithClose'
  'SftpCommit'
  'RenameFile'
]

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

@batchSize(1)
resource storageEvents 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = [for wanted in subscriptions: if (wanted.needed) {
  parent: topic
  name: '${subscriptionPrefix}${wanted.name}'
  properties: {
    deliveryWithResourceIdentity: {
      identity: identity
      destination: {
        endpointType: 'StorageQueue'
        properties: {
          resourceId: accountId
          queueName: queueName
          queueMessageTimeToLiveInSeconds: -1
        }
      }
    }
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: eventTypes
      subjectBeginsWith: wanted.subjectBeginsWith
      subjectEndsWith: wanted.subjectEndsWith
      isSubjectCaseSensitive: false
      advancedFilters: [
        {
          operatorType: 'StringIn'
          key: 'data.api'
          values: completed
        }
      ]
    }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
    deadLetterWithResourceIdentity: {
      identity: identity
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: accountId
          blobContainerName: deadLetterContainer
        }
      }
    }
  }
}]

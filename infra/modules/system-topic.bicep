// The system topic of Event Grid of one source. Azure allows one for each source.
@minLength(3)
@maxLength(50)
param name string
param sourceId string
param topicType string

@description('That of the source.')
param location string
param tags object

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  identity: {
    // Towards a closed account no other identity is accepted (azure-deploy §5).
    type: 'SystemAssigned'
  }
  properties: {
    source: sourceId
    topicType: topicType
  }
}

output principalId string = topic.identity.principalId

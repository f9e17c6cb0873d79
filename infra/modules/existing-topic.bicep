// A system topic that exists already. Its system-assigned identity delivers the events, so it must have one.
param name string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: name
}

output principalId string = topic.identity.principalId

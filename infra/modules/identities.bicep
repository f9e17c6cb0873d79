// Two identities: the app's, and the one that Event Grid delivers events with.
param location string
param tags object
param appIdentityName string
param eventsIdentityName string

resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: appIdentityName
  location: location
  tags: tags
}

resource eventsIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: eventsIdentityName
  location: location
  tags: tags
}

output appIdentityId string = appIdentity.id
output appClientId string = appIdentity.properties.clientId
output appPrincipalId string = appIdentity.properties.principalId
output eventsIdentityId string = eventsIdentity.id
output eventsPrincipalId string = eventsIdentity.properties.principalId

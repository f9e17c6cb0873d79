// Private endpoints for closed storage, a closed vault and a workspace, and the subnet that the app calls them from.
param location string
param tags object
param token string
param appAccountId string
param eventsAccountId string
param dataAccountId string

@description('Blob triggers need the queues of the account of the data.')
param blobTriggers bool

@description('Empty: no vault.')
param vaultId string

@description('Empty: no workspace.')
param workspaceId string

var blobZone = 'privatelink.blob.${environment().suffixes.storage}'
var queueZone = 'privatelink.queue.${environment().suffixes.storage}'
var tableZone = 'privatelink.table.${environment().suffixes.storage}'
var vaultZone = 'privatelink.vaultcore.azure.net'
var workspaceZone = 'privatelink.api.azureml.ms'
var storageZones = [
  blobZone
  queueZone
  tableZone
]
var zones = concat(storageZones, empty(vaultId) ? [] : [ vaultZone ], empty(workspaceId) ? [] : [ workspaceZone ])
var endpoints = [
  {
    name: 'app-blob'
    target: appAccountId
    groupId: 'blob'
    zone: blobZone
  }
  {
    name: 'app-queue'
    target: appAccountId
    groupId: 'queue'
    zone: queueZone
  }
  {
    name: 'app-table'
    target: appAccountId
    groupId: 'table'
    zone: tableZone
  }
  {
    name: 'events-blob'
    target: eventsAccountId
    groupId: 'blob'
    zone: blobZone
  }
  {
    name: 'events-queue'
    target: eventsAccountId
    groupId: 'queue'
    zone: queueZone
  }
  {
    name: 'data-blob'
    target: dataAccountId
    groupId: 'blob'
    zone: blobZone
  }
  {
    name: 'data-queue'
    target: blobTriggers ? dataAccountId : ''
    groupId: 'queue'
    zone: queueZone
  }
  {
    name: 'vault'
    target: vaultId
    groupId: 'vault'
    zone: vaultZone
  }
  {
    name: 'workspace'
    target: workspaceId
    groupId: 'amlworkspace'
    zone: workspaceZone
  }
]

// Subnets as resources of their own lose their delegation at the second provision (azure-deploy §6).
resource network 'Microsoft.Network/virtualNetworks@2025-01-01' = {
  name: 'vnet-relearn-${token}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        '10.0.0.0/16'
      ]
    }
    subnets: [
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.0.1.0/24'
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
      {
        name: 'app'
        properties: {
          addressPrefix: '10.0.2.0/24'
          delegations: [
            {
              name: 'app'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
    ]
  }
}

resource dnsZones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in zones: {
  name: zone
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zone, i) in zones: {
  parent: dnsZones[i]
  name: 'relearn-${token}'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    // Without this, the name of another account or vault that is closed elsewhere is not found from here.
    resolutionPolicy: 'NxDomainRedirect'
    virtualNetwork: {
      id: network.id
    }
  }
}]

@batchSize(1)
resource privateEndpoints 'Microsoft.Network/privateEndpoints@2025-01-01' = [for endpoint in endpoints: if (!empty(endpoint.target)) {
  name: 'pe-${endpoint.name}-${token}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: '${network.id}/subnets/endpoints'
    }
    privateLinkServiceConnections: [
      {
        name: endpoint.name
        properties: {
          privateLinkServiceId: endpoint.target
          groupIds: [
            endpoint.groupId
          ]
        }
      }
    ]
  }
}]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-01-01' = [for (endpoint, i) in endpoints: if (!empty(endpoint.target)) {
  parent: privateEndpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: endpoint.name
        properties: {
          privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', endpoint.zone)
        }
      }
    ]
  }
  dependsOn: [
    dnsZones
    links
  ]
}]

output appSubnetId string = '${network.id}/subnets/app'

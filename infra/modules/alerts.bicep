// The alerts: those of the log, from alerts.json; those of Event Grid; and the web test.
param location string
param tags object
param token string
param componentId string

@description('System topics whose events are all of this app.')
param topicIds array
param alertEmail string
param existingActionGroupId string
param runbookUrl string
param webTest bool
param appHost string

var rules = loadJsonContent('../alerts.json')
var ownGroups = empty(alertEmail) ? [] : [ operators.id ]
var actionGroups = empty(existingActionGroupId) ? ownGroups : concat(ownGroups, [ existingActionGroupId ])
// Alerts on events that were not delivered, and on dead letters. The app has an alert on dead letters, too, but not while
// it does not run.
var lostEvents = [
  {
    name: 'dropped'
    metric: 'DroppedEventCount'
    what: 'Event Grid dropped events of the storage. The search finds their blobs within 25 minutes; the cause remains.'
  }
  {
    name: 'dead-lettered'
    metric: 'DeadLetteredCount'
    what: 'Event Grid could not deliver events and wrote them to the dead-letter container.'
  }
]

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(alertEmail)) {
  name: 'ag-relearn-${token}'
  location: 'Global'
  tags: tags
  properties: {
    groupShortName: 'relearn'
    enabled: true
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: alertEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: 'relearn-${rule.id}-${token}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Relearn: ${rule.summary}'
    description: '${rule.description} To do: ${runbookUrl}${rule.runbook}'
    severity: rule.severity
    enabled: true
    scopes: [
      componentId
    ]
    evaluationFrequency: 'PT15M'
    windowSize: rule.window
    autoMitigate: rule.autoMitigate
    // The tables of a component that has received nothing yet do not exist (azure-deploy §6).
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: rule.aggregation
          metricMeasureColumn: empty(rule.column) ? null : rule.column
          operator: rule.operator
          threshold: rule.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: actionGroups
      customProperties: {
        runbook: '${runbookUrl}${rule.runbook}'
      }
    }
  }
}]

resource eventAlerts 'Microsoft.Insights/metricAlerts@2018-03-01' = [for lost in lostEvents: if (!empty(topicIds)) {
  name: 'relearn-events-${lost.name}-${token}'
  location: 'global'
  tags: tags
  properties: {
    description: '${lost.what} To do: ${runbookUrl}docs/runbook.md#alert-events-were-not-delivered'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: topicIds
    evaluationFrequency: 'PT15M'
    windowSize: 'PT30M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: lost.name
          metricNamespace: 'Microsoft.EventGrid/systemTopics'
          metricName: lost.metric
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: [for group in actionGroups: {
      actionGroupId: group
    }]
  }
}]

// The web test always exists, so that it can be turned off again. One that is off costs nothing.
resource health 'Microsoft.Insights/webtests@2022-06-15' = {
  name: 'relearn-health-${token}'
  location: location
  tags: union(tags, { 'hidden-link:${componentId}': 'Resource' })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: 'relearn-health-${token}'
    Name: 'relearn-health-${token}'
    Enabled: webTest
    Kind: 'standard'
    Frequency: 900
    Timeout: 30
    RetryEnabled: true
    Locations: [
      {
        Id: 'emea-nl-ams-azr'
      }
      {
        Id: 'us-va-ash-azr'
      }
    ]
    Request: {
      RequestUrl: 'https://${appHost}/api/health'
      HttpVerb: 'GET'
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 7
    }
  }
}

resource healthAlert 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'relearn-web-test-${token}'
  location: 'global'
  tags: tags
  properties: {
    description: 'GET /api/health fails from outside. To do: ${runbookUrl}docs/runbook.md#alert-health-is-not-ok'
    severity: 1
    enabled: webTest
    autoMitigate: true
    scopes: [
      health.id
      componentId
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT30M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: health.id
      componentId: componentId
      failedLocationCount: 2
    }
    actions: [for group in actionGroups: {
      actionGroupId: group
    }]
  }
}

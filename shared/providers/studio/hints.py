"""Likely advice for errors of Studio's services, by detail code, status and words.

Codes: studio-classic §5; advice: studio-classic §4, §6 (traps, troubleshooting guide). Advice
names the key of pipelines.yaml to change, where there is one; an empty one stands for a code
that only the service itself can mend.
"""

import re
from typing import Final

_PUBLISH: Final = "publish the web service anew from its experiment"
_IDS: Final = (
    "an id in the URL is wrong: copy training.service, endpoints[].update or verify.score anew "
    "from the API help page"
)
_KINDS: Final = (
    "see that training.service is the batch execution URL (…/jobs), verify.score the "
    "request-response URL (…/execute) and endpoints[].update the one of the Update Resource page"
)
_CONTAINERS: Final = (
    "see that the containers in TRAINING_DATA_CONTAINER and MODELS_CONTAINER exist and that "
    "the service may reach their storage account"
)
_FILES: Final = (
    "correct the file under training.outputs, or data.blob: "
    "tables end in .csv, .tsv or .arff, a model in .ilearner"
)
_MORE_CALLS: Final = (
    "this is repeated by itself; should it last, raise the endpoint's MaxConcurrentCalls "
    "(endpoints[].create) or lower roll_out"
)
_FULL: Final = (
    "this is repeated by itself; should it last, a dedicated pool "
    "(training.azure_batch_pool_id) avoids the shared queue"
)
_COLUMNS: Final = "give the data, or verify.rows, the columns and types of the service's input"
_RESOURCE: Final = (
    "see that endpoints[].resource is the name under Updatable Resources, that "
    "endpoints[].update belongs to the predictive web service and is not its default endpoint, "
    "and that the model comes from the training experiment of that service"
)
_OVERLOAD: Final = "correct MaxConcurrentCalls under endpoints[].create: the service allows less"
_DIAGNOSTICS: Final = "correct the diagnostics settings of the web service"
_BLOB: Final = (
    "see that the blob is there and that the service may reach its storage, then retry the run, "
    "which signs it anew; training.connection_string, where used, must open the same account"
)
_PARAMETER: Final = "correct the value under training.parameters"
_MISSING: Final = "add the parameter under training.parameters"
_UNEXPECTED: Final = "remove the parameter from training.parameters, or correct its name"
_FEWER_ROWS: Final = "should it last, put fewer rows into verify.rows"

KEY: Final = (
    "see whether the key in the app setting belongs to this endpoint (training.api_key, "
    "endpoints[].api_key, endpoints[].workspace_token, verify.api_key)"
)
MODEL: Final = f"the model does not fit the web service: {_RESOURCE}"
PACKAGE: Final = f"test the service on its own page; should that fail too, {_PUBLISH}"
MODULE: Final = (
    "a module of the experiment failed: correct the data, training.parameters or the module; "
    "a corrected experiment must be published anew"
)
REGION: Final = "use the management host of the workspace's own region in endpoints[].update"
MEMORY: Final = "train a smaller model: on less data, or by training.parameters"
WAKING: Final = "this is repeated by itself: the service is waking up"
RIGHTS: Final = (
    "make the app's identity Contributor or Owner of the web service in endpoints[].update"
)

BAD_ARGUMENT: Final = {
    "BadParameterValue": _PARAMETER,
    "BadSubscriptionId": _IDS,
    "BadVersionCall": "end training.service and verify.score in ?api-version=2.0",
    "BatchJobInputsNotSpecified": "name every input of the service under training.inputs",
    "BatchJobInputsTooManySpecified": "name only the service's own inputs under training.inputs",
    "BlobNameTooLong": _DIAGNOSTICS,
    "BlobNotFound": _BLOB,
    "ContainerIsEmpty": _CONTAINERS,
    "ContainerSegmentInvalid": _CONTAINERS,
    "ContainerValidationFailed": _CONTAINERS,
    "DataTypeNotSupported": _COLUMNS,
    "DuplicateInputInBatchCall": "give one of training.input and training.inputs, not both",
    "ExpiryTimeInThePast": _DIAGNOSTICS,
    "IncompleteSettings": _DIAGNOSTICS,
    "InputBlobRelativeLocationInvalid": "correct data.blob: it must name a blob in the container",
    "InvalidBlob": _BLOB,
    "InvalidBlobConnectionString": "correct the app setting named by training.connection_string",
    "InvalidBlobExtension": _FILES,
    "InvalidInputNames": "correct the names under training.inputs",
    "InvalidOutputOverrideName": "correct the names under training.outputs; case matters",
    "InvalidQueryParameter": "leave nothing but api-version=2.0 after the ? of training.service",
    "MissingInputBlobInformation": "should the service take no signed URLs, name a connection "
    "string in training.connection_string",
    "MissingJobId": _KINDS,
    "MissingKeys": "give the web service both of its keys",
    "MissingModelPackage": _PUBLISH,
    "MissingOutputOverrideSpecification": "name a file for each output under training.outputs, "
    "or leave the output out there",
    "MissingRequestInput": "name the inputs under training.inputs, or write training.input for "
    "a service that takes a single one",
    "MissingRequiredGlobalParameters": _MISSING,
    "MissingRequiredOutputOverrides": "name every output of the service under training.outputs",
    "MissingWebServiceGroupId": _IDS,
    "MissingWebServiceId": _IDS,
    "MissingWebServicePackage": _PUBLISH,
    "MissingWorkspaceId": _IDS,
    "ModelConfigurationInvalid": _PUBLISH,
    "ModelPackageIdInvalid": _PUBLISH,
    "RequestBodyInvalid": _KINDS,
    "RequestIsEmpty": _KINDS,
    "UnexpectedParameter": _UNEXPECTED,
    "UnknownError": "retry the run; should it come again, test the service on its own page",
    "UserParameterInvalid": _PARAMETER,
    "WebServiceConcurrentRequestRequirementInvalid": _OVERLOAD,
    "WebServiceIdInvalid": _IDS,
    "WebServiceTooManyConcurrentRequestRequirement": _OVERLOAD,
    "WebServiceTypeInvalid": _KINDS,
}
BAD_USER_ARGUMENT: Final = {
    "InputMismatchError": _COLUMNS,
    "InputParseError": _COLUMNS,
    "MissingRequiredGlobalParameters": _MISSING,
    "UnexpectedParameter": _UNEXPECTED,
    "UserParameterInvalid": _PARAMETER,
}
INVALID_OPERATION: Final = {
    "CannotStartJob": "the job is past its start: retry the run, or cancel it",
    "IncompatibleModel": "the web service must put out a single table: correct its experiment",
    "MultipleInputsNotAllowed": "write training.input instead of training.inputs",
}
MODULE_FAULTS: Final = {
    "FailedToEvaluateRScript": "correct the R script of the experiment, or its data",
    "TableSchemaColumnCountMismatch": _COLUMNS,
}
PACKAGE_FAULTS: Final = dict.fromkeys(("FormatError", "RuntimesError", "ValidationError"), _PUBLISH)
NEW_SERVICE: Final = {
    "CannotChangeStorageAccount": "a New web service keeps the storage account that it was "
    "deployed with: ModelsStorage must be that account",
}
UNAUTHORIZED: Final = {
    "AdminRequestUnauthorized": "a key of the workspace is needed: endpoints[].workspace_token",
    "ManagementRequestUnauthorized": KEY,
    "ScoreRequestUnauthorized": KEY,
}
NOT_FOUND: Final = {
    "ModelPackageNotFound": _PUBLISH,
    "WebServiceIdNotFoundInWorkspace": _IDS,
    "WebServiceNotFound": _IDS,
    "WorkspaceNotFound": _IDS,
}
TIMED_OUT: Final = {"RequestCanceled": "", "ScoreRequestTimeout": _FEWER_ROWS}
CONFLICT: Final = {
    "ModelOutputMetadataMismatch": "keep the names of the experiment's output columns (Edit "
    "Metadata), or publish the predictive web service anew",
}
OUT_OF_MEMORY: Final = {"OutOfMemoryLimit": MEMORY}
_OWN_AFFAIRS: Final = """
    AdminAuthenticationFailed BackendArgumentError BackendBadRequest ClusterConfigBlobMisconfigured
    ContainerProcessTerminatedWithSystemError ContainerProcessTerminatedWithUnknownError
    DeleteWebServiceResourceFailed ExceptionDeserializationError FailedGettingApiDocument
    FailedStoringWebService InvalidMemoryConfiguration InvalidResourceCacheConfiguration
    InvalidResourceDownloadConfiguration MissingTaskInstance ServiceUrisNotFound SwaggerGeneration
    UnexpectedScoreStatus UnknownBackendErrorResponse UnknownError UnknownJobStatusCode
    UnknownModuleError WorkerAuthorizationFailed WorkerUnreachable
"""
_MODEL_OR_PACKAGE: Final = """
    ModelPackageInvalid ModuleExecutionFailed ModuleLoadFailed ModuleObjectCloneFailed
    OutputConversionFailed PortDataTypeNotSupported WebServicePackageInvalid
"""
_RESOURCES: Final = """
    InvalidWebServiceResources ResourceDownload ResourceLoadFailed UpdateWebServiceResourceFailed
"""
INTERNAL: Final = {
    **dict.fromkeys(_OWN_AFFAIRS.split(), ""),
    **dict.fromkeys(_MODEL_OR_PACKAGE.split(), PACKAGE),
    **dict.fromkeys(_RESOURCES.split(), _RESOURCE),
    "ContainerValidationFailed": _CONTAINERS,
    "WebServiceGroupNotFound": _IDS,
}
INTERNAL_PACKAGE: Final = {"ModuleError": _PUBLISH}
UNAVAILABLE: Final = {
    "NoMoreResources": _FULL,
    "RequestThrottled": _MORE_CALLS,
    "TooManyConcurrentRequests": _MORE_CALLS,
    "TooManyHostsBeingInitialized": _FULL,
    "TooManyHostsBeingInitializedPerModel": _FULL,
}
GATEWAY: Final = {"BackendInitializationTimeout": "", "BackendScoreTimeout": _FEWER_ROWS}

#: For an answer without a code that is known: by its status.
STATUSES: Final = {
    **dict.fromkeys((301, 302, 307, 308), f"the service has moved or the URL is wrong: {_KINDS}"),
    401: KEY,
    403: f"see that the key fits; for a webservice, {RIGHTS}",
    404: _IDS,
    405: _KINDS,
}
_WORDS: Final = {
    r"no (updatable|patchable) resource|not supported or available in this context": (
        "endpoints[].update leads to the training web service: add an endpoint to the "
        "predictive one ([predictive exp.]) and name that one"
    ),
    r"URL of the retraining model is invalid": (
        "this comes and goes and is repeated with a fresh signature; should it last, see "
        "that the service may reach the storage account of ModelsStorage"
    ),
    r"\bdefault (endpoint|one)\b": (
        "the default endpoint follows its experiment: add another one to the predictive web "
        "service and name that in endpoints[].update"
    ),
    r"\bno (such )?resource (named|called)\b": (
        "endpoints[].resource must be the name under Updatable Resources, to the letter"
    ),
    r"missing feature\(s\)|all features used during training": (
        "the model was trained on other columns than the predictive experiment scores: "
        "correct the data or verify.rows, or publish the predictive web service anew"
    ),
    r"(?-i:\breadOnly\b)|\bservice\b.{0,40}\bread-only\b": (
        "a web service that is readOnly can only be removed: deploy another one and name "
        "that in endpoints[].update"
    ),
    r"\bsignature (not valid|did not match)|\b(sas|signature|token)\b.{0,40}\bexpired|"
    r"\bAuthenticationFailed\b|\bfailed to authenticate": (
        "the signed URL was refused, perhaps because it had run out: retry the run, which "
        "signs it anew, and raise training.timeout if jobs wait that long"
    ),
    r"\bAzureBatchPoolId\b|\bbatch pool\b": "correct training.azure_batch_pool_id",
}
#: What only the words say (studio-classic §3, §4, §6); the first that fits is the advice.
WORDS: Final = {re.compile(words, re.IGNORECASE): advice for words, advice in _WORDS.items()}

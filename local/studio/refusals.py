"""The refusals of the service: the documented error codes and the envelope around them."""

from typing import Any

_CLASSES = {
    "BadArgument": (400, "Invalid argument provided."),
    "BadUserArgument": (400, "Invalid user argument provided."),
    "InvalidOperation": (400, "The request is invalid in the current context."),
    "LibraryExecutionError": (400, "Module execution encountered an internal library error."),
    "Unauthorized": (401, "Request is unauthorized to access resource."),
    "NotFound": (404, "Resource not found."),
    "InternalError": (500, "An internal error was encountered."),
    "ServiceUnavailable": (503, "Service is temporarily unavailable."),
}

# detail code: (class, text). Codes and classes: studio-classic §5. Codes marked
# "own" are where none is known.
_DETAILS = {
    "BadParameterValue": ("BadArgument", "The value of the parameter {} is not valid: {}."),
    "BadVersionCall": (
        "BadArgument",
        (
            "Invalid version parameter was passed during the API call: {}. "
            "Check the API help page for passing the correct version and try again."
        ),
    ),
    "BatchJobInputsNotSpecified": ("BadArgument", "The job lacks required input(s): {}."),
    "BatchJobInputsTooManySpecified": ("BadArgument", "The service takes {} input(s), not {}."),
    "BlobNotFound": (
        "BadArgument",
        "Unable to access the provided Azure blob - {}. Azure error message: {}.",
    ),
    "CannotStartJob": (
        "InvalidOperation",
        "The job cannot be started because it is in {} state.",
    ),
    "ContainerSegmentInvalid": ("BadArgument", "The blob reference {} does not name a container."),
    "DuplicateInputInBatchCall": ("BadArgument", "Give either Input or Inputs, not both."),
    "InputBlobRelativeLocationInvalid": ("BadArgument", "The RelativeLocation of {} is not valid."),
    "InputMismatchError": ("BadUserArgument", "The input does not match its columns: {}."),
    "InputParseError": ("BadUserArgument", "The value of column {} in row {} is not a number."),
    "InvalidBlob": ("BadArgument", "The blob reference of {} is not valid: {}."),
    "InvalidBlobConnectionString": ("BadArgument", "The connection string of {} is not valid."),
    "InvalidBlobExtension": (
        "BadArgument",
        (
            "The blob reference: {} has an invalid or missing file extension. "
            'Supported file extensions for this output type are: "{}".'
        ),
    ),
    "InvalidInputNames": (
        "BadArgument",
        (
            "Invalid service input name(s) specified in the request: {}. "
            "Please map the input data to the correct service inputs and try again."
        ),
    ),
    "InvalidOutputOverrideName": (
        "BadArgument",
        (
            "Invalid output override name: {}. The service does not have an output node with "
            "this name. Please pass in a correct output node name to override "
            "(case sensitivity applies)."
        ),
    ),
    "InvalidQueryParameter": ("BadArgument", "The query of the request cannot be read."),
    "JobNotFound": ("NotFound", "The endpoint has no job with the id {}."),  # own
    "ManagementRequestUnauthorized": ("Unauthorized", "Invalid credentials provided."),
    "MissingInputBlobInformation": ("BadArgument", "The blob of {} is not fully specified."),
    "MissingJobId": ("BadArgument", "The request names no job id."),
    "MissingOutputOverrideSpecification": ("BadArgument", "The override of {} is not complete."),
    "MissingRequestInput": ("BadArgument", "The request lacks the input {}."),
    "MissingRequiredGlobalParameters": ("BadArgument", "Required parameter(s) missing: {}."),
    "MissingRequiredOutputOverrides": ("BadArgument", "Output(s) that need an override: {}."),
    "ModuleExecutionError": ("LibraryExecutionError", "{}"),
    "OperationNotFound": ("NotFound", "The service has no operation {} here."),  # own
    "RequestBodyInvalid": ("BadArgument", "The request body is not valid: {}."),
    "RequestIsEmpty": ("BadArgument", "The request has no body."),
    "RequestThrottled": ("ServiceUnavailable", "Request was throttled for {} endpoint."),
    "ResourceLoadFailed": ("InternalError", "The resource {} could not be loaded."),
    "ScoreRequestUnauthorized": ("Unauthorized", "Invalid credentials provided."),
    "TooManyConcurrentRequests": (
        "ServiceUnavailable",
        "The endpoint serves {} requests at once, and no more.",
    ),
    "UnexpectedParameter": ("BadArgument", "The service has no parameter(s) named {}."),
    "UnknownError": ("InternalError", "The cause of the error is not known."),
    "UpdateWebServiceResourceFailed": ("InvalidOperation", "The endpoint was not updated: {}."),
    "WebServiceConcurrentRequestRequirementInvalid": (
        "BadArgument",
        "MaxConcurrentCalls must be a whole number from {} to {}.",
    ),
    "WebServiceIdInvalid": ("BadArgument", "The endpoint name {} is not valid: {}."),
    "WebServiceIdNotFoundInWorkspace": ("NotFound", "The workspace has no web service {}."),
    "WebServiceNotFound": (
        "NotFound",
        "Web service not found. Verify the web service Id is correct and try again.",
    ),
    "WebServiceTypeInvalid": ("BadArgument", "A {} web service cannot do this."),
    "WorkspaceNotFound": ("NotFound", "Workspace not found."),
}


class RefusalError(Exception):
    """An answer that says no: HTTP status, error class and one documented detail."""

    def __init__(self, status: int, code: str, detail: str, message: str, target: str = "") -> None:
        super().__init__(f"{status} {code}/{detail}: {message}")
        self.status = status
        self.code = code
        self.detail = detail
        self.message = message
        self.target = target

    def envelope(self) -> dict[str, Any]:
        """Give the JSON body the service sends (studio-classic §5)."""
        entry = {"code": self.detail, "message": self.message}
        if self.target:
            entry["target"] = self.target
        head = _CLASSES[self.code][1]
        return {"error": {"code": self.code, "message": head, "details": [entry]}}


def refusal(detail: str, *values: object, target: str = "") -> RefusalError:
    """Make the refusal for a detail code of the table, its text filled with `values`."""
    code, text = _DETAILS[detail]
    status, _ = _CLASSES[code]
    return RefusalError(status, code, detail, text.format(*values), target)

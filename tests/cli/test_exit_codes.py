"""Every exception class has an exit code, or a reason why it never ends a command."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import patrol
import simulators
import streams
from patrol.cli.output import BAD_INPUT, FAILED, exit_code, report_failure

BAD_INPUT_CLASSES = {
    "AccountsProblem", "ApprovalImpossible", "BackupDamaged", "BackupRefused", "BadAccount",
    "BadAddress", "BadAnchor", "BadHold", "BadInput", "BadLabels", "BadRecipient", "BadTerms",
    "ConfigProblems",
    "IntegrationsProblem", "KeyProblem", "NoSuchHold", "SealBroken",
    "NoCameraSelected", "NothingToVisit", "NotRefused", "UnknownCategory", "UnknownPlan",
    "ValueNotStorable",
    "WeakPassword",
    "BadPeriod", "BadReply", "BadScope", "BadSignature", "BadTag", "CannotBroadcast", "CannotFile",
    "CannotHandOff", "CannotSupervise", "NoGb28181", "NoSuchColleague", "NotAssigned",
    "NotOwnDecision", "SiteNotWritten", "TargetRefused",
    "BadRow", "CannotOpen", "CheckInRefused", "NoSuchRow", "NotOnRoster",
}  # fmt: skip
FAILED_CLASSES = {
    "AlreadyDecided", "FindingClaimed", "ConsoleFailed", "CountyNotWritten", "DataElsewhere",
    "DatabaseKindMismatch",
    "DatabaseNotEmpty", "DetectorUnavailable", "EncryptionFailed", "Failed", "FindingNotAsShown",
    "IllegalCaseTransition",
    "IllegalRoundTransition",
    "InstallFailed", "KnownPositive", "ManifestBroken", "MetricsFailed", "ModelBroken",
    "ModelMissing", "ModelUnknown", "NoFootage", "NotConnected", "NotShiftOwner",
    "PackageFileUnavailable", "PasswordChecksBusy", "PictureStoreFull", "ProbeRefused",
    "ProcessBusy", "ReferenceNotAccepted",
    "RefusedUs", "RequestKeyReused", "RoundsPaused", "RuntimeMissing", "ServiceFailed", "StoreFull",
    "StoreMissing", "StreamBusy", "StoreOutdated", "StoreReadOnly", "StoreUnavailable",
    "StreamError",
    "TroubleAlreadyTaken", "Unreachable", "Unreadable", "WentSilent",
    "Busy", "TableImportsBusy",
    "AlreadyOpened", "IllegalBroadcastMove", "IllegalHandOffMove", "IllegalPatrolMove",
    "IllegalUndo", "NotRoundOwner", "ServiceAway", "SipPortTaken",
    "ClusterMissing", "ExchangeRefused", "IllegalCheckIn", "NotOpenToHelpers", "QueueUnavailable",
    "StampBroken", "StampRefused", "WorkerRefused",
}  # fmt: skip
CAUGHT_INSIDE = {
    # answered as an HTTP response
    "BadLogin", "CaseNotAsShown", "ChangedMeanwhile", "Forbidden", "InvalidRequest",
    "InvitationInvalid", "LiveViewRefused", "NoKey", "NoScope", "NotEditable", "NotLoggedIn",
    "PictureDeleted", "RegistryEditRefused", "RequestRepeated", "StaleCsrfToken",
    "ResourceNotFound", "TooManyAttempts", "TooManySubscribers", "_LinkRefused",
    "DisplayLinkInvalid",
    # collected as problems of the configuration: ConfigProblems, IntegrationsProblem
    "AccountChanged", "BadEnvReference", "ChannelUnusable", "EntryBroken",
    "HomeNotExpanded", "MaskedSecretUnknown",
    "_UnboundedDocument",
    # a message, a picture or a memory that is logged and left out
    "KeyDestroyed", "RateExceeded", "MemoryUnreadable", "PictureDamaged", "ReplyRejected",
    # turned into a StreamError by the visit that meets them
    "BeyondLimit", "BitstreamEnded", "PictureTooLarge", "LibavEnded", "MalformedPacket",
    "LoginDisconnected", "NotAPicture",
    "UseOtherTransport",
    "NoPortLeft", "SoapFault", "TokenRefused", "WvpTokenRefused",
    # of a county: a town that cannot be read is noted, a reader without a key is answered 401
    "BadCursor", "NoReaderKey", "PulledElsewhere", "TownFailed",
    # a peer's message that is counted and refused; a call that nobody waits for any more
    "BadMessage", "BadXml", "_Abandoned",
    # named again as SipPortTaken, with the setting
    "PortTaken",
    # a shard that its worker gives back, a job or a result that is visited anew
    "BlobMissing", "NotAShard", "ResultUnreadable", "ShardInterrupted",
    # answered or ended by the simulators themselves
    "BadRequest", "ControlError", "EncodingCancelled",
}  # fmt: skip


@pytest.fixture(scope="module")
def classes() -> dict[str, type[BaseException]]:
    """All exception classes of the product, by name."""
    for package in (patrol, streams, simulators):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations." not in module.name and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    ours = {patrol.__name__, streams.__name__, simulators.__name__}
    return {
        kind.__name__: kind
        for kind in subclasses(BaseException)
        if kind.__module__.partition(".")[0] in ours
    }


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from subclasses(sub)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(BAD_INPUT, BAD_INPUT_CLASSES, id="bad input"),
        pytest.param(FAILED, FAILED_CLASSES, id="failed at run time"),
        pytest.param(None, CAUGHT_INSIDE, id="caught inside"),
    ],
)
def test_every_exception_class_has_its_exit_code(
    classes: dict[str, type[BaseException]], code: int | None, expected: set[str]
) -> None:
    assert {name for name, kind in classes.items() if exit_code(kind) == code} == expected


def test_a_missing_extra_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_failure(ModuleNotFoundError("No module", name="jinja2.ext")) == FAILED
    assert capsys.readouterr().err == "jinja2 is missing, pip install 'patrol[console]'\n"

"""The doors: what the rooms need of the outside world, each as small as its user needs.

Implementations: patrol.store (UnitOfWork), patrol.mqtt (Publisher), patrol.inference (Detector),
patrol.evidence (EvidenceStore). Each door has a fake in `simulators` that passes the same contract
tests (tests/contracts/).
"""

from patrol.ports.deliveries import Deliveries
from patrol.ports.duty import Handovers, Stoppages, Troubles
from patrol.ports.evidence import EvidenceFull, EvidenceStore, Memories, PictureLinks, Pictures
from patrol.ports.gate import OPEN_GATE, Gate
from patrol.ports.house import HouseDoor
from patrol.ports.people import Accounts, ApiKeys, CasePhotos, Claims, Sessions, Watch
from patrol.ports.store import Store, StoreFull, StoreUnavailable, UnitOfWork
from patrol.ports.town import AccessLog, Consents, Health, RegistryBook, Suppressions
from patrol.ports.walk import CasesBook, FindingsBook, RoundsBook
from patrol.ports.wire import Announcer, Inbox, NotConnected, Outbox, Publisher
from patrol.ports.world import Busy, Clock, Detection, Detector, Visitor

__all__ = [
    "OPEN_GATE",
    "AccessLog",
    "Accounts",
    "Announcer",
    "ApiKeys",
    "Busy",
    "CasePhotos",
    "CasesBook",
    "Claims",
    "Clock",
    "Consents",
    "Deliveries",
    "Detection",
    "Detector",
    "EvidenceFull",
    "EvidenceStore",
    "FindingsBook",
    "Gate",
    "Handovers",
    "Health",
    "HouseDoor",
    "Inbox",
    "Memories",
    "NotConnected",
    "Outbox",
    "PictureLinks",
    "Pictures",
    "Publisher",
    "RegistryBook",
    "RoundsBook",
    "Sessions",
    "Stoppages",
    "Store",
    "StoreFull",
    "StoreUnavailable",
    "Suppressions",
    "Troubles",
    "UnitOfWork",
    "Visitor",
    "Watch",
]

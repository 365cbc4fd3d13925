"""OXO Connects that give Rainbow a wrong list of their sets, caught by device_retrieval.feature."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from emulators.oxo.catalogue import Catalogue, Change, ChangeKind
from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.delivery import CatalogueSpec
from emulators.oxo.node import Oxo
from emulators.oxo.phoneset import PhoneSet, Rank
from emulators.oxo.settings import Settings
from emulators.pbxagent.devices import Device, DeviceChanges, DevicesPage
from emulators.session.ending import SessionEnded
from emulators.session.session import Session
from emulators.xmpp.paging import PageRequest, paginate
from emulators.xmpp.stanza import Condition, IqType, StanzaError
from tests.wrong_devices.trial import caught

BY_USERS = "A PBX with <users> users"
EXACTLY = "Then Rainbow has exactly the sets of the PBX"
AND_EXACTLY = "And Rainbow has exactly the sets of the PBX"
WHILE_UP = "A set is <changed> while the link is up"
WHILE_CUT = "A set is <changed> while the link is cut"
JUST_CUT = "A set is renamed before anybody has noticed that the link is cut"
WITH_SECONDARIES = "Users with secondary sets"
MANY = "Many changes at once"
ANOTHER_PBX = "The OXO Connect becomes another PBX of the same PCG"


class Relists(CCCtrlA):
    """An agent that makes its own list of devices; the right agent's pages are taken apart for it."""

    def _list(self, devices: list[Device]) -> list[Device]:
        return devices

    def _page_of_devices(self, request: PageRequest) -> DevicesPage:
        whole = super()._page_of_devices(PageRequest(max=None, after=None))
        found, page = paginate(self._list(list(whole.devices)), lambda device: device.id, request)
        return replace(whole, devices=found, page=page)


@caught("device_retrieval", BY_USERS, "When the WSS link is brought up", users="0")
class AnEmptyListIsAnError(Oxo):
    """It refuses to give a list that has nothing in it."""

    class Agent(CCCtrlA):
        def _page_of_devices(self, request: PageRequest) -> DevicesPage:
            page = super()._page_of_devices(request)
            if not page.devices:
                raise StanzaError(Condition.ITEM_NOT_FOUND, "there is no set")
            return page


@caught("device_retrieval", BY_USERS, EXACTLY, users="1")
@caught("device_retrieval", BY_USERS, EXACTLY, users="100")
class LacksTheLastOfEachPage(Oxo):
    """A page ends one set too early."""

    class Agent(CCCtrlA):
        def _page_of_devices(self, request: PageRequest) -> DevicesPage:
            page = super()._page_of_devices(request)
            return replace(page, devices=page.devices[:-1])


@caught("device_retrieval", BY_USERS, EXACTLY, users="300")
@caught("device_retrieval", "Rainbow asks in small pages", EXACTLY)
class LacksASecondPage(Oxo):
    """The second page is empty."""

    class Agent(CCCtrlA):
        def _page_of_devices(self, request: PageRequest) -> DevicesPage:
            page = super()._page_of_devices(request)
            second = request.max is not None and page.page.first_index == request.max
            return replace(page, devices=[]) if second else page


@caught("device_retrieval", BY_USERS, "And Rainbow has 300 sets", users="300")
class HasRoomFor255Sets(Oxo):
    """Sets beyond the 255th are lost when they are entered."""

    def _load_catalogue(self) -> Catalogue:
        return Catalogue(super()._load_catalogue().sets[:255])


@caught("device_retrieval", "Rainbow asks in small pages", EXACTLY)
class RepeatsTheLastSetOfAPage(Oxo):
    """Each page begins with the set that the page before ended with."""

    class Agent(CCCtrlA):
        def _page_of_devices(self, request: PageRequest) -> DevicesPage:
            page = super()._page_of_devices(request)
            whole = super()._page_of_devices(PageRequest(max=None, after=None))
            last = [device for device in whole.devices if device.id == request.after]
            return replace(page, devices=[*last, *page.devices])


@caught("device_retrieval", "Rainbow asks in small pages", "And Rainbow asked for at least 15 pages")
class GivesEverythingAtOnce(Oxo):
    """It does not care how many sets Rainbow asks for."""

    class Agent(CCCtrlA):
        def _page_of_devices(self, request: PageRequest) -> DevicesPage:
            return super()._page_of_devices(replace(request, max=None))


@caught("device_retrieval", WITH_SECONDARIES, EXACTLY)
class HidesSecondaries(Oxo):
    """It lists primary sets only."""

    class Agent(Relists):
        def _list(self, devices: list[Device]) -> list[Device]:
            return [device for device in devices if device.rank == 0]


@caught("device_retrieval", WITH_SECONDARIES, EXACTLY)
class NumbersSecondariesAnew(Oxo):
    """A secondary set is listed under a number of its own."""

    class Agent(Relists):
        def _list(self, devices: list[Device]) -> list[Device]:
            return [replace(one, short_number=f"7{one.short_number}") if one.rank else one for one in devices]


@caught("device_retrieval", WITH_SECONDARIES, "And Rainbow has 65 sets")
class HasOneSecondaryAUser(Oxo):
    """A second secondary set of a user is lost when it is entered."""

    def _load_catalogue(self) -> Catalogue:
        return Catalogue(one for one in super()._load_catalogue().sets if one.rank is not Rank.SECONDARY_2)


@caught("device_retrieval", WITH_SECONDARIES, "And 25 secondary sets have the number of their primary set")
class TakesEachSetForAUser(Oxo):
    """A secondary set is entered as the primary one of a user of its own."""

    def _load_catalogue(self) -> Catalogue:
        sets = super()._load_catalogue().sets
        return Catalogue(
            one if one.rank is Rank.PRIMARY else replace(one, number=str(700 + number), rank=Rank.PRIMARY)
            for number, one in enumerate(sets)
        )


@caught("device_retrieval", "A list that was written by hand", EXACTLY)
class WritesAsciiOnly(Oxo):
    """Letters that not everybody has become question marks on the way to Rainbow."""

    class Agent(Relists):
        def _list(self, devices: list[Device]) -> list[Device]:
            return [replace(one, first_name=one.first_name.encode("ascii", "replace").decode()) for one in devices]


@caught("device_retrieval", "A list that was written by hand", "And Rainbow has exactly the sets of the list")
class ReadsAsciiOnly(Oxo):
    """Letters that not everybody has are lost when the list is read."""

    def _load_catalogue(self) -> Catalogue:
        sets = super()._load_catalogue().sets
        return Catalogue(replace(one, first_name=one.first_name.encode("ascii", "ignore").decode()) for one in sets)


@caught("device_retrieval", "Rainbow asks again on demand", "When Rainbow asks for the devices again")
class AnswersOnce(Oxo):
    """It gives its list once a session."""

    class Agent(CCCtrlA):
        def _on_success(self) -> None:
            super()._on_success()
            self.given = False

        def _page_of_devices(self, request: PageRequest) -> DevicesPage:
            if self.given:
                raise StanzaError(Condition.RESOURCE_CONSTRAINT, "the list has been given")
            self.given = True
            return super()._page_of_devices(request)


@caught("device_retrieval", WHILE_UP, EXACTLY, changed="added")
@caught("device_retrieval", WHILE_UP, EXACTLY, changed="renamed")
@caught("device_retrieval", WHILE_UP, EXACTLY, changed="removed")
class DoesNotTellChanges(Oxo):
    """Rainbow learns of a change when it retrieves the list the next time."""

    class Agent(CCCtrlA):
        async def _push_changes(self, session: Session, changes: asyncio.Queue[Change]) -> None:
            while True:
                await changes.get()


@caught("device_retrieval", WHILE_UP, EXACTLY, changed="removed")
class NeverTellsOfARemovedSet(Oxo):
    """It tells of sets that come, and not of those that go."""

    class Agent(CCCtrlA):
        def _changes(self, change: Change) -> DeviceChanges:
            return replace(super()._changes(change), removed=())


@caught("device_retrieval", WHILE_UP, EXACTLY, changed="renamed")
class TellsARenamedSetAsANewOne(Oxo):
    """A set with another name is added to the list, and stays there under its old name too."""

    class Agent(CCCtrlA):
        def _changes(self, change: Change) -> DeviceChanges:
            told = super()._changes(change)
            return replace(told, added=told.updated, updated=()) if change.kind is ChangeKind.RENAMED else told


@caught("device_retrieval", WHILE_CUT, AND_EXACTLY, changed="added")
@caught("device_retrieval", WHILE_CUT, AND_EXACTLY, changed="renamed")
@caught("device_retrieval", WHILE_CUT, AND_EXACTLY, changed="removed")
class LosesWhatChangesWhileTheLinkIsCut(Oxo):
    """It keeps a list for Rainbow, which is brought up to date only by what it can tell at once."""

    class Agent(Relists):
        kept: Sequence[Device] | None = None

        def _list(self, devices: list[Device]) -> list[Device]:
            if self.kept is None:
                self.kept = devices
            return list(self.kept)

        def _changes(self, change: Change) -> DeviceChanges:
            self.kept = None
            return super()._changes(change)


@caught("device_retrieval", JUST_CUT, AND_EXACTLY)
class LosesWhatRainbowDidNotTake(Oxo):
    """It keeps a list for Rainbow, which is brought up to date by what Rainbow has acknowledged."""

    class Agent(Relists):
        kept: Sequence[Device] | None = None

        def _list(self, devices: list[Device]) -> list[Device]:
            if self.kept is None:
                self.kept = devices
            return list(self.kept)

        async def _push_changes(self, session: Session, changes: asyncio.Queue[Change]) -> None:
            while True:
                told = self._changes(await changes.get())
                try:
                    await session.request(told.to_element(), kind=IqType.SET)
                except (TimeoutError, SessionEnded):
                    continue
                self.kept = None


class _Rigid(Catalogue):
    def _change(self, sets: dict[str, PhoneSet], kind: ChangeKind, phone_set: PhoneSet) -> None:
        return


@caught("device_retrieval", WHILE_UP, "And Rainbow knows of the set that was added", changed="added")
@caught("device_retrieval", WHILE_CUT, "And Rainbow knows of the set that was removed", changed="removed")
@caught("device_retrieval", JUST_CUT, "And Rainbow knows of the set that was renamed")
@caught("device_retrieval", MANY, "And Rainbow knows of all these changes")
class ForgetsWhatIsChanged(Oxo):
    """It takes every change of a set, and none is there afterwards, for the PBX as for Rainbow."""

    def _load_catalogue(self) -> Catalogue:
        return _Rigid(super()._load_catalogue().sets)


@caught("device_retrieval", MANY, "And Rainbow knows of all these changes")
class ForgetsTheTenthNewSet(Oxo):
    """Of many sets that are added one upon the other the last one is lost, for the PBX as for Rainbow."""

    def _load_catalogue(self) -> Catalogue:
        class Crowded(Catalogue):
            def add(self, phone_set: PhoneSet) -> None:
                if phone_set.number != "709":
                    super().add(phone_set)

        return Crowded(super()._load_catalogue().sets)


@caught("device_retrieval", MANY, EXACTLY)
class TellsEverySecondChange(Oxo):
    """Of changes that come one upon the other it loses every second one, and does not let it show."""

    class Agent(CCCtrlA):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._turn = itertools.cycle((True, False))

        def _changes(self, change: Change) -> DeviceChanges:
            told = super()._changes(change)
            return told if next(self._turn) else DeviceChanges(told.since, told.ver)


@caught("device_retrieval", "After a restart of the PBX", "And Rainbow knows of the set that was added")
class ForgetsNewSets(Oxo):
    """A set that was added is gone after a restart, for the PBX as for Rainbow."""

    def _load_catalogue(self) -> Catalogue:
        super()._load_catalogue()
        return CatalogueSpec(users=10).make()


@caught("device_retrieval", ANOTHER_PBX, "And what Rainbow has under the former PBX ID is what it was")
class KeepsTheLinkOfItsFormerId(Oxo):
    """With another PBX ID it makes another link, and goes on telling its changes over the old one too."""

    class Agent(CCCtrlA):
        async def _disable(self, link: asyncio.Task[None]) -> None:
            self._former = link


@caught("device_retrieval", ANOTHER_PBX, "And the WSS link came up")
class LogsInWithItsFormerId(Oxo):
    """The first PBX ID that it has logged in with is the one for ever, though OMC shows the other."""

    class Agent(CCCtrlA):
        first = ""

        async def _attempt(self, settings: Settings) -> Session:
            self.first = self.first or settings.rainbow.pbx_id
            return await super()._attempt(replace(settings, rainbow=replace(settings.rainbow, pbx_id=self.first)))


@caught("device_retrieval", ANOTHER_PBX, EXACTLY)
class HasSetsOfAnotherPbx(Oxo):
    """It was restored from the backup of another PBX, whose sets it lists with its own."""

    class Agent(Relists):
        def _list(self, devices: list[Device]) -> list[Device]:
            other = replace(devices[0], id="other-1", short_number="799", first_name="Somebody", last_name="Else")
            return [*devices, other]

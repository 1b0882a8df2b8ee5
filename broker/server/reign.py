"""What the active controller does, from its election until it is deposed: look, decide, write, tell.

Watches only mark what has to be looked at again (brokers, topics, deletions); one task does the work, so that no two
decisions run at the same time and a storm of events costs one look. Order on taking over: watches first, then the
state of everything, then LeaderAndIsr to every broker, then UpdateMetadata, so that clients hear of a leader that leads.

A lost connection leaves it open which writes were done: everything is read again, as on taking over, and the fence on
/controller_epoch keeps a deposed controller from writing at all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

import trio

from broker.controller import decide, requests, znodes
from broker.controller.image import Broker, ClusterImage, Partition
from broker.wire.errors import ErrorCode
from broker.wire.fields import Message
from broker.wire.messages import StopReplicaResponse
from coord.client import BadVersionError, Client, ConnectionLossError, WatchEvent
from coord.kit.net import Network
from coord.kit.nurseries import flat_nursery

from .cluster_store import ClusterStore, DeposedError, read_brokers, read_topics
from .inter_broker import BrokerSender

__all__ = ["Reign"]

log = logging.getLogger(__name__)

RETRY_PAUSE_S = 0.5


class Reign:
    """One broker's time as the controller."""

    def __init__(
        self, client: Client, broker_id: int, epoch: int, epoch_version: int, network: Network, *, unclean: bool = False
    ) -> None:
        self.epoch = epoch
        self.image = ClusterImage()
        self._client = client
        self._who = (broker_id, epoch)
        self._network = network
        self._unclean = unclean
        self._store = ClusterStore(client, epoch_version)
        self._senders: dict[int, tuple[BrokerSender, trio.CancelScope]] = {}
        self._stopping: dict[str, set[int]] = {}
        self._look: set[str] = set()
        self._rewritten: set[str] = set()
        """Topics whose znodes have changed."""
        self._unreadable: set[str] = set()
        """Topics that are passed over until their znodes change."""
        self._woken = trio.Event()
        self._one_at_a_time = trio.Lock()
        self._nursery: trio.Nursery | None = None

    async def run(self) -> None:
        """Reigns until deposed (returns) or until the session ends (its error)."""
        async with flat_nursery() as nursery:
            self._nursery = nursery
            self.look("everything")
            try:
                while True:
                    await self._woken.wait()
                    async with self._one_at_a_time:
                        await self._work()
            except DeposedError as error:
                log.info("controller epoch %d ends: %s", self.epoch, error)
            finally:
                nursery.cancel_scope.cancel()

    def look(self, what: str) -> None:
        """Marks what has to be looked at again: brokers, topics, deletions, controller, everything."""
        self._look.add(what)
        self._woken.set()

    async def move_leaders_from(self, leaving: int) -> list[Partition]:
        """Moves leadership away from a broker that will stop; returns the partitions that only it can lead."""
        async with self._one_at_a_time:
            states, remaining = decide.move_leaders_from(self.image, self.epoch, leaving)
            await self._store.change_states(self.image, states)
            self._tell(states, new=(), brokers=self.image.brokers.values())
        return remaining

    # One look

    async def _work(self) -> None:
        self._woken = trio.Event()
        looked, self._look = self._look, set()
        try:
            if "controller" in looked:
                await self._check_still_ours()
            if "everything" in looked:
                await self._take_over()
                return
            if "brokers" in looked:
                await self._brokers_changed()
            if "topics" in looked:
                await self._topics_changed()
            if looked & {"deletions", "brokers", "topics"}:
                await self._delete_topics()
        except ConnectionLossError:
            await self._client.wait_connected()
            self.look("controller")
            self.look("everything")
        except (BadVersionError, znodes.ZnodeError) as error:
            log.warning("the controller looks at everything again: %s", error)
            await trio.sleep(RETRY_PAUSE_S)
            self.look("everything")

    async def _check_still_ours(self) -> None:
        stat = await self._client.exists(znodes.CONTROLLER, watch=self._watcher("controller"))
        if stat is None or stat.ephemeral_owner != self._client.session_id:
            raise DeposedError(f"{znodes.CONTROLLER} is gone or another's")

    async def _take_over(self) -> None:
        await self._check_still_ours()
        image = self.image = ClusterImage()
        self._stopping.clear()
        image.brokers = await read_brokers(self._client, self._watcher("brokers"))
        names = await self._client.children(znodes.BROKER_TOPICS, self._watcher("topics"))
        image.deleting = set(await self._client.children(znodes.ADMIN_DELETE_TOPICS, self._watcher("deletions")))
        self._rewritten.clear()
        self._unreadable.clear()
        await self._read_topics(names)
        image.states = await self._store.read_states(image.topics)
        await self._store.create_states(image, decide.new_partitions(image, self.epoch, image.topics))
        await self._store.change_states(image, decide.settle(image, self.epoch, unclean=self._unclean))
        self._keep_senders()
        self._tell_everything(image.brokers.values())
        log.info(
            "broker %d is the controller of epoch %d: %d brokers, %d topics, %d partitions",
            *self._who,
            len(image.brokers),
            len(image.topics),
            len(image.states),
        )
        await self._delete_topics()

    async def _brokers_changed(self) -> None:
        image = self.image
        after = await read_brokers(self._client, self._watcher("brokers"))
        died, came = decide.broker_changes(image.brokers, after)
        image.brokers = after
        if not died and not came:
            return
        log.info("brokers %s; gone: %s, new: %s", sorted(after), sorted(died) or "none", sorted(came) or "none")
        for name in [name for name, waiting in self._stopping.items() if waiting & died]:
            del self._stopping[name]
        new = decide.new_partitions(image, self.epoch, image.topics)
        await self._store.create_states(image, new)
        changed = decide.settle(image, self.epoch, unclean=self._unclean, lost=died)
        await self._store.change_states(image, changed)
        self._keep_senders(restarted=came & died)
        self._tell_everything([after[broker] for broker in came])
        self._tell({*new, *changed}, new=new, brokers=[b for b in after.values() if b.broker_id not in came])

    async def _topics_changed(self) -> None:
        image = self.image
        names = set(await self._client.children(znodes.BROKER_TOPICS, self._watcher("topics")))
        for name in set(image.topics) - names:
            image.forget(name)  # deleted by hand, outside of the protocol
        self._unreadable &= names
        rewritten, self._rewritten = self._rewritten & names, set()
        await self._read_topics(rewritten | (names - set(image.topics) - self._unreadable))
        new = decide.new_partitions(image, self.epoch, names)
        await self._store.create_states(image, new)
        if new:
            self._tell(new, new=new, brokers=image.brokers.values())

    async def _read_topics(self, names: Iterable[str]) -> None:
        """Takes topics into the image. Where partitions lie already is not changed by what stands in a topic's znode."""
        for name, topic in (await read_topics(self._client, names, self._topic_rewritten)).items():
            if topic is None:
                self._unreadable.add(name)
                continue
            self._unreadable.discard(name)
            known = self.image.topics.get(name)
            if known is not None and known.topic_id != topic.topic_id:
                self.image.forget(name)  # deleted and created again between two looks
                known = None
            if known is not None:
                topic = replace(topic, assignment={**topic.assignment, **known.assignment})
            self.image.topics[name] = topic

    def _topic_rewritten(self, event: WatchEvent) -> None:
        self._rewritten.add(event.path.rpartition("/")[2])
        self.look("topics")

    # Deletion

    async def _delete_topics(self) -> None:
        image = self.image
        image.deleting = set(await self._client.children(znodes.ADMIN_DELETE_TOPICS, self._watcher("deletions")))
        for name in image.deleting - set(image.topics):
            await self._store.forget_request(name)
            image.deleting.discard(name)
        for name in decide.deletable(image):
            waiting = self._stopping.get(name)
            if waiting is None:
                self._stop_topic(name)
            elif not waiting:
                await self._store.delete_topic(name)
                self._stopping.pop(name, None)
                image.forget(name)
                log.info("topic %s is deleted", name)

    def _stop_topic(self, name: str) -> None:
        """First hides the topic from clients, then has its replicas deleted; the znodes go when all have answered."""
        topic = self.image.topics[name]
        partitions = [(name, number) for number in topic.assignment]
        waiting = self._stopping[name] = set()
        for broker in self.image.brokers.values():
            hide = requests.metadata_of_deleted(
                self.image, self._who, broker, {name: (topic.topic_id, list(topic.assignment))}
            )
            self._send(broker.broker_id, hide, requests.UPDATE_METADATA_VERSION)
            stop = requests.stop_replicas(self.image, self._who, broker, partitions, delete=True)
            if stop is not None:
                waiting.add(broker.broker_id)
                self._send(
                    broker.broker_id, stop, requests.STOP_REPLICA_VERSION, self._stopped(name, broker.broker_id)
                )
        if not waiting:
            self.look("deletions")

    def _stopped(self, name: str, broker_id: int) -> Callable[[Message], None]:
        def answered(response: Message) -> None:
            assert isinstance(response, StopReplicaResponse)
            failed = [p for p in response.partition_errors if p.error_code != ErrorCode.NONE]
            if response.error_code != ErrorCode.NONE or failed:
                log.warning("broker %d could not delete its replicas of %s", broker_id, name)
                self._stopping.pop(name, None)
                return
            self._stopping.get(name, set()).discard(broker_id)
            self.look("deletions")

        return answered

    # Telling

    def _tell(
        self, partitions: Iterable[Partition], *, new: Mapping[Partition, object] | Collection[Partition], brokers: Iterable[Broker]
    ) -> None:
        named = sorted(partitions)
        for broker in brokers:
            lead = requests.leader_and_isr(self.image, self._who, broker, named, new=new)
            if lead is not None:
                self._send(broker.broker_id, lead, requests.LEADER_AND_ISR_VERSION)
            update = requests.update_metadata(self.image, self._who, broker, named)
            self._send(broker.broker_id, update, requests.UPDATE_METADATA_VERSION)

    def _tell_everything(self, brokers: Iterable[Broker]) -> None:
        for broker in brokers:
            lead = requests.leader_and_isr(self.image, self._who, broker, self.image.states, full=True)
            if lead is not None:
                self._send(broker.broker_id, lead, requests.LEADER_AND_ISR_VERSION)
            update = requests.update_metadata(self.image, self._who, broker, self.image.states)
            self._send(broker.broker_id, update, requests.UPDATE_METADATA_VERSION)

    def _send(
        self, broker_id: int, message: Message, version: int, answered: Callable[[Message], None] | None = None
    ) -> None:
        sender = self._senders[broker_id][0]
        sender.send(message, version, answered or self._answered(sender))

    def _answered(self, sender: BrokerSender) -> Callable[[Message], None]:
        def check(response: Message) -> None:
            code = getattr(response, "error_code", 0)
            if code == ErrorCode.STALE_CONTROLLER_EPOCH:
                self.look("controller")
            elif code:
                log.warning("broker %d answers %s with error %d", sender.broker.broker_id, type(response).__name__, code)
            if sender.overflowed:
                sender.overflowed = False
                self._tell_everything([sender.broker])

        return check

    def _keep_senders(self, restarted: Collection[int] = ()) -> None:
        """One sender for each live broker; a broker that came back gets a new one, with an empty queue."""
        assert self._nursery is not None
        for broker_id in [b for b in self._senders if b not in self.image.brokers or b in restarted]:
            self._senders.pop(broker_id)[1].cancel()
        for broker_id, broker in self.image.brokers.items():
            if broker_id not in self._senders:
                sender = BrokerSender(broker, f"controller-{self._who[0]}", self._network)
                scope = trio.CancelScope()
                self._senders[broker_id] = (sender, scope)
                self._nursery.start_soon(_run_in, scope, sender)

    def _watcher(self, what: str) -> Callable[[WatchEvent], None]:
        return lambda event: self.look(what)


async def _run_in(scope: trio.CancelScope, sender: BrokerSender) -> None:
    with scope:
        await sender.run()

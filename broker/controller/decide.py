"""What the controller decides: which partition states to write when brokers come and go and topics appear.

Each function reads the image and returns the states to be written; nothing is changed here. The driver writes them
(guarded by the controller's epoch and by each znode's version), puts what was written into the image, and tells the
brokers. The rules are those of Kafka's PartitionStateMachine and ReplicaStateMachine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from .elect import leader_on_shutdown, leader_when_offline
from .image import NO_LEADER, Broker, ClusterImage, Partition, PartitionState

__all__ = ["States", "broker_changes", "deletable", "move_leaders_from", "new_partitions", "settle"]

States = dict[Partition, PartitionState]


def broker_changes(
    before: Mapping[int, Broker], after: Mapping[int, Broker]
) -> tuple[set[int], set[int]]:
    """(brokers that died, brokers that came). One that came back between two looks, seen by its epoch, is in both."""
    died = {b for b in before if b not in after or after[b].epoch != before[b].epoch}
    came = {b for b in after if b not in before or after[b].epoch != before[b].epoch}
    return died, came


def new_partitions(image: ClusterImage, controller_epoch: int, names: Iterable[str]) -> States:
    """First states of the partitions that have none: led by the first live replica, with the live ones in sync.

    A partition none of whose replicas is alive stays without a state until one is.
    """
    states: States = {}
    for name in names:
        topic = image.topics.get(name)
        if topic is None or name in image.deleting:
            continue
        for number, replicas in topic.assignment.items():
            live = tuple(r for r in replicas if r in image.brokers)
            if (name, number) not in image.states and live:
                states[name, number] = PartitionState(live[0], 0, live, controller_epoch, -1)
    return states


def settle(image: ClusterImage, controller_epoch: int, *, unclean: bool = False, lost: Collection[int] = ()) -> States:
    """New states for every partition whose leader is not alive, or that could have a leader now.

    lost: brokers that died, even if they are back already: they lead nothing until they are elected anew.
    """
    live = set(image.brokers)
    states: States = {}
    for partition, replicas in image.partitions():
        state = image.states.get(partition)
        if state is None or partition[0] in image.deleting or (state.leader in live and state.leader not in lost):
            continue
        elected = leader_when_offline(replicas, state.isr, live, unclean=unclean)
        if elected is not None:
            states[partition] = _moved(state, elected[0], elected[1], controller_epoch)
        elif state.leader != NO_LEADER:
            states[partition] = _moved(state, NO_LEADER, state.isr, controller_epoch)
    return states


def move_leaders_from(image: ClusterImage, controller_epoch: int, leaving: int) -> tuple[States, list[Partition]]:
    """(states that move leadership away from a broker that will stop, partitions that it leads alone)."""
    live = set(image.brokers)
    states: States = {}
    remaining: list[Partition] = []
    for partition, replicas in image.partitions():
        state = image.states.get(partition)
        if state is None or state.leader != leaving:
            continue
        elected = leader_on_shutdown(replicas, state.isr, live, leaving)
        if elected is None:
            remaining.append(partition)
        else:
            states[partition] = _moved(state, elected[0], elected[1], controller_epoch)
    return states, remaining


def deletable(image: ClusterImage) -> list[str]:
    """Topics to delete now: those all of whose replicas are on live brokers. The others wait for theirs to return."""
    ready = []
    for name in sorted(image.deleting):
        topic = image.topics.get(name)
        if topic is None or all(r in image.brokers for replicas in topic.assignment.values() for r in replicas):
            ready.append(name)
    return ready


def _moved(state: PartitionState, leader: int, isr: tuple[int, ...], controller_epoch: int) -> PartitionState:
    return replace(
        state, leader=leader, leader_epoch=state.leader_epoch + 1, isr=isr, controller_epoch=controller_epoch
    )

"""The controller's decisions against the published rules, and their invariants on random clusters."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from broker.controller import decide
from broker.controller.assign import assign_more, assign_replicas
from broker.controller.elect import leader_on_shutdown, leader_when_offline
from broker.controller.image import NO_LEADER, Broker, ClusterImage, PartitionState, Topic

EPOCH = 7


def image_of(live: set[int], assignment: dict[int, tuple[int, ...]], states: dict[int, PartitionState]) -> ClusterImage:
    return ClusterImage(
        brokers={b: Broker(b, 100 + b, ()) for b in live},
        topics={"t": Topic("t", bytes(16), assignment)},
        states={("t", number): state for number, state in states.items()},
    )


def test_the_first_live_replica_leads_a_new_partition() -> None:
    """ISR is the live replicas, in the assignment's order."""
    image = image_of({2, 3}, {0: (1, 2, 3)}, {})
    assert decide.new_partitions(image, EPOCH, ["t"]) == {("t", 0): PartitionState(2, 0, (2, 3), EPOCH, -1)}


def test_a_partition_without_live_replicas_waits() -> None:
    """No state is written until one of them lives."""
    assert decide.new_partitions(image_of({9}, {0: (1,)}, {}), EPOCH, ["t"]) == {}


def test_a_dead_leader_is_replaced_from_the_isr() -> None:
    """The next in the assignment that is in sync leads, and the dead leave the ISR."""
    image = image_of({2, 3}, {0: (1, 2, 3)}, {0: PartitionState(1, 4, (1, 3), 1, 9)})
    assert decide.settle(image, EPOCH) == {("t", 0): PartitionState(3, 5, (3,), EPOCH, 9)}


def test_the_last_in_sync_replica_is_kept_when_it_dies() -> None:
    """No leader, the ISR stands: only that replica may lead again."""
    image = image_of({2}, {0: (1, 2)}, {0: PartitionState(1, 4, (1,), 1, 9)})
    offline = decide.settle(image, EPOCH)
    assert offline == {("t", 0): PartitionState(NO_LEADER, 5, (1,), EPOCH, 9)}
    image.states.update(offline)
    assert decide.settle(image, EPOCH) == {}, "an offline partition is written once"
    image.brokers[1] = Broker(1, 200, ())
    assert decide.settle(image, EPOCH) == {("t", 0): PartitionState(1, 6, (1,), EPOCH, 9)}


def test_unclean_election_only_when_asked() -> None:
    """The first live replica leads alone."""
    assert leader_when_offline((1, 2, 3), (1,), {2, 3}) is None
    assert leader_when_offline((1, 2, 3), (1,), {2, 3}, unclean=True) == (2, (2,))


def test_a_broker_that_bounced_leads_by_a_new_epoch() -> None:
    """It was seen dead and alive in one look: its partitions get a new leader epoch."""
    before = {1: Broker(1, 100, ())}
    after = {1: Broker(1, 101, ())}
    died, came = decide.broker_changes(before, after)
    assert (died, came) == ({1}, {1})
    image = image_of({1}, {0: (1,)}, {0: PartitionState(1, 4, (1,), 1, 9)})
    assert decide.settle(image, EPOCH) == {}
    assert decide.settle(image, EPOCH, lost=died) == {("t", 0): PartitionState(1, 5, (1,), EPOCH, 9)}


def test_a_leaving_broker_hands_over_what_others_can_lead() -> None:
    """What it leads alone is returned."""
    image = image_of({1, 2}, {0: (1, 2), 1: (1,)}, {0: PartitionState(1, 0, (1, 2), 1, 0), 1: PartitionState(1, 0, (1,), 1, 0)})
    states, remaining = decide.move_leaders_from(image, EPOCH, 1)
    assert states == {("t", 0): PartitionState(2, 1, (2,), EPOCH, 0)}
    assert remaining == [("t", 1)]
    assert leader_on_shutdown((1,), (1,), {1}, 1) is None


def test_a_topic_waits_for_its_hosts_to_be_deleted() -> None:
    """Deletion starts when every replica's broker lives; a request without its topic is ready at once."""
    image = image_of({1}, {0: (1,), 1: (2,)}, {})
    image.deleting = {"t", "ghost"}
    assert decide.deletable(image) == ["ghost"]
    image.brokers[2] = Broker(2, 1, ())
    assert decide.deletable(image) == ["ghost", "t"]


brokers = st.sets(st.integers(1, 6), min_size=1, max_size=6)


@given(brokers, st.integers(1, 40), st.integers(0, 2**32))
def test_assignment_spreads(ids: set[int], partitions: int, seed: int) -> None:
    """Each partition's replicas are distinct, and leaders are spread evenly to within one."""
    for factor in range(1, len(ids) + 1):
        assignment = assign_replicas(sorted(ids), partitions, factor, Random(seed))
        assert sorted(assignment) == list(range(partitions))
        assert all(len(set(replicas)) == factor and set(replicas) <= ids for replicas in assignment.values())
        leaders = [sum(replicas[0] == b for replicas in assignment.values()) for b in ids]
        assert max(leaders) - min(leaders) <= 1


@given(brokers, st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32))
def test_more_partitions_go_on_round_the_brokers(ids: set[int], there: int, more: int, seed: int) -> None:
    """A topic that was widened lies as one that was made so, and replicas stay distinct with any factor."""
    order = sorted(ids)
    made = assign_replicas(order, there + more, 1, Random(seed))
    leader = made[0][0]
    assert assign_more(order, range(there, there + more), 1, leader) == {n: made[n] for n in range(there, there + more)}
    for factor in range(1, len(ids) + 1):
        wider = assign_more(order, range(there, there + more), factor, leader)
        assert all(len(set(replicas)) == factor and set(replicas) <= ids for replicas in wider.values())


@given(brokers, brokers, st.data())
def test_settling_keeps_the_invariants(replicas: set[int], live: set[int], data: st.DataObject) -> None:
    """The leader is live and in the ISR, the ISR only shrinks, epochs grow by one, and a second look changes nothing."""
    assignment = {n: tuple(data.draw(st.permutations(sorted(replicas)))) for n in range(3)}
    states = {}
    for n in assignment:
        isr = tuple(sorted(data.draw(st.sets(st.sampled_from(sorted(replicas)), min_size=1))))
        leader = data.draw(st.sampled_from([*isr, NO_LEADER]))
        states[n] = PartitionState(leader, data.draw(st.integers(0, 9)), isr, 1, 3)
    image = image_of(live, assignment, states)
    changed = decide.settle(image, EPOCH)
    for (name, n), state in changed.items():
        assert state.leader_epoch == states[n].leader_epoch + 1
        assert set(state.isr) <= set(states[n].isr)
        assert state.isr, f"{name}-{n}: an ISR is never empty"
        assert state.leader == NO_LEADER or (state.leader in live and state.leader in state.isr)
        assert state.controller_epoch == EPOCH
        image.states[name, n] = replace(state)
    assert decide.settle(image, EPOCH) == {}

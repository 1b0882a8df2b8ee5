"""Schemas against two other implementations of Kafka's protocol: our bytes, read and written again by them, byte for byte."""

from __future__ import annotations

import json
import random
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import kafka.protocol.admin
import kafka.protocol.consumer
import kafka.protocol.metadata
import kafka.protocol.producer
import pytest
from kio.index import load_entity_module
from kio.schema.index import schema_name_map
from kio.serial import entity_reader, entity_writer
from kio.static.constants import EntityType

from broker.wire import codec
from broker.wire.fields import VERSION_MAX, Message, Struct
from broker.wire.messages import ApiVersionsResponse
from tests.broker.wire.wire_values import CLASSES, sample

KIO_NAMES = {name.replace("_", ""): name for name in schema_name_map}
KINDS = {"Request": EntityType.request, "Response": EntityType.response}
KAFKA_PYTHON = {
    name: value
    for module in (kafka.protocol.admin, kafka.protocol.consumer, kafka.protocol.metadata, kafka.protocol.producer)
    for name, value in vars(module).items()
}


def cases() -> list[tuple[type[Message], int]]:
    return [(cls, version) for cls in CLASSES for version in range(cls.VERSIONS[0], cls.VERSIONS[1] + 1)]


def kio_class(cls: type[Message], version: int) -> object:
    for suffix, kind in KINDS.items():
        name = KIO_NAMES.get(cls.__name__.removesuffix(suffix).lower())
        if cls.__name__.endswith(suffix) and name and version in schema_name_map[name]:
            module = load_entity_module(name, version, kind)
            return getattr(module, cls.__name__, None)
    return None


@pytest.mark.timeout(600)
def test_kio_agrees() -> None:
    """kio has Kafka 4's versions of the APIs that clients and controllers use."""
    compared = 0
    for cls, version in cases():
        theirs = kio_class(cls, version)
        if theirs is None:
            continue
        read, write = entity_reader(theirs), entity_writer(theirs)
        source = random.Random(f"{cls.__name__}{version}")
        for _ in range(4):
            ours = codec.encode(sample(cls, version, source), version)
            entity, size = read(ours, 0)
            assert size == len(ours), (cls.__name__, version)
            again = bytearray()
            out = Sink(again)
            write(out, entity)
            assert bytes(again) == ours, (cls.__name__, version)
        compared += 1
    assert compared > 250


class Sink:
    """The part of a stream that kio writes to."""

    def __init__(self, data: bytearray) -> None:
        self.data = data

    def write(self, piece: bytes) -> None:
        self.data += piece


def test_kafka_python_agrees() -> None:
    """kafka-python has the client APIs, in older versions too."""
    compared = 0
    for cls, version in cases():
        theirs = KAFKA_PYTHON.get(cls.__name__)
        if theirs is None or version > theirs.max_version:
            continue
        source = random.Random(f"{cls.__name__}{version}")
        for _ in range(4):
            message = sample(cls, version, source)
            if cls is ApiVersionsResponse:
                message.error_code = 0  # with an error it reads version 0, whatever it was told
            versioned = cls.__name__.startswith("ConsumerProtocol")  # where the version is a field of its own
            ours = (codec.encode_versioned if versioned else codec.encode)(message, version)
            entity = theirs.decode(ours, version=version)
            entity._header = None  # which encode() asks for and decode() leaves out
            assert entity.encode(version=version) == ours, (cls.__name__, version)
        compared += 1
    assert compared > 450


@pytest.mark.apache
def test_apache_agrees() -> None:
    """Every field of every version against the schemas in Apache Kafka 3.9's own jar, for the APIs that nobody else has."""
    tool = Path(__file__).resolve().parents[2] / "bench" / "apache-kafka"
    found = subprocess.run([tool, "classpath"], capture_output=True, text=True, check=False).stdout.strip()
    jars = sorted(Path(found.rstrip("*")).glob("kafka-*.jar")) if found else []
    if not jars:
        pytest.skip("needs Apache Kafka's jars: run `tests/bench/apache-kafka classpath` with a JDK and Maven")
    schemas = {}
    for jar in jars:
        with zipfile.ZipFile(jar) as packed:
            for name in packed.namelist():
                if name.startswith("common/message/") and name.endswith(".json"):
                    text = re.sub(r"^\s*//.*$", "", packed.read(name).decode(), flags=re.MULTILINE)
                    schemas[Path(name).stem] = json.loads(text)
    for cls in CLASSES:
        schema = schemas[cls.__name__]
        assert bounds(schema["validVersions"]) == cls.VERSIONS, cls.__name__
        common = {struct["name"]: struct["fields"] for struct in schema.get("commonStructs", [])}
        for version in range(cls.VERSIONS[0], cls.VERSIONS[1] + 1):
            flexible = bounds(schema["flexibleVersions"])[0] <= version
            assert flexible == (version >= cls.FLEXIBLE), (cls.__name__, version)
            assert layout(cls, version) == their_layout(schema["fields"], common, version), (cls.__name__, version)


def bounds(text: str) -> tuple[int, int]:
    if text == "none":
        return VERSION_MAX, VERSION_MAX
    first, _, last = text.rstrip("+").partition("-")
    return int(first), VERSION_MAX if text.endswith("+") else int(last or first)


def layout(cls: type[Struct], version: int) -> list[object]:
    """What decides over the bytes of one version: types, nullability, tags, defaults."""
    return [
        (
            f.name,
            "[]" * f.array + f.kind,
            f.nullable_in(version),
            f.tag,
            f.ignorable,
            [] if f.struct is None else layout(f.struct, version),
        )
        for f in cls.FIELDS
        if f.in_version(version)
    ]


def their_layout(fields: list[dict[str, Any]], common: dict[str, Any], version: int) -> list[object]:
    found: list[object] = []
    for f in fields:
        low, high = bounds(f["versions"])
        if not low <= version <= high:
            continue
        kind = f["type"].removeprefix("[]")
        struct = kind[0].isupper()
        nullable = "nullableVersions" in f and bounds(f["nullableVersions"])[0] <= version
        found.append(
            (
                re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", f["name"].replace("KRaft", "Kraft")).lower(),
                "[]" * f["type"].startswith("[]") + ("struct" if struct else kind),
                nullable,
                f.get("tag"),
                f.get("ignorable") in (True, "true"),
                their_layout(f.get("fields") or common[kind], common, version) if struct else [],
            )
        )
    return found

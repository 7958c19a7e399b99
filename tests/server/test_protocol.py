"""Every message byte for byte against an independent OSC library; and everything that is not a message."""

import contextlib
import struct
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from accomp.server import protocol as osc
from accomp.server import wire

SAMPLES = np.array([0.0, 0.5, -1.0, 1e-20, 3.0], np.float32)


def golden(address, *args):
    builder = OscMessageBuilder(address)
    for tag, value in args:
        builder.add_arg(value, tag)
    return builder.build().dgram


def floats(values):
    return [("f", float(v)) for v in values]


REQUESTS = [
    (osc.UpdatePackageSize(4410), golden("/update_package_size", ("i", 4410))),
    (osc.UpdateR(0.2), golden("/update_r", ("d", 0.2))),
    (osc.W(-1.0), golden("/w", ("d", -1.0))),
    (osc.UpdateFade(0.02), golden("/update_fade", ("d", 0.02))),
    (osc.PredictInstruments(1, 0, 1, 0), golden("/predict_instruments", *[("i", x) for x in (1, 0, 1, 0)])),
    (osc.Verbose(1), golden("/verbose", ("i", 1))),
    (osc.LoadModel(), golden("/load_model")),
    (osc.Reset(), golden("/reset", ("i", 1))),
    (osc.Print(), golden("/print", ("T", True))),
    (osc.Predict(), golden("/predict")),
    (osc.Hello(44_100, 264_600, "Pd 0.54"), golden("/hello", ("i", 44_100), ("i", 264_600), ("s", "Pd 0.54"))),
    (osc.Clock(1.5, 120.0, 4, 7), golden("/clock", ("d", 1.5), ("d", 120.0), ("i", 4), ("i", 7))),
    (osc.Tempo(0.0), golden("/tempo", ("d", 0.0))),
    (osc.UseModel("live-2"), golden("/model", ("s", "live-2"))),
    (osc.Density(0.5), golden("/density", ("d", 0.5))),
    (osc.Panic(), golden("/panic")),
    (osc.Calibrate(), golden("/calibrate")),
    (osc.AskStatus(), golden("/status")),
    (osc.PacketTest(3, SAMPLES), golden("/packet_test", ("i", 3), *floats(SAMPLES))),
    *(
        (
            osc.Block(plane, 7, 4410, 30, SAMPLES),
            golden(f"/{plane}", ("i", 7), ("i", 4410), ("i", 30), *floats(SAMPLES)),
        )
        for plane in ("context", "bass", "drums", "guitar", "piano")
    ),
]
REPLIES = [
    (osc.Ready(), golden("/ready", ("T", True))),
    (osc.ServerPredicted(), golden("/server_predicted", ("T", True))),
    (osc.BatchDropped(12), golden("/batch_dropped", ("i", 12))),
    (osc.PacketTestResponse(SAMPLES), golden("/packet_test_response", ("i", 5), *floats(SAMPLES))),
    (osc.Status('{"a": 1}'), golden("/status", ("s", '{"a": 1}'))),
    *(
        (osc.Chunk(stem, 7, 3, 17, samples), golden(f"/{stem}", *[("i", x) for x in (7, 3, 17)], *floats(samples)))
        for stem in ("bass", "drums", "guitar", "piano")
        for samples in (SAMPLES, SAMPLES[:0], SAMPLES[:1])
    ),
]
CASES = [(osc.parse_request, m, g) for m, g in REQUESTS] + [(osc.parse_reply, m, g) for m, g in REPLIES]


def same(a, b):
    return type(a) is type(b) and all(np.array_equal(x, vars(b)[k]) for k, x in vars(a).items())


@pytest.mark.parametrize("parse, message, data", CASES, ids=lambda x: getattr(x, "address", ""))
def test_packs_and_parses_to_the_byte(parse, message, data):
    assert message.pack() == data
    assert same(parse(data), message)


@pytest.mark.parametrize("parse, message, data", CASES, ids=lambda x: getattr(x, "address", ""))
def test_no_truncation_and_no_trailing_byte_goes_unseen(parse, message, data):
    bare = wire.pad(data[: data.index(b"\0")])  # the form without type tags is a message of its own
    whole = [data[:n] for n in range(len(data)) if not (data[:n] == bare and isinstance(message, wire.Trigger))]
    for bad in [*whole, data + b"\0", data + b"\0\0\0\0", data + b"junk", b"junk" + data]:
        with pytest.raises(osc.ProtocolError):
            parse(bad)


@pytest.mark.parametrize("tag, value", [("i", 1), ("f", 1.0), ("d", 1.0), ("T", True)])
def test_scalars_come_in_any_tag(tag, value):
    for address, want in [("/update_r", osc.UpdateR(1.0)), ("/w", osc.W(1.0)), ("/verbose", osc.Verbose(1))]:
        assert osc.parse_request(golden(address, (tag, value))) == want
    assert osc.parse_request(golden("/w", ("F", False))) == osc.W(0.0)
    flags = osc.parse_request(golden("/predict_instruments", ("T", True), ("F", False), ("f", 1.0), ("i", 0)))
    assert flags.stems == ("bass", "guitar")


@given(st.floats(0, 1, width=32))
def test_float32_scalars_are_read_as_the_decimal_that_was_meant(x):
    (heard,) = vars(osc.parse_request(golden("/update_fade", ("f", x)))).values()
    assert np.float32(heard) == np.float32(x) and len(repr(heard)) <= len(repr(float(np.float32(x))))
    assert int(osc.parse_request(golden("/update_fade", ("f", 0.02))).seconds * 44_100) == 882


def test_samples_mix_floats_and_integers_by_value():
    mixed = golden("/context", ("i", 1), ("f", 0.0), ("i", 1), ("f", 0.25), ("i", -1), ("f", -0.5), ("i", 2))
    assert osc.parse_request(mixed).samples.tolist() == [0.25, -1.0, -0.5, 2.0]


REFUSED = {
    "empty": b"",
    "unaligned": b"/reset",
    "no slash": golden("reset", ("i", 1)),
    "unknown": golden("/nothing"),
    "wildcard": golden("/" + 19 * "*" + "z"),
    "bad utf-8": b"/\xff\xfe\0,i\0\0\0\0\0\1",
    "unended string": b"/reset12",
    "padding": b"/w\0x,i\0\0\0\0\0\1",
    "no comma": b"/w\0\0i\0\0\0\0\0\0\1",
    "string for a number": golden("/w", ("s", "1")),
    "blob": b"/w\0\0,b\0\0\0\0\0\0",
    "too few": golden("/predict_instruments", ("i", 1)),
    "too many": golden("/w", ("i", 1), ("i", 1)),
    "nan": golden("/w", ("d", float("nan"))),
    "inf": golden("/update_fade", ("f", float("inf"))),
    "r 0": golden("/update_r", ("d", 0.0)),
    "r 2": golden("/update_r", ("d", 2.0)),
    "w 9": golden("/w", ("i", 9)),
    "fade -1": golden("/update_fade", ("i", -1)),
    "package 127": golden("/update_package_size", ("i", 127)),
    "package 16384": golden("/update_package_size", ("i", 16_384)),
    "package 4410.5": golden("/update_package_size", ("f", 4410.5)),
    "package 1e30": golden("/update_package_size", ("d", 1e30)),
    "clock of 0 bpm": golden("/clock", ("d", 0.0), ("d", 0.0), ("i", 4), ("i", 1)),
    "tempo 5": golden("/tempo", ("d", 5.0)),
    "density 2": golden("/density", ("d", 2.0)),
    "hello without a name": golden("/hello", ("i", 44_100), ("i", 264_600)),
    "hello from T 10^9": golden("/hello", ("i", 44_100), ("i", 10**9), ("s", "x")),
    "an empty name": golden("/model", ("s", "")),
    "a name of 65": golden("/model", ("s", 65 * "x")),
    "a name with a newline": golden("/model", ("s", "a\nb")),
    "a number for a name": golden("/model", ("i", 1)),
    "many texts": golden("/model", *[("s", "x")] * 9),
    "text among samples": golden("/context", ("i", 1), ("i", 0), ("i", 1), ("s", "x")),
    "no samples": golden("/context", ("i", 1), ("i", 0), ("i", 1)),
    "double sample": golden("/context", ("i", 1), ("i", 0), ("i", 1), ("d", 0.5)),
    "start 10^8": golden("/context", ("i", 1), ("i", 10**8), ("i", 1), ("f", 0.5)),
    "start -1": golden("/context", ("i", 1), ("i", -1), ("i", 1), ("f", 0.5)),
    "total 0": golden("/context", ("i", 1), ("i", 0), ("i", 0), ("f", 0.5)),
    "total 10^9": golden("/context", ("i", 1), ("i", 0), ("i", 10**9), ("f", 0.5)),
    "batch -1": golden("/context", ("i", -1), ("i", 0), ("i", 1), ("f", 0.5)),
    "bundle of size -4": b"#bundle\0" + bytes(8) + struct.pack(">i", -4),
    "bundle": b"#bundle\0" + bytes(8) + struct.pack(">i", 16) + golden("/reset", ("i", 1)),
    "64 KB of nothing": bytes(65_504),
    "64 KB of slashes": b"/" * 65_504,
    "64 KB of tags": b"/w\0\0," + b"i" * 65_499,
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_a_message_is_refused_at_once(data):
    began = time.thread_time()
    with pytest.raises(osc.ProtocolError) as error:
        osc.parse_request(data)
    assert time.thread_time() - began < 0.02
    assert len(error.value.reason) < 20  # a kind, not a quotation: kinds are counted


def test_replies_to_the_external_are_as_strict_as_it_is():
    for bad in [
        golden("/ready2", ("T", True)),
        golden("/bass", ("i", 1), ("f", 0.0), ("i", 1), ("f", 0.5)),
        golden("/bass", ("i", 1), ("i", 0), ("i", 1), ("i", 5)),
        golden("/packet_test_response", ("i", -1), ("f", 0.5)),
        golden("/status", ("i", 1)),
    ]:
        with pytest.raises(osc.ProtocolError):
            osc.parse_reply(bad)


def test_a_packet_test_response_may_come_in_a_bundle():
    builder = OscBundleBuilder(1)
    message = OscMessageBuilder("/packet_test_response")
    for tag, value in [("i", 1), ("f", 0.5)]:
        message.add_arg(value, tag)
    builder.add_content(message.build())
    assert osc.parse_reply(builder.build().dgram).samples.tolist() == [0.5]


def test_the_largest_datagrams_fit_and_larger_ones_are_refused():
    most = np.zeros(osc.MAX_FLOATS, np.float32)
    assert len(osc.Block("context", 1, 0, 1, most).pack()) <= wire.MAX_DATAGRAM
    assert len(osc.Chunk("guitar", 1, 0, 1, most).pack()) <= wire.MAX_DATAGRAM
    with pytest.raises(osc.ProtocolError):
        osc.PacketTestResponse(most).pack()


def hurt(data):
    """One of the golden messages, or a large one, as it may be after an accident."""
    audio = osc.Block("context", 7, 0, 30, np.linspace(-1, 1, data.draw(st.integers(1, 300)), dtype=np.float32)).pack()
    message = bytearray(data.draw(st.sampled_from([*(g for _, _, g in CASES), audio])))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(message)))
        message[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=8))
    return bytes(message)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_the_quick_way_to_read_audio_finds_what_the_long_way_finds(data):
    message = hurt(data)
    address = message[: message.find(b"\0")]
    audio = wire.read_audio(address, message)
    if audio is None or address[:1] != b"/":  # it is asked for known addresses only
        return
    body = wire.Body.open(message)
    numbers, offset = body.scalars("iii", more=True)
    assert body.address == address and list(audio[:3]) == numbers
    assert np.array_equal(audio[3], body.samples(3, offset), equal_nan=True)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mutations_are_parsed_or_refused_and_nothing_else(data):
    message = hurt(data)
    for parse in (osc.parse_request, osc.parse_reply):
        with contextlib.suppress(osc.ProtocolError):
            parse(message)

"""Every message byte for byte; the dialects of other programs; and everything that is not a message."""

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


# Control messages are written by python-osc, so their bytes stand here; audio is held against python-osc.
REQUESTS = [
    (osc.UpdatePackageSize(4410), b"/update_package_size\0\0\0\0,i\0\0\0\0\x11:"),
    (osc.UpdateR(0.2), b"/update_r\0\0\0,d\0\0?\xc9\x99\x99\x99\x99\x99\x9a"),
    (osc.W(-1.0), b"/w\0\0,d\0\0\xbf\xf0\0\0\0\0\0\0"),
    (osc.UpdateFade(0.02), b"/update_fade\0\0\0\0,d\0\0?\x94z\xe1G\xae\x14{"),
    (osc.PredictInstruments(1, 0, 1, 0), b"/predict_instruments\0\0\0\0,iiii\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0"),
    (osc.PredictStems("strings,bass"), b"/predict_stems\0\0,s\0\0strings,bass\0\0\0\0"),
    (osc.Verbose(1), b"/verbose\0\0\0\0,i\0\0\0\0\0\1"),
    (osc.LoadModel(), b"/load_model\0,\0\0\0"),
    (osc.Reset(), b"/reset\0\0,i\0\0\0\0\0\1"),
    (osc.Print(), b"/print\0\0,T\0\0"),
    (osc.Predict(), b"/predict\0\0\0\0,\0\0\0"),
    (osc.Hello(44_100, 264_600, "Pd 0.54"), b"/hello\0\0,iis\0\0\0\0\0\0\xacD\0\4\t\x98Pd 0.54\0"),
    (osc.Clock(1.5, 120.0, 4, 7), b"/clock\0\0,ddii\0\0\0?\xf8\0\0\0\0\0\0@^\0\0\0\0\0\0\0\0\0\4\0\0\0\7"),
    (osc.Tempo(0.0), b"/tempo\0\0,d\0\0\0\0\0\0\0\0\0\0"),
    (osc.UseModel("live-2"), b"/model\0\0,s\0\0live-2\0\0"),
    (osc.Density(0.5), b"/density\0\0\0\0,d\0\0?\xe0\0\0\0\0\0\0"),
    (osc.Rest(2.0), b"/rest\0\0\0,d\0\0@\0\0\0\0\0\0\0"),
    (osc.Balance(-6.0), b"/balance\0\0\0\0,d\0\0\xc0\x18\0\0\0\0\0\0"),
    (osc.Tap(), b"/tap\0\0\0\0,\0\0\0"),
    (osc.Panic(), b"/panic\0\0,\0\0\0"),
    (osc.Calibrate(), b"/calibrate\0\0,\0\0\0"),
    (osc.AskStatus(), b"/status\0,\0\0\0"),
    (osc.Start(120.0, 4, 3), b"/start\0\0,dii\0\0\0\0@^\0\0\0\0\0\0\0\0\0\4\0\0\0\3"),
    (osc.StopPlaying(), b"/stop\0\0\0,\0\0\0"),
    (osc.Fill(), b"/fill\0\0\0,\0\0\0"),
    (osc.Break(2), b"/break\0\0,i\0\0\0\0\0\2"),
    (osc.HoldChord("Am7", 2), b"/chord\0\0,si\0Am7\0\0\0\0\2"),
    (osc.Lead("| C |"), b"/lead\0\0\0,s\0\0| C |\0\0\0"),
    (osc.AskPlan(1), b"/plan\0\0\0,i\0\0\0\0\0\1"),
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
    (osc.Ready(), b"/ready\0\0,T\0\0"),
    (osc.ServerPredicted(), b"/server_predicted\0\0\0,T\0\0"),
    (osc.BatchDropped(12), b"/batch_dropped\0\0,i\0\0\0\0\0\x0c"),
    (osc.PacketTestResponse(SAMPLES), golden("/packet_test_response", ("i", 5), *floats(SAMPLES))),
    (osc.Plan("C in 1 s"), b"/plan\0\0\0,s\0\0C in 1 s\0\0\0\0"),
    (osc.Status('{"a": 1}'), b'/status\0,s\0\0{"a": 1}\0\0\0\0'),
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
    bare = wire.pad(data[: data.index(b"\0")])  # without arguments the form without type tags is a message of its own
    needs_none = isinstance(message, wire.Trigger) or getattr(message, "least", None) == 0
    whole = [data[:n] for n in range(len(data)) if not (data[:n] == bare and needs_none)]
    for bad in [*whole, data + b"\0", data + b"\0\0\0\0", data + b"junk", b"junk" + data]:
        with pytest.raises(osc.ProtocolError):
            parse(bad)


@pytest.mark.parametrize("tag, value", [("i", 1), ("h", 1), ("f", 1.0), ("d", 1.0), ("T", True), (["f"], [1.0])])
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
    "open array": b"/w\0\0,[i\0\0\0\0\1",
    "int64 10^12": golden("/update_package_size", ("h", 10**12)),
    "no type tags": b"/w\0\0" + struct.pack(">f", 1.0),
    "a line of text": b"density 0.5;\n",
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


@pytest.mark.parametrize(
    "data, word",
    [
        (golden("/Density", ("f", 0.5)), "did you mean /density"),
        (golden("/accomp/density", ("f", 0.5)), "did you mean /density"),
        (golden("/density", ("f", 50.0)), "/density: density must lie in [0, 1]"),
        (golden("/predict_instruments", ("s", "drums")), "/predict_instruments: 1 where 4 belong"),
        (golden("/density", ("f", float("nan"))), "/density: "),
        (b"/density\0\0\0\0" + struct.pack(">f", 0.5), "/density: no type tags"),
        (golden("/density", ("f", 0.5)) + bytes(4), "/density: 8 bytes"),
        (golden("/density", ("f", 0.5)) + b"\n", "/density: 21 bytes"),
        (b"density 0.5;\n", "does not begin with /"),
    ],
)
def test_what_is_refused_names_the_address_and_the_fault(data, word):
    with pytest.raises(osc.ProtocolError) as error:
        osc.parse_request(data)
    assert word in error.value.detail


def bundle(*messages, time_tag=bytes(8)):
    return b"#bundle\0" + time_tag + b"".join(struct.pack(">i", len(m)) + m for m in messages)


@given(
    st.lists(st.sampled_from([m for _, m in REQUESTS]), max_size=9),
    st.integers(0, 3),
    st.binary(min_size=8, max_size=8),
)
def test_a_bundle_holds_its_messages_in_order_however_deep(held, depth, time_tag):
    data = bundle(*held, time_tag=time_tag)
    for _ in range(depth):
        data = bundle(data)
    assert wire.messages(data) == held


def test_a_bundle_of_python_osc_is_read():
    builder = OscBundleBuilder(1)
    for address, value in [("/update_r", 0.5), ("/w", 0.0)]:
        message = OscMessageBuilder(address)
        message.add_arg(value, "f")
        builder.add_content(message.build())
    assert [*map(osc.parse_request, wire.messages(builder.build().dgram))] == [osc.UpdateR(0.5), osc.W(0.0)]


RESET = golden("/reset", ("i", 1))
BAD_BUNDLES = {
    "size -4": bundle() + struct.pack(">i", -4),
    "size 0": bundle(b"", RESET),
    "size beyond the end": bundle() + struct.pack(">i", 99) + RESET,
    "size of no multiple of 4": bundle(b"/reset"),
    "cut short": bundle(RESET)[:-4],
    "half a size": bundle(RESET) + b"\0\0",
    "five deep": bundle(bundle(bundle(bundle(bundle(RESET))))),
    "3000 deep": b"".join(b"#bundle\0" + bytes(8) + struct.pack(">i", 20 * n) for n in range(3000, 0, -1)) + RESET,
    "257 messages": bundle(*[RESET] * 257),
    "larger than a datagram": bundle(bytes(65_504)),
}


@pytest.mark.parametrize("data", BAD_BUNDLES.values(), ids=BAD_BUNDLES.keys())
def test_a_bundle_that_does_not_fit_is_refused_whole_and_at_once(data):
    began = time.thread_time()
    with pytest.raises(osc.ProtocolError, match=r"bundle|size"):
        wire.messages(data)
    assert time.thread_time() - began < 0.02


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
    if audio is None or address[:1] != b"/" or b"#bundle" in message:  # it is asked for known addresses only
        return
    body = wire.Body.open(message)
    numbers, samples = body.audio(3)
    assert body.address == address and list(audio[:3]) == numbers
    assert np.array_equal(audio[3], samples, equal_nan=True)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mutations_are_parsed_or_refused_and_nothing_else(data):
    message = hurt(data)
    for parse in (osc.parse_request, osc.parse_reply):
        with contextlib.suppress(osc.ProtocolError):
            parse(message)
    with contextlib.suppress(osc.ProtocolError):
        wire.messages(bundle(RESET, bundle(message)) + message[:20])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (wire.write("/start", ""), osc.Start()),
        (wire.write("/start", "f", (120.0,)), osc.Start(120.0)),
        (wire.write("/break", ""), osc.Break()),
        (wire.write("/chord", "s", ("Am7",)), osc.HoldChord("Am7")),
        (wire.write("/lead", "s", ("",)), osc.Lead("")),
    ],
)
def test_values_that_are_left_out_keep_their_defaults(data, message):
    assert osc.parse_request(data) == message


@pytest.mark.parametrize(
    "data",
    [
        wire.write("/chord", ""),
        wire.write("/chord", "i", (1,)),
        wire.write("/break", "ii", (1, 2)),
        wire.write("/break", "i", (0,)),
        wire.write("/start", "d", (10.0,)),
        wire.write("/lead", ""),
        wire.write("/lead", "i", (1,)),
        wire.write("/plan", "i", (3,)),
    ],
)
def test_what_does_not_lead_is_refused(data):
    with pytest.raises(osc.ProtocolError):
        osc.parse_request(data)


def test_audio_of_another_class_is_read_by_who_asked_for_it():
    chunk = osc.Chunk("strings", 7, 3, 17, SAMPLES)
    assert same(osc.parse_reply(chunk.pack(), ("strings",)), chunk)
    with pytest.raises(osc.ProtocolError, match="unknown address"):
        osc.parse_reply(chunk.pack())
    assert osc.PredictStems("strings,,bass,strings").stems == ("strings", "bass")

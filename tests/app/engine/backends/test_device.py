"""Which device and format each model gets, on machines that are only told of."""

import re
from dataclasses import replace
from typing import Any

import pytest

from app.engine.backends.cards import Card, Facts
from app.engine.backends.device import decide
from app.errors import DeviceError

GIB = 1024**3
CU130 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")
H100 = Card("NVIDIA H100", (9, 0), 80 * GIB)
A10 = Card("NVIDIA A10", (8, 6), 24 * GIB)
T4 = Card("Tesla T4", (7, 5), 16 * GIB)
V100 = Card("Tesla V100", (7, 0), 16 * GIB)
P100 = Card("Tesla P100", (6, 0), 16 * GIB)
NEXT = Card("NVIDIA Next", (13, 0), 80 * GIB)

NOTHING = Facts(torch="2.13.0")
MACHINE = Facts(
    torch="2.13.0", driver="580.65.06", cuda="13.0", architectures=CU130, cards=[H100, A10]
)


def with_cards(*cards: Card, **changes: Any) -> Facts:
    return replace(MACHINE, cards=list(cards), **changes)


def test_without_a_card_both_models_compute_on_the_cpu_exactly() -> None:
    for device in ("auto", "cpu"):
        decided = decide(device, "auto", NOTHING)
        assert [each.device for each in decided] == ["cpu", "cpu"]
        assert {each.dtype for each in decided} == {"float32"}
        assert {each.backend for each in decided} == {"openvino"}


def test_auto_says_that_there_is_no_driver() -> None:
    for facts in (NOTHING, Facts(torch=None), Facts(torch="2.13.0+cu130")):
        reason = decide("auto", "auto", facts)[0].reason
        assert reason == "there is no card: no NVIDIA driver was found"


def test_who_is_told_cpu_never_sees_a_card() -> None:
    for each in decide("cpu", "auto", MACHINE):
        assert each.device == "cpu"
        assert each.environment == {"CUDA_VISIBLE_DEVICES": ""}
    assert decide("cuda", "auto", MACHINE)[0].environment == {}


@pytest.mark.parametrize(
    ("card", "dtype"),
    [(H100, "bfloat16"), (A10, "bfloat16"), (replace(A10, capability=(8, 0)), "bfloat16"),
     (T4, "float16"), (NEXT, "bfloat16")],
)  # fmt: skip
def test_both_models_share_a_card_in_a_format_that_it_is_fast_in(card: Card, dtype: str) -> None:
    for device in ("auto", "cuda", "cuda:0"):
        for each in decide(device, "auto", with_cards(card)):
            assert each.device == "cuda:0"
            assert each.dtype == dtype
            assert each.backend == "torch"
            assert each.models_on_card == 2
            assert card.name in each.reason
            assert "580.65" in each.reason


def test_bfloat16_that_is_emulated_is_not_even_taken_by_name() -> None:
    with pytest.raises(DeviceError, match=r"Tesla T4.*only emulates it; float16 and float32"):
        decide("cuda", "bfloat16", with_cards(T4))
    assert decide("cuda", "float32", with_cards(T4))[0].dtype == "float32"


def test_a_model_on_each_card() -> None:
    first, second = decide("cuda:0,cuda:1", "auto", MACHINE)
    assert (first.device, first.card) == ("cuda:0", H100)
    assert (second.device, second.card) == ("cuda:1", A10)
    assert first.models_on_card == second.models_on_card == 1
    first, second = decide("cuda:1, cpu", "auto", MACHINE)
    assert (first.device, second.device) == ("cuda:1", "cpu")
    with pytest.raises(DeviceError, match="3 devices for 2 models"):
        decide("cpu,cpu,cpu", "auto", MACHINE)


@pytest.mark.parametrize("written", ["CUDA:0,CPU", " cuda:0 , cpu ", "Cuda,cpu\n"])
def test_names_are_taken_however_they_are_written(written: str) -> None:
    assert [each.device for each in decide(written, "auto", MACHINE)] == ["cuda:0", "cpu"]


def test_cuda_without_a_number_is_the_first_that_works() -> None:
    for device in ("cuda", "auto"):
        assert decide(device, "auto", with_cards(P100, A10))[0].device == "cuda:1"


UNUSABLE = {
    "no PyTorch": (replace(MACHINE, torch=None, cards=()), r"not installed.*\.\[gpu\]"),
    "no driver": (NOTHING, "no NVIDIA driver.*580.65"),
    "no CUDA in PyTorch": (replace(NOTHING, driver="580.65"), "built without CUDA"),
    "an old driver": (
        with_cards(H100, driver="570.86.15"),
        r"driver 570\.86\.15 is too old: CUDA 13\.0 needs 580\.65",
    ),
    "an old driver that names no card": (
        with_cards(driver="550.54", cuda_error="found version 12040"),
        "too old",
    ),
    "an old driver for CUDA 12": (with_cards(H100, driver="515.1", cuda="12.8"), "525.60"),
    "a card that is hidden": (with_cards(), "CUDA_VISIBLE_DEVICES"),
    "a container without a card": (with_cards(cuda_error="no device"), "no device; a container"),
    "a card without bfloat16 or tensor cores": (with_cards(P100), r"P100 is too old.*6\.0"),
    "a card that this build left out": (with_cards(V100), r"V100 is not one of.*7\.0.*sm_75"),
    "a card newer than the build": (
        with_cards(NEXT, architectures=CU130[:-1]),
        "NVIDIA Next is not one of",
    ),
    "a card that cannot compute": (
        with_cards(replace(A10, fault="no kernel image is available")),
        "first kernel failed: no kernel image",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_card_that_cannot_be_used_stops_who_named_it_and_is_told_to_who_did_not(
    case: str,
) -> None:
    machine, reason = UNUSABLE[case]
    for device in ("cuda", "cuda:0"):
        with pytest.raises(DeviceError, match=f"{device}.*cannot be used: .*{reason}"):
            decide(device, "auto", machine)
    for each in decide("auto", "auto", machine):
        assert each.device == "cpu"
        if machine is not NOTHING:
            assert "there is a card, but it cannot be used" in each.reason
            assert re.search(reason, each.reason)


def test_a_number_that_no_card_has() -> None:
    with pytest.raises(DeviceError, match="no card 2, as CUDA names 2"):
        decide("cuda:2", "auto", MACHINE)


def test_a_driver_as_new_as_needed_is_enough() -> None:
    for driver in ("580.65", "580.65.06", "590.1", "1000.0"):
        assert decide("cuda", "auto", with_cards(H100, driver=driver))[0].card == H100
    assert decide("cuda", "auto", with_cards(H100, driver="550.54", cuda="12.8"))[0].card == H100


def test_a_mac() -> None:
    mac = Facts(torch="2.13.0", mps=True)
    for device in ("auto", "mps"):
        first, _ = decide(device, "auto", mac)
        assert (first.device, first.dtype, first.backend) == ("mps", "float32", "torch")
    with pytest.raises(DeviceError, match="no Mac"):
        decide("mps", "auto", MACHINE)
    with pytest.raises(DeviceError, match="not installed"):
        decide("mps", "auto", Facts())


@pytest.mark.parametrize(
    ("device", "dtype"), [("cuda", "int8"), ("cpu", "float16"), ("cpu", "float64")]
)
def test_a_format_that_a_device_has_no_use_for(device: str, dtype: str) -> None:
    with pytest.raises(DeviceError, match=f"{dtype}.*{device}"):
        decide(device, dtype, MACHINE)


@pytest.mark.parametrize("device", ["gpu9", "cuda:", "cuda:x", "", "cuda:0;cuda:1"])
def test_a_name_that_is_no_device(device: str) -> None:
    with pytest.raises(DeviceError, match="is none: say auto"):
        decide(device, "auto", MACHINE)


def test_a_cpu_without_openvino() -> None:
    torch_alone = replace(NOTHING, openvino=False)
    first, _ = decide("auto", "auto", torch_alone)
    assert (first.device, first.backend) == ("cpu", "torch")
    assert "OpenVINO is not installed" in first.reason
    with pytest.raises(DeviceError, match="needs OpenVINO"):
        decide("cpu", "int8", torch_alone)
    with pytest.raises(DeviceError, match="neither OpenVINO nor PyTorch"):
        decide("auto", "auto", Facts(openvino=False))

"""The ear of the laboratory: it must not hear what is not there."""

from __future__ import annotations

import array
import math
import wave
from pathlib import Path

import pytest

from lab.audio import complete, seconds_of_sound, seconds_of_tone, stretches_of_tone

RATE = 8000


def recording(file: Path, *voices: tuple[float, float, float], seconds: float = 3.0) -> Path:
    """`voices`: (Hz, from second, to second)."""
    samples = array.array("h", bytes(2 * int(RATE * seconds)))
    for hz, begin, end in voices:
        for at in range(int(begin * RATE), int(end * RATE)):
            samples[at] += round(6000 * math.sin(2 * math.pi * hz * at / RATE))
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    return file


def test_a_tone_is_heard_for_as_long_as_it_lasts(tmp_path: Path) -> None:
    file = recording(tmp_path / "x.wav", (1000, 0.5, 2.5))
    assert seconds_of_tone(file, 1000) == pytest.approx(2.0)
    assert seconds_of_sound(file) == pytest.approx(2.0)


def test_when_it_is_heard_to_the_packet(tmp_path: Path) -> None:
    file = recording(tmp_path / "x.wav", (1000, 0, 1), (1800, 1, 1.18), (1000, 1.2, 3))
    assert stretches_of_tone(file, 1800) == [pytest.approx((1, 1.18))]
    assert stretches_of_tone(file, 1000) == [pytest.approx((0, 1)), pytest.approx((1.2, 3))]
    assert stretches_of_tone(file, 440) == []


@pytest.mark.parametrize("other", [440, 550, 1400, 425])
def test_no_other_tone_is_heard_in_it(tmp_path: Path, other: float) -> None:
    assert seconds_of_tone(recording(tmp_path / "x.wav", (1000, 0, 3)), other) == 0


def test_each_of_three_voices_is_heard(tmp_path: Path) -> None:
    file = recording(tmp_path / "x.wav", (440, 0, 3), (1000, 0, 3), (1400, 1, 2))
    assert seconds_of_tone(file, 440) == pytest.approx(3.0)
    assert seconds_of_tone(file, 1000) == pytest.approx(3.0)
    assert seconds_of_tone(file, 1400) == pytest.approx(1.0)


def test_silence_and_an_empty_recording_are_silent(tmp_path: Path) -> None:
    assert seconds_of_sound(recording(tmp_path / "silent.wav")) == 0
    empty = recording(tmp_path / "empty.wav", seconds=0)
    assert seconds_of_sound(empty) == 0
    assert seconds_of_tone(empty, 1000) == 0


async def test_a_recording_that_is_never_closed_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = recording(tmp_path / "x.wav")
    with pytest.raises(TimeoutError, match=r"x\.wav was not closed within 0\.1 s"):
        await complete(file, timeout_s=0.1)
    (tmp_path / "x.wav.complete").touch()
    assert await complete(file, timeout_s=0.1) == file

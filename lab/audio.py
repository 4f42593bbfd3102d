"""What is in a recording: which tones, for how long."""

from __future__ import annotations

import array
import asyncio
import math
import sys
import wave
from pathlib import Path

_BLOCK_S = 0.1
_FINE_BLOCK_S = 0.02
"""One RTP packet."""
_AUDIBLE = 300.0
"""RMS of 16-bit samples below which a block is silence."""


async def complete(file: Path, timeout_s: float = 5.0) -> Path:
    """Wait until Asterisk has closed this recording, which is a moment after the end of its channel."""
    try:
        async with asyncio.timeout(timeout_s):
            closed = file.with_name(file.name + ".complete")
            # Another process makes the file; nobody tells us.
            while not closed.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise TimeoutError(f"the recording {file} was not closed within {timeout_s:g} s") from None
    return file


def _samples(file: Path) -> tuple[array.array[int], int]:
    with wave.open(str(file), "rb") as source:
        samples = array.array("h")
        samples.frombytes(source.readframes(source.getnframes()))
        if sys.byteorder == "big":
            samples.byteswap()
        return samples, source.getframerate()


def _share(block: array.array[int], hz: float, rate: int) -> float:
    """Part of the block's energy that is at this frequency, 0 to 1 (Goertzel)."""
    coefficient = 2 * math.cos(2 * math.pi * hz / rate)
    before = last = 0.0
    for sample in block:
        before, last = last, sample + coefficient * last - before
    power = last * last + before * before - coefficient * last * before
    energy = sum(sample * sample for sample in block)
    return 2 * power / (len(block) * energy) if energy else 0.0


def seconds_of_tone(file: Path, hz: float, *, share: float = 0.15) -> float:
    """For how long this tone can be heard in a mono 16-bit WAV file, alone or mixed with others."""
    samples, rate = _samples(file)
    size = int(rate * _BLOCK_S)
    heard = 0
    for start in range(0, len(samples) - size + 1, size):
        block = samples[start : start + size]
        loud = math.sqrt(sum(sample * sample for sample in block) / size) >= _AUDIBLE
        heard += loud and _share(block, hz, rate) >= share
    return heard * _BLOCK_S


def stretches_of_tone(file: Path, hz: float, *, share: float = 0.3) -> list[tuple[float, float]]:
    """When this tone is heard, as (from, to) in seconds of the recording, to the packet."""
    samples, rate = _samples(file)
    size = int(rate * _FINE_BLOCK_S)
    found: list[tuple[float, float]] = []
    for number in range(len(samples) // size):
        block = samples[number * size : (number + 1) * size]
        loud = math.sqrt(sum(sample * sample for sample in block) / size) >= _AUDIBLE
        if loud and _share(block, hz, rate) >= share:
            begins, ends = number * _FINE_BLOCK_S, (number + 1) * _FINE_BLOCK_S
            # A number of packets times a length is not exact: a tone that goes on is found by half a packet.
            if found and begins - found[-1][1] < _FINE_BLOCK_S / 2:
                found[-1] = (found[-1][0], ends)
            else:
                found.append((begins, ends))
    return found


def seconds_of_sound(file: Path) -> float:
    """For how long anything at all can be heard."""
    samples, rate = _samples(file)
    size = int(rate * _BLOCK_S)
    blocks = (samples[start : start + size] for start in range(0, len(samples) - size + 1, size))
    return sum(math.sqrt(sum(s * s for s in block) / size) >= _AUDIBLE for block in blocks) * _BLOCK_S

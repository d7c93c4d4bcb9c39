"""The frames: the scene, the streamer's face in the corner, flashes and shakes at the moments."""

import math
from collections.abc import Iterator

import numpy as np
from PIL import Image

from samples.making import scenes
from samples.making.figures import HEIGHT, INK, SCALE, SKIN, WHITE, WIDTH, Pen
from samples.making.scenes import Now
from samples.making.script import CALM, LOUD, SAD, Mood
from samples.making.sound import speech
from samples.making.voice import RATE_HZ, Programme

FRAMES_PER_S = 20
SHAKE_S = 1.3
FLASH_S = 0.3


def _mouth(programme: Programme) -> list[float]:
    """How far the mouth is open in each frame, 0-1."""
    step = RATE_HZ // FRAMES_PER_S
    voice = speech(programme)
    frames = voice[: len(voice) // step * step].reshape(-1, step)
    return [min(float(level) / 0.12, 1.0) for level in np.sqrt(np.mean(frames**2, axis=1))]


def _shift(now: Now) -> tuple[float, float]:
    ages = [now.since(event) for event in now.programme.events]
    power = max((1 - age / SHAKE_S for age in ages if 0 <= age < SHAKE_S), default=0.0)
    return 9 * power * math.sin(now.time_s * 61), 7 * power * math.cos(now.time_s * 47)


def _mood(now: Now) -> Mood:
    """The mood of the latest line, from the moment's event on that of the next one."""
    mood = CALM
    for said in now.programme.spoken:
        if said.start_s <= now.time_s:
            mood = said.line.mood
        elif any(0 <= now.since(event) < 2.5 for event in now.programme.events):
            return LOUD
        else:
            break
    return mood


def _face(pen: Pen, mouth: float, mood: Mood, time_s: float) -> None:
    """The streamer's camera in the lower right corner."""
    pen.box(508, 252, 124, 100, INK)
    pen.box(511, 255, 118, 94, (108, 96, 140))
    bounce = 3 * math.sin(time_s * 12) if mood is LOUD else math.sin(time_s * 1.7)
    y = 306 + bounce + (8 if mood is SAD else 0)
    pen.box(540, y + 30, 60, 349 - y - 30, (60, 120, 110))
    pen.circle(570, y, 34, SKIN, 1.05)
    pen.shape([(536, y - 19), (604, y - 19), (596, y - 38), (570, y - 44), (544, y - 38)], (92, 60, 44))
    lift = {LOUD: -5.0, SAD: 3.0}.get(mood, 0.0)
    for side in (-1, 1):
        slope = 4 if mood is SAD else 0
        pen.line([(570 + side * 20, y - 10 + lift + slope), (570 + side * 8, y - 10 + lift - slope)], INK, 2.5)
        blink = time_s % 3.7 < 0.12
        pen.circle(570 + side * 13, y - 1, 4.5 if mood is LOUD else 3.5, INK, 0.2 if blink else 1.0)
    opened = max(mouth, 0.5 if mood is LOUD else 0.0)
    pen.circle(570, y + 16, 7 + 4 * opened, (130, 40, 50), 0.15 + 0.75 * opened)


def _over(pen: Pen, scene: str, now: Now) -> None:
    pen.box(0, 0, WIDTH, 24, INK)
    pen.text(10, 12, "DUCK RIVER", 13, WHITE)
    pen.text(WIDTH - 10, 12, "synthetic demo", 11, (190, 186, 200), "rm")
    pen.text(WIDTH / 2, 12, scene, 12, (250, 208, 70), "mm")
    if scene == "tower":
        life = 0.0 if now.since("explosion") > 0 else 0.12
        pen.box(190, 34, 260, 12, (70, 30, 40))
        pen.box(190, 34, 260 * life, 12, (230, 70, 70))


def _flash(image: Image.Image, now: Now) -> Image.Image:
    age_s = now.since("explosion")
    if not 0 <= age_s < FLASH_S:
        return image
    return Image.blend(image, Image.new("RGB", image.size, (255, 250, 235)), 0.85 * (1 - age_s / FLASH_S))


def _scene_starts(programme: Programme) -> list[tuple[float, str]]:
    starts = [(0.0, programme.spoken[0].scene)]
    for said in programme.spoken:
        if said.scene != starts[-1][1]:
            starts.append((said.start_s - 0.2, said.scene))
    return starts


def frames(programme: Programme) -> Iterator[bytes]:
    """Every frame as `WIDTH` x `HEIGHT` RGB bytes."""
    starts = _scene_starts(programme)
    for number, mouth in enumerate(_mouth(programme)):
        time_s = number / FRAMES_PER_S
        begin_s, scene = max(start for start in starts if start[0] <= time_s)
        now = Now(time_s, time_s - begin_s, programme)
        image, pen = scenes.draw(scene, now, _shift(now))
        _over(pen, scene, now)
        _face(pen, mouth, _mood(now), time_s)
        yield _flash(image, now).resize((WIDTH, HEIGHT), Image.Resampling.BOX, reducing_gap=SCALE).tobytes()

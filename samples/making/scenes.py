"""The places of the game, each drawn for one instant."""

import math
from collections.abc import Callable
from typing import NamedTuple

from PIL import Image

from samples.making import figures
from samples.making.figures import HEIGHT, WHITE, WIDTH, Color, Pen
from samples.making.voice import Programme

WALK_S = 4.2  # the hero's way to the goat, and over the last bridge
CONFETTI: tuple[Color, ...] = ((250, 208, 70), (240, 96, 96), (96, 190, 240), (140, 220, 120))


class Now(NamedTuple):
    """An instant.  scene_s: seconds since the scene began."""

    time_s: float
    scene_s: float
    programme: Programme

    def since(self, event: str) -> float:
        """Seconds since `event`; negative before it."""
        return self.time_s - self.programme.events[event]


class Backdrop(NamedTuple):
    top: Color
    bottom: Color
    draw: Callable[[Pen, Now], None]


def _river(pen: Pen, now: Now) -> None:
    pen.circle(520, 70, 30, (255, 236, 170))
    figures.hills(pen, 230, 90, now.time_s * 4, (120, 168, 120))
    figures.hills(pen, 250, 40, now.time_s * 9 + 90, (88, 142, 98))
    figures.water(pen, 244, now.time_s, (86, 150, 190), (150, 200, 224))
    sway = math.sin(now.time_s * 1.3)
    figures.boat(pen, 280 + 20 * math.sin(now.time_s * 0.25), 278 + 3 * sway, 0.03 * sway)
    figures.duck(pen, 400 + 12 * math.sin(now.time_s * 0.6), 296 + 2 * math.sin(now.time_s * 2))


def _meadow(pen: Pen, now: Now) -> None:
    figures.hills(pen, 250, 110, 300, (150, 190, 110))
    figures.water(pen, 272, now.time_s, (86, 150, 190), (150, 200, 224))
    pen.box(-40, 216, WIDTH + 80, 12, figures.WOOD)
    for x in range(20, WIDTH, 100):
        pen.box(x, 228, 8, 60, (94, 62, 40))
    age_s = now.since("splash")
    lunge = max(0.0, 1 - abs(age_s) / 0.5)
    figures.goat(pen, 420 - 46 * lunge, 216, 1.0 if -0.8 < age_s < 0.4 else 0.0)
    figures.duck(pen, 60 + 6 * math.sin(now.time_s), 205, 0.8)
    if age_s < 0:
        walked = max(0.0, min(1.0, 1 + age_s / WALK_S))
        figures.hero(pen, 120 + 220 * walked, 216, math.sin(now.time_s * 9) if walked else 0.0)
    elif age_s < 0.9:
        figures.hero(pen, 340 - 150 * age_s, 216 - 190 * age_s + 290 * age_s**2, 1.0, -9 * age_s)
    else:
        figures.hero(pen, 205, 312 + 4 * math.sin(now.time_s * 3))
        figures.drops(pen, 205, 290, age_s - 0.9, WHITE)


def _fork(pen: Pen, now: Now) -> None:
    figures.hills(pen, 210, 60, 40, (96, 150, 104))
    figures.water(pen, 200, now.time_s, (86, 150, 190), (150, 200, 224))
    pen.shape([(230, 200), (410, 200), (330, 300)], (110, 160, 96))
    for x, size in ((270, 1.1), (330, 1.5), (370, 0.9)):
        figures.tree(pen, x, 222, size, (52, 104, 76))
    figures.boat(pen, 320 + 6 * math.sin(now.time_s), 330, 0.03 * math.sin(now.time_s * 1.3))
    _poll(pen, now)


def _poll(pen: Pen, now: Now) -> None:
    begin_s, end_s = now.programme.cues["vote"], now.programme.cues["poll_end"] + 4
    if not begin_s < now.time_s < end_s:
        return
    share = min(1.0, max(0.0, (now.time_s - begin_s - 3) / 12))
    for y, name, votes in ((60, "NORTH", 46), (92, "SOUTH", 28)):
        pen.box(40, y - 11, 220, 22, (60, 66, 84))
        pen.box(40, y - 11, 4 + 4 * votes * share, 22, (110, 140, 230))
        pen.text(48, y, f"{name}  {round(votes * share)}", 13, WHITE)


def _tower(pen: Pen, now: Now) -> None:
    figures.hills(pen, 300, 60, 200, (52, 46, 66))
    for x, height in ((60, 190), (560, 150)):
        pen.box(x, 290 - height, 54, height, (64, 58, 80))
    pen.box(-40, 286, WIDTH + 80, 120, (44, 40, 56))
    age_s = now.since("explosion")
    arms = 0.5 + 0.5 * math.sin(now.time_s * (1.2 if age_s < -4 else 5))
    figures.giant(pen, 410, 290, arms, min(1.0, max(0.0, age_s / 1.6)) ** 2)
    leap = math.sin(math.pi * min(1.0, max(0.0, (age_s + 0.5) / 1.0)))
    figures.hero(pen, 180 + 130 * min(1.0, max(0.0, age_s + 0.5)), 290 - 120 * leap, 1.0 if leap else 0.0, -leap)
    figures.duck(pen, 90, 282, 0.8)
    if 0 <= age_s < 1.4:
        for number, color in enumerate(((255, 160, 60), (255, 220, 120), (255, 250, 230))):
            pen.circle(410, 200, max(2.0, (150 - 45 * number) * math.sin(math.pi * (age_s / 1.4))), color)
    for number in range(60 if age_s > 0.4 else 0):
        y = (number * 67 % 300) - 320 + (age_s - 0.4) * (120 + number % 5 * 14)
        pen.box(number * 149 % WIDTH + 10 * math.sin(age_s * 3 + number), y, 6, 8, CONFETTI[number % 4])


def _camp(pen: Pen, now: Now) -> None:
    figures.hills(pen, 260, 90, 500, (74, 84, 110))
    _castle(pen, 520, 190, 0.5)
    pen.box(-40, 270, WIDTH + 80, 130, (66, 92, 74))
    for x, size in ((60, 1.6), (120, 1.2), (590, 1.4)):
        figures.tree(pen, x, 280, size, (40, 76, 64))
    flicker = 4 * math.sin(now.time_s * 7) + 3 * math.sin(now.time_s * 11)
    pen.circle(300, 292, 16 + flicker / 3, (250, 150, 60), 1.2)
    pen.circle(300, 296, 9 + flicker / 4, (255, 226, 130), 1.2)
    figures.hero(pen, 230, 306)
    figures.duck(pen, 370, 300 + 2 * math.sin(now.time_s * 2))


def _market(pen: Pen, now: Now) -> None:
    pen.box(-40, 280, WIDTH + 80, 120, (96, 84, 78))
    for x, color in ((40, (150, 96, 80)), (220, (104, 110, 140)), (400, (136, 120, 84))):
        pen.box(x, 140, 150, 140, color)
        pen.shape([(x - 14, 140), (x + 164, 140), (x + 75, 84)], (92, 58, 54))
        lit = math.sin(now.time_s * 0.7 + x) > -0.4
        pen.box(x + 20, 176, 34, 40, (255, 214, 120) if lit else (60, 56, 66))
        pen.box(x + 94, 200, 36, 80, (70, 48, 40))
    figures.hero(pen, 120 + (now.scene_s * 14) % 400, 300, math.sin(now.time_s * 6))
    figures.duck(pen, 80 + (now.scene_s * 14) % 400, 298, 0.8)
    age_s = now.time_s - now.programme.cues["raid"] + 2
    if 0 < age_s < 7:
        slide = min(1.0, age_s / 0.4) * min(1.0, (7 - age_s) / 0.4)
        pen.box(170, -60 + 90 * slide, 300, 46, (120, 70, 200))
        pen.text(320, -37 + 90 * slide, "RAID!  52 new viewers", 18, WHITE, "mm")


def _night(pen: Pen, now: Now) -> None:
    figures.hills(pen, 250, 120, 700, (34, 38, 60))
    figures.water(pen, 290, now.time_s, (28, 44, 74), (52, 74, 108))
    age_s = now.since("collapse")
    pen.box(-60, 200, 140, 200, (44, 42, 56))
    pen.box(468, 200, 240, 200, (44, 42, 56))
    for number in range(13):
        x = 90 + number * 29
        fall_s = max(0.0, age_s - 0.05 * abs(number - 6))
        turn = fall_s * (2 if number % 2 else -2)
        if 206 + 230 * fall_s**2 < HEIGHT:
            center = (x + 13, 206 + 230 * fall_s**2)
            pen.shape(figures.turned([(-13, -5), (13, -5), (13, 5), (-13, 5)], center, turn), figures.WOOD)
    walked = max(0.0, min(1.0, 1 + (age_s - 0.2) / WALK_S))
    figures.hero(
        pen, 90 + 320 * min(walked, 0.9) + max(0.0, min(age_s, 0.9)) * 150, 200, math.sin(now.time_s * 9) * (age_s < 1)
    )
    fall_s = max(0.0, age_s - 0.2)
    figures.duck(pen, 40 + 290 * walked, min(192 + 150 * fall_s**2, 420), 0.9, 5 * fall_s)
    if age_s > 1.2:
        figures.drops(pen, 330, 300, age_s - 1.2, (150, 180, 210))
    for number in range(40 if age_s > 0 else 0):
        y = (number * 71 + now.time_s * 320) % HEIGHT
        pen.line([(number * 97 % WIDTH, y), (number * 97 % WIDTH - 3, y + 12)], (84, 100, 132), 1)


def _castle(pen: Pen, x: float, y: float, size: float) -> None:
    for dx, height in ((-60, 90), (-20, 130), (20, 110), (60, 80)):
        pen.box(x + (dx - 18) * size, y - height * size, 36 * size, (height + 60) * size, (58, 58, 84))
        pen.box(x + (dx - 5) * size, y - (height - 24) * size, 10 * size, 14 * size, (255, 214, 120))


def _end(pen: Pen, now: Now) -> None:
    for number in range(30):
        if math.sin(now.time_s * 1.5 + number) > -0.6:
            pen.circle(
                number * (number * 37 + 89) % WIDTH, 30 + number * (number * 23 + 47) % 150, 1.5, (220, 224, 240)
            )
    figures.hills(pen, 280, 80, 120, (40, 44, 68))
    _castle(pen, 440, 220, 1.0)
    figures.water(pen, 290, now.time_s, (30, 48, 82), (60, 84, 120))
    figures.boat(pen, 180 + 2 * now.scene_s, 312 + 2 * math.sin(now.time_s), 0.02 * math.sin(now.time_s * 1.3))
    if now.time_s > now.programme.cues["goodbye"]:
        pen.text(200, 130, "SEE YOU NEXT TIME", 26, WHITE, "mm")


SCENES = {
    "river": Backdrop((150, 200, 232), (226, 236, 226), _river),
    "meadow": Backdrop((140, 206, 240), (238, 240, 206), _meadow),
    "fork": Backdrop((176, 200, 208), (222, 228, 214), _fork),
    "tower": Backdrop((52, 30, 58), (150, 64, 56), _tower),
    "camp": Backdrop((70, 84, 130), (232, 160, 120), _camp),
    "market": Backdrop((72, 74, 112), (206, 150, 130), _market),
    "night": Backdrop((14, 18, 40), (46, 56, 88), _night),
    "castle": Backdrop((16, 20, 48), (70, 78, 120), _end),
}


def draw(scene: str, now: Now, shift: tuple[float, float]) -> tuple[Image.Image, Pen]:
    """The scene at this instant, and a pen that does not shake to draw over it."""
    place = SCENES[scene]
    image = figures.sky(place.top, place.bottom).copy()
    place.draw(Pen(image, shift), now)
    return image, Pen(image)

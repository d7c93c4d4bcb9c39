"""Shapes and figures, drawn in units of the final 640x360 picture."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 640, 360
SCALE = 2  # drawn twice as large and shrunk: smooth edges
Point = tuple[float, float]
Color = tuple[int, int, int]

INK: Color = (38, 34, 48)
WHITE: Color = (245, 243, 236)
WOOD: Color = (134, 92, 58)
DUCK: Color = (250, 208, 70)
BEAK: Color = (240, 130, 50)
SKIN: Color = (236, 190, 154)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * SCALE)


@cache
def sky(top: Color, bottom: Color) -> Image.Image:
    """A vertical gradient over the whole picture."""
    mix = np.linspace(0, 1, HEIGHT * SCALE)[:, None, None]
    rows = np.array(top) * (1 - mix) + np.array(bottom) * mix
    return Image.fromarray(np.broadcast_to(rows, (HEIGHT * SCALE, WIDTH * SCALE, 3)).astype(np.uint8))


class Pen:
    """Draws on `image`; `shift` moves everything (a shaking camera)."""

    def __init__(self, image: Image.Image, shift: Point = (0.0, 0.0)) -> None:
        self._draw = ImageDraw.Draw(image)
        self._shift = shift

    def _at(self, points: Sequence[Point]) -> list[Point]:
        dx, dy = self._shift
        return [((x + dx) * SCALE, (y + dy) * SCALE) for x, y in points]

    def shape(self, points: Sequence[Point], fill: Color) -> None:
        self._draw.polygon(self._at(points), fill=fill)

    def circle(self, x: float, y: float, radius: float, fill: Color, squash: float = 1.0) -> None:
        corners = [(x - radius, y - radius * squash), (x + radius, y + radius * squash)]
        self._draw.ellipse(self._at(corners), fill=fill)

    def box(self, x: float, y: float, width: float, height: float, fill: Color) -> None:
        self.shape([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], fill)

    def line(self, points: Sequence[Point], fill: Color, width: float = 2) -> None:
        self._draw.line(self._at(points), fill=fill, width=round(width * SCALE), joint="curve")

    def text(self, x: float, y: float, text: str, size: int, fill: Color, anchor: str = "lm") -> None:
        self._draw.text(self._at([(x, y)])[0], text, fill=fill, font=_font(size), anchor=anchor)


def turned(points: Sequence[Point], center: Point, angle: float, size: float = 1.0) -> list[Point]:
    """`points` around (0, 0) enlarged, turned by `angle` radians and moved to `center`."""
    cos, sin = math.cos(angle) * size, math.sin(angle) * size
    return [(center[0] + x * cos - y * sin, center[1] + x * sin + y * cos) for x, y in points]


def hills(pen: Pen, base_y: float, height: float, offset: float, fill: Color) -> None:
    xs = range(-40, WIDTH + 41, 20)
    line = [(x, base_y - height * (0.6 + 0.4 * math.sin((x + offset) / 83) * math.cos((x + offset) / 211))) for x in xs]
    pen.shape([*line, (WIDTH + 40, HEIGHT + 40), (-40, HEIGHT + 40)], fill)


def water(pen: Pen, top_y: float, time_s: float, fill: Color, light: Color) -> None:
    pen.shape([(-40, top_y), (WIDTH + 40, top_y), (WIDTH + 40, HEIGHT + 40), (-40, HEIGHT + 40)], fill)
    for row in range(4):
        y = top_y + 16 + row * 22
        drift = (time_s * (9 + 4 * row) + row * 57) % 160
        for x in range(-160, WIDTH, 160):
            pen.line([(x + drift, y), (x + drift + 34 + 8 * row, y)], light, 1.5)


def tree(pen: Pen, x: float, y: float, size: float, fill: Color) -> None:
    pen.box(x - 3 * size, y - 14 * size, 6 * size, 14 * size, WOOD)
    pen.shape([(x - 20 * size, y - 12 * size), (x + 20 * size, y - 12 * size), (x, y - 62 * size)], fill)


def duck(pen: Pen, x: float, y: float, size: float = 1.0, angle: float = 0.0) -> None:
    body, head, beak = turned([(0, 0), (9, -11), (17, -10)], (x, y), angle, size)
    pen.circle(*body, 12 * size, DUCK, 0.75)
    pen.circle(*head, 7 * size, DUCK)
    pen.circle(*beak, 4 * size, BEAK, 0.6)
    pen.circle(*turned([(11, -13)], (x, y), angle, size)[0], 1.4 * size, INK)


def boat(pen: Pen, x: float, y: float, tilt: float) -> None:
    pen.shape(turned([(-62, -14), (62, -14), (42, 14), (-42, 14)], (x, y), tilt), WOOD)
    pen.shape(turned([(-62, -14), (62, -14), (60, -8), (-60, -8)], (x, y), tilt), (94, 62, 40))
    pen.line(turned([(-4, -14), (-4, -92)], (x, y), tilt), (94, 62, 40), 4)
    pen.shape(turned([(0, -90), (0, -28), (46, -34)], (x, y), tilt), WHITE)


def hero(pen: Pen, x: float, y: float, stride: float = 0.0, angle: float = 0.0) -> None:
    """A small traveller; (x, y) are the feet, `stride` -1 to 1 the legs."""
    place = (x, y)
    pen.line(turned([(0, -16), (7 * stride, 0)], place, angle), INK, 5)
    pen.line(turned([(0, -16), (-7 * stride, 0)], place, angle), INK, 5)
    pen.shape(turned([(-9, -14), (9, -14), (7, -40), (-7, -40)], place, angle), (70, 110, 180))
    pen.line(turned([(-8, -36), (-14, -22 - 6 * stride)], place, angle), (70, 110, 180), 5)
    pen.line(turned([(8, -36), (14, -22 + 6 * stride)], place, angle), (70, 110, 180), 5)
    pen.circle(*turned([(0, -48)], place, angle)[0], 9, SKIN)
    pen.shape(turned([(-13, -52), (13, -52), (6, -64), (-6, -64)], place, angle), (170, 60, 60))


def goat(pen: Pen, x: float, y: float, lowered: float = 0.0) -> None:
    """A goat looking left; (x, y) are its feet, `lowered` 0-1 the head before a push."""
    for leg in (-16, -8, 14, 22):
        pen.line([(x + leg, y - 16), (x + leg, y)], (200, 196, 186), 4)
    pen.circle(x + 4, y - 24, 24, WHITE, 0.55)
    head_x, head_y = x - 24 - 6 * lowered, y - 42 + 18 * lowered
    pen.circle(head_x, head_y, 10, WHITE)
    pen.line([(head_x + 4, head_y - 8), (head_x + 14, head_y - 20)], (120, 110, 100), 4)
    pen.circle(head_x - 4, head_y - 2, 1.8, INK)
    pen.shape([(head_x - 8, head_y + 7), (head_x - 2, head_y + 9), (head_x - 7, head_y + 19)], (210, 206, 196))


def giant(pen: Pen, x: float, y: float, arms: float, fallen: float) -> None:
    """A stone giant; `arms` 0-1 raised, `fallen` 0-1 sunk into the ground."""
    stone, dark = (112, 104, 124), (84, 76, 98)
    y += 170 * fallen
    tilt = 0.5 * fallen
    pen.shape(turned([(-46, 0), (46, 0), (60, -120), (-60, -120)], (x, y), tilt), stone)
    for side in (-1, 1):
        hand = (side * (86 - 14 * arms), -40 - 120 * arms)
        pen.line(turned([(side * 52, -110), hand], (x, y), tilt), dark, 24)
        pen.circle(*turned([hand], (x, y), tilt)[0], 17, dark)
    pen.circle(*turned([(0, -142)], (x, y), tilt)[0], 34, stone)
    for side in (-1, 1):
        pen.circle(*turned([(side * 13, -146)], (x, y), tilt)[0], 6, (255, 96, 60))


def drops(pen: Pen, x: float, y: float, age_s: float, fill: Color, count: int = 14, speed: float = 150) -> None:
    """Water or sparks thrown up at (x, y) `age_s` ago."""
    for number in range(count):
        angle = math.pi * (0.15 + 0.7 * number / (count - 1))
        power = speed * (0.6 + 0.4 * math.sin(number * 2.4) ** 2)
        at_x = x + math.cos(angle) * power * age_s
        at_y = y - math.sin(angle) * power * age_s + 160 * age_s**2
        if at_y < y + 12:
            pen.circle(at_x, at_y, 4, fill)

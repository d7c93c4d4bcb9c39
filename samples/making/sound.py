"""Music and effects, all computed, and the mix."""

from collections.abc import Callable

import numpy as np

from samples.making.voice import RATE_HZ, Programme, Sound

SEED = 11
UNDER_SPEECH = 0.3  # what is left of effects while somebody speaks
NOTE_HZ = {
    "A2": 110.0, "C3": 130.8, "D3": 146.8, "E3": 164.8, "F3": 174.6, "G3": 196.0, "A3": 220.0, "B3": 246.9,
    "C4": 261.6, "D4": 293.7, "E4": 329.6, "F4": 349.2, "G4": 392.0, "A4": 440.0, "C5": 523.3, "E5": 659.3,
}  # fmt: skip
CALM_CHORDS = ("C3 E3 G3 C4", "A2 E3 A3 C4", "F3 A3 C4 F4", "G3 B3 D4 G4")
DARK_CHORDS = ("A2 E3 A3 C4", "D3 A3 D4 F4", "A2 E3 A3 C4", "E3 G3 B3 E4")
CHORD_S = 4.0


def _time(seconds: float) -> Sound:
    return np.arange(round(seconds * RATE_HZ)) / RATE_HZ


def _band(sound: Sound, low_hz: float, high_hz: float) -> Sound:
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    spectrum *= 1 / (1 + (hz / high_hz) ** 6) * (1 - 1 / (1 + (hz / low_hz) ** 6))
    filtered: Sound = np.fft.irfft(spectrum, len(sound))
    return filtered


def _noise(random: np.random.Generator, seconds: float, low_hz: float, high_hz: float) -> Sound:
    sound = _band(random.standard_normal(round(seconds * RATE_HZ)), low_hz, high_hz)
    return sound / float(np.sqrt(np.mean(sound**2)))


def _bell(hz: float, seconds: float) -> Sound:
    t = _time(seconds)
    partials = ((1.0, 1.0), (2.01, 0.5), (3.9, 0.2))
    sound = np.zeros(len(t))
    for multiple, gain in partials:
        sound += gain * np.sin(2 * np.pi * hz * multiple * t) * np.exp(-t * 3 * multiple)
    return sound


def _tune(notes: str, step_s: float, ring_s: float) -> Sound:
    names = notes.split()
    sound = np.zeros(round((step_s * len(names) + ring_s) * RATE_HZ))
    for index, name in enumerate(names):
        _add(sound, _bell(NOTE_HZ[name], ring_s), index * step_s)
    return sound


def _add(into: Sound, sound: Sound, at_s: float, gain: float = 1.0) -> None:
    begin = max(round(at_s * RATE_HZ), 0)
    fits = sound[: max(len(into) - begin, 0)]
    into[begin : begin + len(fits)] += gain * fits


def chime(_random: np.random.Generator) -> Sound:
    return 0.22 * _tune("C4 E4 G4 C5", 0.16, 1.4)


def fanfare(_random: np.random.Generator) -> Sound:
    return 0.24 * _tune("G4 C5 E5 C5 E5", 0.17, 1.2)


def lament(_random: np.random.Generator) -> Sound:
    return 0.18 * _tune("E4 D4 C4 A3 F3 E3", 0.62, 2.2)


def _thud(random: np.random.Generator) -> Sound:
    t = _time(0.7)
    return np.sin(2 * np.pi * (45 + 60 * np.exp(-t * 14)) * t) * np.exp(-t * 7) + 0.5 * _noise(
        random, 0.7, 80, 900
    ) * np.exp(-t * 22)


def splash(random: np.random.Generator) -> Sound:
    """The goat's push: a thud and the water."""
    sound = np.zeros(round(1.8 * RATE_HZ))
    _add(sound, _thud(random), 0, 0.75)
    water_s = 1.5
    _add(sound, _noise(random, water_s, 500, 7000) * np.exp(-_time(water_s) * 4.5), 0.22, 0.3)
    return sound


def _laugh(random: np.random.Generator, seconds: float) -> Sound:
    """One person laughing: voiced bursts, falling in pitch."""
    pitch_hz, speed_hz = random.uniform(130, 290), random.uniform(4.3, 5.6)
    t = _time(seconds)
    hz = pitch_hz * (1.25 - 0.35 * t / seconds + 0.06 * np.sin(2 * np.pi * speed_hz * t))
    phase = np.cumsum(hz) / RATE_HZ + random.uniform()
    voiced = _band(2 * (phase % 1) - 1, 600, 1700) + 0.12 * _noise(random, seconds, 900, 4000)
    bursts = np.clip(np.sin(2 * np.pi * (speed_hz * t + random.uniform())), 0, 1) ** 0.7
    laugh: Sound = voiced * bursts * np.sin(np.pi * (t / seconds) ** 0.6)
    return laugh


def laughter(random: np.random.Generator) -> Sound:
    sound = np.zeros(round(6 * RATE_HZ))
    for _ in range(9):
        _add(sound, _laugh(random, random.uniform(2.5, 4.5)), random.uniform(0, 1.4), random.uniform(0.1, 0.2))
    return sound


def explosion(random: np.random.Generator) -> Sound:
    seconds = 3.0
    t = _time(seconds)
    boom = _noise(random, seconds, 25, 260) * np.exp(-t * 1.9) + 1.1 * np.sin(2 * np.pi * 46 * t) * np.exp(-t * 2.4)
    sound: Sound = 0.34 * (boom + 0.8 * _noise(random, seconds, 300, 5000) * np.exp(-t * 6))
    return sound


def cheer(random: np.random.Generator) -> Sound:
    seconds = 7.0
    t = _time(seconds)
    swell = np.minimum(t / 0.5, 1) * np.exp(-np.maximum(t - 2.2, 0) * 0.75)
    sound: Sound = 0.1 * _noise(random, seconds, 500, 3200) * swell
    for _ in range(7):
        length_s, at_s = random.uniform(0.7, 1.3), random.uniform(0.1, 2.2)
        whoop_t = _time(length_s)
        phase = np.cumsum(random.uniform(380, 640) * (1 + 0.7 * np.sin(np.pi * whoop_t / length_s))) / RATE_HZ
        _add(sound, np.sin(2 * np.pi * phase) * np.sin(np.pi * whoop_t / length_s), at_s, 0.035)
    return sound


def collapse(random: np.random.Generator) -> Sound:
    """Beams that break, stones that roll, and the water below."""
    sound = np.zeros(round(3.4 * RATE_HZ))
    for at_s in (0, 0.13, 0.31, 0.42, 0.66, 0.95):
        _add(sound, _thud(random), at_s, random.uniform(0.35, 0.6))
        _add(sound, _noise(random, 0.12, 900, 5000) * np.exp(-_time(0.12) * 40), at_s, 0.3)
    _add(sound, _noise(random, 2.2, 40, 400) * np.exp(-_time(2.2) * 1.6), 0, 0.2)
    _add(sound, _noise(random, 1.6, 400, 6000) * np.exp(-_time(1.6) * 4), 1.1, 0.25)
    return sound


def _music(programme: Programme) -> Sound:
    """Quiet chords; a drum and darker chords at the tower and on the night bridge."""
    music = np.zeros(round(programme.length_s * RATE_HZ))
    dark = [(s.start_s, s.end_s) for s in programme.spoken if s.scene in ("tower", "night")]
    for number, at_s in enumerate(np.arange(0, programme.length_s, CHORD_S)):
        is_dark = any(start <= at_s + CHORD_S and at_s <= end for start, end in dark)
        chord = (DARK_CHORDS if is_dark else CALM_CHORDS)[number % 4]
        t = _time(CHORD_S + 1)
        shape = np.minimum(np.minimum(t / 0.8, 1), np.maximum(CHORD_S + 1 - t, 0))
        for name in chord.split():
            tone = np.sin(2 * np.pi * NOTE_HZ[name] * t) + 0.25 * np.sin(4 * np.pi * NOTE_HZ[name] * t)
            _add(music, tone * shape, float(at_s), 0.0055)
        for beat in np.arange(0, CHORD_S, 0.5) if is_dark else ():
            drum_t = _time(0.25)
            _add(music, np.sin(2 * np.pi * 62 * drum_t) * np.exp(-drum_t * 18), float(at_s + beat), 0.035)
    return music


def _effects(programme: Programme) -> Sound:
    random = np.random.default_rng(SEED)
    cues, events = programme.cues, programme.events
    plan: tuple[tuple[Callable[[np.random.Generator], Sound], float], ...] = (
        (chime, 0.3),
        (splash, events["splash"]),
        (laughter, events["splash"] + 0.5),
        (chime, cues["poll"] - 0.8),
        (explosion, events["explosion"]),
        (cheer, events["explosion"] + 0.5),
        (fanfare, cues["raid"] - 2.0),
        (collapse, events["collapse"]),
        (lament, programme.ends["duck_end"] + 0.3),
    )
    effects = np.zeros(round(programme.length_s * RATE_HZ))
    for make, at_s in plan:
        _add(effects, make(random), at_s)
    return effects


def speech(programme: Programme) -> Sound:
    """The voice alone, at its places."""
    track = np.zeros(round(programme.length_s * RATE_HZ))
    for said in programme.spoken:
        _add(track, said.sound, said.start_s)
    return track


def _ducking(programme: Programme) -> Sound:
    """1 where nobody speaks, `UNDER_SPEECH` where somebody does, with ramps of 0.15 s."""
    duck = np.ones(round(programme.length_s * RATE_HZ))
    for said in programme.spoken:
        duck[round((said.start_s - 0.1) * RATE_HZ) : round(said.end_s * RATE_HZ)] = UNDER_SPEECH
    width = round(0.15 * RATE_HZ)
    total = np.cumsum(np.concatenate([np.ones(width // 2), duck, np.ones(width - width // 2)]))
    smooth: Sound = (total[width:] - total[:-width]) / width
    return smooth


def mix(programme: Programme) -> Sound:
    """Voice, effects and music together, softly limited below full scale."""
    together = speech(programme) + _effects(programme) * _ducking(programme) + _music(programme)
    limited: Sound = 0.95 * np.tanh(together / 0.95)
    return limited

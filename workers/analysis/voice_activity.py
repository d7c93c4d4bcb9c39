"""Where somebody speaks, how high, and how the voice pulses: apart from game sound and music.

Silero's voice activity model (MIT) comes in faster-whisper's wheel. It is run here on batches of frames with its state
carried on: 4 CPU seconds an hour of sound, a thirtieth of what it takes frame by frame.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import onnxruntime
import structlog
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

from workers.analysis.stats import Floats
from workers.media.decode import Samples

RATE_HZ = 16_000
FRAMES_S = 20  # of VoiceFrames.probability and .pitch
PULSES_S = 50  # of VoiceFrames.pulse
VOICE_PROBABILITY = 0.5
_MODEL = "assets/silero_vad_v6.onnx"
_NAMES = (["input", "h", "c"], ["speech_probs", "hn", "cn"])
_HOP, _CONTEXT, _STATE = 512, 64, (1, 1, 128)  # samples; the model's own
_FRAME, _PULSE = RATE_HZ // FRAMES_S, RATE_HZ // PULSES_S
_WHOLE = 12_800  # samples that are whole hops, frames and pulses
_PITCH_HZ = (75.0, 600.0)
_PITCH_RATE_HZ = RATE_HZ // 2
_PITCH_FFT = 1024
_PERIODIC = 0.5  # of the autocorrelation at no delay
_OCTAVE = 0.9  # the shortest period nearly as good as the best is the pitch: its multiples are as good

# ONNX Runtime's errors have no class in common but Exception.
_NOT_A_MODEL = (onnx_errors.Fail, onnx_errors.InvalidProtobuf, onnx_errors.InvalidGraph, onnx_errors.RuntimeException,
                onnx_errors.NotImplemented, onnx_errors.InvalidArgument)  # fmt: skip

_log = structlog.get_logger(__name__)


class VoiceModel:
    """The model's session; safe to use from several threads."""

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # the decoding threads call it side by side
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        names = [one.name for one in self._session.get_inputs()], [one.name for one in self._session.get_outputs()]
        if names != _NAMES:
            raise ValueError(f"not the voice model that is known: {names}")

    def run(self, frames: Samples, state: tuple[Samples, Samples]) -> tuple[Samples, tuple[Samples, Samples]]:
        """Probabilities of a voice, shape (frames,), and the state after them. frames: (count, context + hop)."""
        found, hidden, cell = self._session.run(None, {"input": frames, "h": state[0], "c": state[1]})
        return np.asarray(found, dtype=np.float32).reshape(-1), (hidden, cell)


def voice_model(package: str = "faster_whisper") -> VoiceModel | None:
    """None, with the reason in the log, where the model does not lie in `package` or is not the one that is known."""
    # Not imported: the package brings a speech recogniser with it.
    found = find_spec(package)
    folder = next(iter(found.submodule_search_locations or ()), "") if found else ""
    try:
        return VoiceModel(Path(folder, _MODEL).read_bytes())
    except (OSError, ValueError, *_NOT_A_MODEL) as error:
        _log.warning("voice_model_missing", reason=str(error))
        return None


class VoiceFrames(NamedTuple):
    """probability: of a voice, shape (seconds * FRAMES_S,), NaN where there is no sound.  pitch: Hz, the same shape,
    NaN where there is no voice or it has none.  pulse: shape (seconds * PULSES_S,), log10 energy, highs emphasised.
    """

    probability: Floats
    pitch: Floats
    pulse: Floats


class VoiceActivity:
    """Takes the sound in blocks. Blocks come from two threads, which never write the same frame."""

    def __init__(self, model: VoiceModel, *, seconds: int, rate: int) -> None:
        self._model, self._rate = model, rate
        self._probability = np.full(seconds * FRAMES_S, np.nan, dtype=np.float32)
        self._pitch = np.full(seconds * FRAMES_S, np.nan, dtype=np.float32)
        self._pulse = np.full(seconds * PULSES_S, -9.0, dtype=np.float32)
        self._runs: dict[int, _Run] = {}  # by the place at which the next block would go on

    def take(self, place: int, samples: Samples) -> None:
        """A block that begins `place` samples into the recording."""
        run = self._runs.pop(place, None) or _Run(place, self._rate)
        now = run.add(samples)
        self._measure(run, now, len(now))
        self._runs[place + len(samples)] = run

    def frames(self) -> VoiceFrames:
        for run in self._runs.values():
            self._measure(run, *run.rest())
        self._runs.clear()
        return VoiceFrames(*(np.asarray(a, dtype=np.float64) for a in (self._probability, self._pitch, self._pulse)))

    def _measure(self, run: "_Run", samples: Samples, real: int) -> None:
        """real: how many of `samples` are sound; what follows fills them up, and may lie in another run's frames."""
        first = run.taken // _FRAME
        count = min(round(real / _FRAME), len(self._probability) - first)
        if count <= 0:
            return
        found = run.voices(self._model, samples)
        # Hops of 32 ms on frames of 50 ms: each frame has the mean of the one or two that begin in it.
        at = np.arange(len(found)) * _HOP // _FRAME
        probability = np.bincount(at, found) / np.bincount(at)
        rows = samples.reshape(-1, _FRAME)
        pitch = np.full(len(rows), np.nan, dtype=np.float32)
        voiced = probability > VOICE_PROBABILITY
        pitch[voiced] = _pitch(rows[voiced])
        into = slice(first, first + count)
        self._probability[into], self._pitch[into] = probability[:count], pitch[:count]
        energy = (np.diff(samples, prepend=samples[:1]).reshape(-1, _PULSE) ** 2).mean(axis=1)
        pulses = count * PULSES_S // FRAMES_S
        begin = run.taken // _PULSE
        self._pulse[begin : begin + pulses] = np.log10(np.maximum(energy[:pulses], 1e-9))
        run.taken += len(samples)


class _Run:
    """Sound without a gap at RATE_HZ, and what the model knows after it. taken: samples measured, from the start."""

    def __init__(self, place: int, rate: int) -> None:
        self._rate = rate
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ) if rate != RATE_HZ else None
        at = round(place * RATE_HZ / rate)
        self._skip = -at % _FRAME
        self.taken = at + self._skip
        self._held = np.zeros(0, dtype=np.float32)
        self._before = np.zeros(_CONTEXT, dtype=np.float32)
        self._state = (np.zeros(_STATE, dtype=np.float32), np.zeros(_STATE, dtype=np.float32))

    def add(self, samples: Samples) -> Samples:
        """What can be measured now: a whole number of _WHOLE."""
        self._held = np.concatenate((self._held, self._resampled(samples)))
        dropped = min(self._skip, len(self._held))
        self._held, self._skip = self._held[dropped:], self._skip - dropped
        whole = len(self._held) - len(self._held) % _WHOLE
        now, self._held = self._held[:whole], self._held[whole:]
        return now

    def rest(self) -> tuple[Samples, int]:
        """What is left, filled up with silence, and how much of it is sound."""
        left = self._held[self._skip :]
        return np.pad(left, (0, -len(left) % _WHOLE)), len(left)

    def voices(self, model: VoiceModel, samples: Samples) -> Samples:
        hops = samples.reshape(-1, _HOP)
        context = np.vstack((self._before[None, :], hops[:-1, -_CONTEXT:]))
        self._before = hops[-1, -_CONTEXT:].copy()
        found, self._state = model.run(np.hstack((context, hops)), self._state)
        return found

    def _resampled(self, samples: Samples) -> Samples:
        if self._resampler is None:
            return samples
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None, :], format="flt", layout="mono")
        frame.rate = self._rate
        parts = [part.to_ndarray()[0] for part in self._resampler.resample(frame)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def _pitch(rows: Samples) -> NDArray[np.float32]:
    """Hz of each row of RATE_HZ samples by autocorrelation, NaN where it has no period; shape (rows,)."""
    halved = rows.reshape(len(rows), _FRAME // 2, 2).mean(axis=2)
    window = np.hanning(halved.shape[1]).astype(np.float32)
    shape = _autocorrelation(window[None, :])[0]
    found = _autocorrelation((halved - halved.mean(axis=1, keepdims=True)) * window)
    shortest, longest = (int(_PITCH_RATE_HZ / hz) for hz in reversed(_PITCH_HZ))
    # The window lets long periods look weaker than they are: its own autocorrelation says by how much.
    strength = found[:, shortest : longest + 1] / shape[shortest : longest + 1]
    strength /= np.maximum(found[:, :1], 1e-12) / shape[0]
    best = strength.max(axis=1, initial=0.0)
    period = shortest + (strength >= _OCTAVE * best[:, None]).argmax(axis=1)
    return np.where(best >= _PERIODIC, _PITCH_RATE_HZ / period, np.nan).astype(np.float32)


def _autocorrelation(rows: Samples) -> Samples:
    spectrum = np.fft.rfft(rows, _PITCH_FFT)
    return np.fft.irfft(spectrum.real**2 + spectrum.imag**2, _PITCH_FFT).astype(np.float32)

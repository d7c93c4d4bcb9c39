"""The ffmpeg filters between a recording and a clip: its time, its shape and its colours."""

from fractions import Fraction
from typing import NamedTuple

from workers.media.cut_point import CutPoint

SHORTER_SIDE = 1080  # at most
LONGER_SIDE = 4096  # at most; what H.264 decoders of televisions and phones take
VERTICAL = (720, 1280)
EARLY_S = 0.001  # clocks are rounded by no more
WRONG_IN_A_ROW = 25  # frames with wrong timestamps at most
# In square pixels; a hair is added before rounding down to even sizes, since 1440 * 4/3 is 1919.99...
_WIDE = "iw*sar"
_FIT = f"min(1,min({SHORTER_SIDE}/min({_WIDE},ih),{LONGER_SIDE}/max({_WIDE},ih)))"
_PLAIN = f"scale=w='max(2,2*floor({_WIDE}*{_FIT}/2+0.01))':h='max(2,2*floor(ih*{_FIT}/2+0.01))',setsar=1"
_SQUARE_PIXELS = f"scale=w='max(2,2*floor({_WIDE}/2+0.01))':h='max(2,2*floor(ih/2+0.01))',setsar=1"
_MIDDLE = (
    f"crop=w='min(iw,ih*{VERTICAL[0]}/{VERTICAL[1]})':h='min(ih,iw*{VERTICAL[1]}/{VERTICAL[0]})',"
    f"scale={VERTICAL[0]}:{VERTICAL[1]},setsar=1"
)
# BT.2408: 203 cd/m2 is what HDR shows as white in SDR material.
_TO_SDR = (
    "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,"
    "zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
)


class Shape(NamedTuple):
    """What pictures of different files are brought to: pixels, and pictures a second."""

    width: int
    height: int
    rate: Fraction


def picture_filter(cut: CutPoint, *, vertical: bool, shape: Shape | None = None) -> str:
    """The picture from the clip's first instant on: square pixels, SDR.

    The first picture is put at time 0, also when it began before the clip or comes late.  A steady picture has all of
    its `cut.pictures`, missing ones repeated.  shape: the whole picture in a frame of that size.
    """
    scaled = _framed(shape) if shape else f"{_SQUARE_PIXELS},{_MIDDLE}" if vertical else _PLAIN
    colours = (_TO_SDR,) if cut.hdr else ()
    return ",".join((*_moment(cut), scaled, *colours))


def _framed(shape: Shape) -> str:
    width, height = (max(2, min(side, LONGER_SIDE) // 2 * 2) for side in (shape.width, shape.height))
    fitted = f"scale={width}:{height}:force_original_aspect_ratio=decrease:force_divisible_by=2"
    return f"{_SQUARE_PIXELS},{fitted},pad={width}:{height}:-1:-1,setsar=1"


def _moment(cut: CutPoint) -> tuple[str, ...]:
    begin_s = cut.first_s - EARLY_S
    shift = f"setpts='if(eq(N,0),0,PTS-({cut.start_s:.6f})/TB)'"
    if cut.rate is None or cut.pictures is None:
        return f"select={_before(cut.end_s)}", f"trim=start={begin_s:.6f}:end={cut.end_s:.6f}", shift
    after_s = float(cut.end_s + 2 / cut.rate)
    steady = f"fps=fps={_ratio(cut.rate)}:start_time=0:round=near"
    # The last one stands still where the recording's picture ends before the clip does.
    still = ("tpad=stop=-1:stop_mode=clone", f"trim=end_frame={cut.pictures}")
    return f"select={_before(after_s)}", f"trim=start={begin_s:.6f}:end={after_s:.6f}", shift, steady, *still


def sound_filter(cut: CutPoint) -> str:
    """The sound from the clip's first instant to its last; gaps are silent."""
    length_s = cut.end_s - cut.start_s
    return (
        f"aselect={_before(cut.end_s)},atrim=start={cut.start_s:.6f}:end={cut.end_s:.6f},"
        f"asetpts='PTS-({cut.start_s:.6f})/TB',"
        f"aresample=async=1:first_pts=0,apad=whole_dur={length_s:.6f},atrim=end={length_s:.6f}"
    )


def _before(end_s: float) -> str:
    """An expression for frames before `end_s`: `trim` stops at the first one behind, which may be a wrong timestamp."""
    return f"'if(lt(t,{end_s:.6f}),1+st(0,0),gt(st(0,ld(0)+1),{WRONG_IN_A_ROW}))'"


def encoder_clock(rate: Fraction | None) -> str:
    """The unit of the clip's timestamps: a picture of a steady rate, else MPEG's 90 kHz."""
    return "1:90000" if rate is None else f"{rate.denominator}:{rate.numerator}"


def _ratio(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}"

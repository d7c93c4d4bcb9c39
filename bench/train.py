"""Fit the chat weights on labelled bursts and write workers/analysis/weights.toml.

python -m bench.train --bursts ../shared/data/labelled_bursts_teo.json.gz
"""

import argparse
from pathlib import Path

from bench.bursts import RIDGE, fit, read_bursts
from bench.quality import held_out, judge, macro
from workers.analysis import scoring

_HEAD = """\
# Written by `python -m bench.train`: what chat_log_odds in scoring.py multiplies the shares of a chat window with.
# Logistic regression on {bursts} labelled bursts of {streams} streams of one streamer ({positive} of them highlights),
# ridge {ridge} on standardised features. Streams held out in turn: P@10 {p10:.3f}, AP {ap:.3f};
# with channel emotes masked: P@10 {masked_p10:.3f}, AP {masked_ap:.3f};
# bursts in random order: P@10 {chance_p10:.3f}, AP {chance_ap:.3f}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bursts", type=Path, required=True)
    parser.add_argument("--into", type=Path, default=Path(scoring.__file__).with_name("weights.toml"))
    given = parser.parse_args()
    bursts, digests = read_bursts(given.bursts, mask_channel_emotes=False)
    masked, _ = read_bursts(given.bursts, mask_channel_emotes=True)
    plain_figures, masked_figures = (macro(judge(read, held_out(read))) for read in (bursts, masked))
    text = _HEAD.format(
        bursts=len(bursts.labels),
        streams=len(bursts.names()),
        positive=int(bursts.labels.sum()),
        ridge=" ".join(f"{value:g}" for value in RIDGE),
        p10=plain_figures["P@10"],
        ap=plain_figures["AP"],
        masked_p10=masked_figures["P@10"],
        masked_ap=masked_figures["AP"],
        chance_p10=plain_figures["chance P@10"],
        chance_ap=plain_figures["chance AP"],
    )
    weights = fit(bursts.features, bursts.labels)
    text += "".join(f"{name} = {value:.3f}\n" for name, value in weights._asdict().items())
    text += "# Digests of the streams it was fitted on: bench.quality holds these out.\n"
    text += "trained_on = [" + ", ".join(f'"{digest}"' for digest in digests.values()) + "]\n"
    given.into.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

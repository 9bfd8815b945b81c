"""What stands on the screen, read as a person reads it, and what of it does not agree."""

from __future__ import annotations

import re

#: What the explorer says of where it stands: of the scrubber, and of the cards below it.
SAYS = """() => {
  const roots = [document];  // components stand in shadow roots
  for (const root of roots) for (const node of root.querySelectorAll('*')) if (node.shadowRoot) roots.push(node.shadowRoot);
  const scrubber = roots.flatMap(root => [...root.querySelectorAll('.scrubber[data-ready]')]);
  const text = node => node?.innerText ?? '';
  const inMain = node => Boolean(node && (node.closest('[data-testid=stMain]') || inMain(node.getRootNode().host)));
  const chosen = '[role=radio][aria-checked=true], input[type=radio]:checked, [role=slider], input[type=range]';
  const said = node => node.type === 'range' ? node.value : node.getAttribute('aria-valuetext') || text(node.closest('label') ?? node);
  const state = document.querySelector('[data-testid=stApp]').dataset.testScriptState;
  const undrawn = roots.some(root => [...root.querySelectorAll(':is(.scrubber, .compare, .stage):not([data-ready])')].some(inMain));
  const stale = [...document.querySelectorAll('[data-stale=true], [data-testid=stSkeleton]')];
  return {
    quiet: state === 'notRunning' && !stale.length && !undrawn,
    waits: [state, undrawn ? 'undrawn' : '', ...stale.map(node => `${node.dataset.testid} ${text(node)}`.slice(0, 80))],
    scrubbers: scrubber.length, complete: scrubber[0]?.dataset.complete === 'true',
    reading: text(scrubber[0]?.querySelector('.reading')),
    chance: text(scrubber[0]?.querySelector('[data-key=chance]')),
    sentence: text(scrubber[0]?.querySelector('.sentence')),
    photo: scrubber[0]?.querySelector('[data-panel=photo]')?.getAttribute('aria-label'),
    place: roots.flatMap(root => [...root.querySelectorAll(chosen)])
      .filter(node => inMain(node) && !node.closest('.opacity') && node.checkVisibility())
      // A sign that is held beside its number is so a moment later.
      .map(node => `${node.getAttribute('aria-label') ?? ''} ${said(node)}`.replace(/\\s+/g, ' ').trim()),
    cards: [...document.querySelectorAll('[data-testid=stMetric]')].map(card => card.innerText),
    errors: [...document.querySelectorAll('[data-testid=stException], [data-testid=stAlertContentError]')].map(text),
    body: document.body.innerText.match(/Traceback|[A-Z][A-Za-z]*Error:|this browser cannot/gi),
  };
}"""  # noqa: E501


def disagreement(now: dict[str, object]) -> str:
    """What the explorer's headline and its cards do not agree on, or what is missing; empty when all is well.

    Args:
        now: what `SAYS` found.
    """
    cards = re.split(r"\n+", "\n".join(now["cards"]))  # type: ignore[arg-type]
    if now["scrubbers"] != 1 or not now["complete"] or not now["cards"]:
        return f"not all there: {now}"
    left = re.search(r"([\d,]+) of ([\d,]+) neurons left", str(now["reading"]))
    if left is not None and not {left[1], f"of {left[2]}"} <= set(cards):
        return f"headline {now['reading']!r}, cards {now['cards']}"
    chance = re.fullmatch(r"Probability of (.+?) ([<>]?[\d.]+)", str(now["chance"]))
    label = next((line for line in cards if line.startswith("Probability of ")), "")
    if chance is not None:
        told = cards[cards.index(label) + 1] if label else ""
        same = label.removesuffix(" (mode zero)") == f"Probability of {chance[1]}"
        if not same or told != chance[2]:
            return f"headline {now['chance']!r}, cards {now['cards']}"
    return ""

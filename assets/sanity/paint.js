// Sanity check: every step is a map of its own, coded on its own scale.

const chanceAt = (header, at) => (header.valued ? valued : chance)(header.chance[at]);

const PAINTER = {
  prepare(state) {
    for (const card of state.header.cards) {
      card.codes = card.values && state.arrays.get(card.blocks[0].id);
      card.table = card.lut && packedAll(card.lut);
    }
    state.photo = packedAll(state.arrays.get(state.header.photo.id));
  },
  paint(state, card) {
    const out = card.pixels, start = state.at * out.length;
    if (!card.codes || isToCome(state, card)) { out.set(state.photo); return; }
    for (let i = 0; i < out.length; i++) out[i] = card.table[card.codes[start + i]];
  },
  sentence({header, at}) {
    const now = header.chance[at] === null ? '' : ` ${header.valued ? 'Value' : 'Probability'} of ${header.target}: ${chanceAt(header, at)}`;
    if (at === 0) return `The network as it was trained.${now && `${now}.`}`;
    if (header.names[at] === '…') return 'The steps are being computed.';
    const all = header.points.length - 1;
    return `${at} of ${all} ${all === 1 ? 'step' : 'steps'} randomised, down to ${header.names[at]}.${now && `${now}, at first ${chanceAt(header, 0)}.`}`;
  },
  answer(header, card, k) { return {text: card.notes[k], broken: false}; },
  total(state, card) {
    const mean = card.means[state.measure.key], known = card.known[state.measure.key], all = state.header.points.length - 1;
    if (mean === null) return card.computing ? 'mean being computed' : 'mean undefined';
    return `mean of ${known < all ? `${known} of ${all}` : 'all'} steps ${rounded(mean, 2)}`;
  },
};

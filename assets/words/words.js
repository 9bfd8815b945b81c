// The words of the glossary that stand on the screen, in one list that needs no pointer.

const LISTS = new WeakSet();

export default function ({parentElement: root}) {
  if (LISTS.has(root)) return;
  LISTS.add(root);
  explainWords(document);
  const draw = () => {
    const here = globalThis.pruneattrWords ??= new Map(), seen = new Set();
    for (const [place, entries] of here) if (place.isConnected) entries.forEach(entry => seen.add(entry.word)); else here.delete(place);
    const entries = entriesNow().filter(entry => seen.has(entry.word)), box = root.querySelector('.words');
    box.hidden = !entries.length;
    root.querySelector('summary').textContent = `Words on this page (${entries.length})`;
    defineWords(box, entries);
  };
  const gone = new AbortController();
  addEventListener('pruneattr-words', () => root.isConnected ? draw() : gone.abort(), {signal: gone.signal});
  draw();
}

// The key of a class stays in its teacher's tab: who reloads the page, by mistake say, leads on.

const NAME = 'pruneattr-class';

export default function ({data: {code, key}, setStateValue}) {
  if (key) { sessionStorage.setItem(NAME, JSON.stringify([code, key])); return; }
  const [known, held] = JSON.parse(sessionStorage.getItem(NAME) ?? '[]');
  if (known === code) setStateValue('key', held);
}

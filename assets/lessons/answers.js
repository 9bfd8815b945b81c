// The answers of a lesson stay in the browser's tab: a reload begins another session, which is told of them.

const NAME = 'pruneattr-answers';

export default function ({data: {given}, setStateValue}) {
  const kept = JSON.parse(sessionStorage.getItem(NAME) ?? '{}'), all = {...kept, ...given};
  sessionStorage.setItem(NAME, JSON.stringify(all));
  if (Object.keys(all).length > Object.keys(given).length) setStateValue('held', all);
}

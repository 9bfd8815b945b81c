// The answers of a lesson stay in the browser's tab: a reload begins another session, which is told of them.

const NAME = 'pruneattr-answers';

export default function ({data: {given: pairs, place}, setStateValue}) {
  const given = Object.fromEntries(pairs);
  const kept = JSON.parse(sessionStorage.getItem(NAME) ?? '{}'), all = {...kept, ...given};
  sessionStorage.setItem(NAME, JSON.stringify(all));
  if (Object.keys(all).length > Object.keys(given).length) setStateValue('held', all);
  // Kept as it is pressed: a reload may come before the server's word.
  const press = ({target}) => {
    const [, choice] = target.closest('[class*=st-key-choice_]')?.className.match(/st-key-choice_(\d+)/) ?? [];
    if (choice) sessionStorage.setItem(NAME, JSON.stringify({...all, [place]: +choice}));
  };
  document.addEventListener('click', press);
  return () => document.removeEventListener('click', press);
}

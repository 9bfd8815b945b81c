// What a class knows somebody by stays in the browser's tab: who reloads the page, by mistake say, is who was there.

export default function ({data: {name, code, value}, setStateValue}) {
  const [known, held] = JSON.parse(sessionStorage.getItem(name) ?? '[]');
  if (known !== code) { if (value) sessionStorage.setItem(name, JSON.stringify([code, value])); }
  else if (held !== value) setStateValue('held', held);
}

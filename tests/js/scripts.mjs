// The functions of plain scripts, which have no exports of their own: they become one module in the browser.

import {readFileSync} from 'node:fs';
import {runInThisContext} from 'node:vm';

const ASSETS = new URL('../../assets/', import.meta.url);

// Scripts below assets, one after the other as a component joins them -> what they call by these names.
export function from(scripts, names) {
  const code = scripts.map(name => readFileSync(new URL(`${name}.js`, ASSETS), 'utf-8')).join('\n').replace('export default function', 'const mounted = function');
  return runInThisContext(`(() => { ${code}\nreturn {${names.join(', ')}}; })()`);
}

// The live explorer of a German file: its texts, which are English everywhere, as they come.

const NUMBER = /^[^\p{L}]*\d[^\p{L}]*(?:e[-+−]?\d+)?$/u;
const MEANINGS = new Map();  // of the glossary's words, English -> German
const SEEN = [
  [/^All neurons kept, the answer is $/, 'Alle Neuronen sind da, die Antwort ist '],
  [/^([\d.,>]+\s?%) of the contributing neurons removed, the answer still $/, '$1 der beitragenden Neuronen sind entfernt, die Antwort ist noch '],
  [/^([\d.,>]+\s?%) of the contributing neurons removed, the answer is now $/, '$1 der beitragenden Neuronen sind entfernt, die Antwort ist jetzt '],
  [/^([\d.,>]+\s?%) of all neurons removed, the answer still $/, '$1 aller Neuronen sind entfernt, die Antwort ist noch '],
  [/^([\d.,>]+\s?%) of all neurons removed, the answer is now $/, '$1 aller Neuronen sind entfernt, die Antwort ist jetzt '],
  [/^([\d.,>]+\s?%) of the contributing neurons frozen, the answer untouched; removed, it would still be $/, '$1 der beitragenden Neuronen sind eingefroren, die Antwort bleibt; entfernt wäre sie noch '],
  [/^([\d.,>]+\s?%) of the contributing neurons frozen, the answer untouched; removed, it would become $/, '$1 der beitragenden Neuronen sind eingefroren, die Antwort bleibt; entfernt wäre sie jetzt '],
  [/^([\d.,>]+\s?%) of all neurons frozen, the answer untouched; removed, it would still be $/, '$1 aller Neuronen sind eingefroren, die Antwort bleibt; entfernt wäre sie noch '],
  [/^([\d.,>]+\s?%) of all neurons frozen, the answer untouched; removed, it would become $/, '$1 aller Neuronen sind eingefroren, die Antwort bleibt; entfernt wäre sie jetzt '],
  [/^All neurons kept, $/, 'Alle Neuronen sind da, '], [/^ is (\S+)\.$/, ' ist $1.'],
  [/^([\d.,>]+\s?%) of the contributing neurons removed, $/, '$1 der beitragenden Neuronen sind entfernt, '], [/^([\d.,>]+\s?%) of all neurons removed, $/, '$1 aller Neuronen sind entfernt, '],
  [/^([\d.,>]+\s?%) of the contributing neurons frozen, the answer untouched; removed, $/, '$1 der beitragenden Neuronen sind eingefroren, die Antwort bleibt; entfernt: '],
  [/^([\d.,>]+\s?%) of all neurons frozen, the answer untouched; removed, $/, '$1 aller Neuronen sind eingefroren, die Antwort bleibt; entfernt: '],
  [/^ is (\S+) instead of (\S+)\.$/, ' ist $1 statt $2.'], [/^ would be (\S+) instead of (\S+)\.$/, ' wäre $1 statt $2.'], [/^Value of (.+) (\S*\d\S*)$/, 'Wert von $1: $2'], [/^Value of (.+)$/, 'Wert von $1'],
  [/^ at (\S+)\.$/, ' mit $1.'],
  [/^The map is zero: no neuron that is left connects the picture to this answer\.$/, 'Die Karte ist null: Kein Neuron, das noch da ist, verbindet das Bild mit dieser Antwort.'],
  [/^Still the plain gradient: what went so far moves no map\. Drag on to the right\.$/, 'Noch der einfache Gradient: Was bisher ging, bewegt keine Karte. Weiter nach rechts ziehen.'],
  [/^Only silent neurons went, yet some were at work: the map has moved\. Drag on to the right\.$/, 'Nur stumme Neuronen sind weg, doch einige taten etwas: Die Karte ist eine andere. Weiter nach rechts ziehen.'],
  [/^Drag right: the map gathers on what decided\.$/, 'Nach rechts ziehen: Die Karte sammelt sich auf dem, was entschied.'],
  [/^▶ Play local to global$/, '▶ Von lokal zu global'],
  [/^Contributing$/, 'Beitragende'], [/^All neurons$/, 'Alle Neuronen'], [/^Output change$/, 'Änderung der Antwort'],
  [/^Share of the neurons that contribute to this class; ([\d.,>]+\s?%) is a good start$/, 'Anteil der Neuronen, die zu dieser Klasse beitragen; $1 sind ein guter Anfang'],
  [/^Share of all neurons, as the papers count: silent neurons go first$/, 'Anteil aller Neuronen, wie die Artikel zählen: Stumme gehen zuerst'],
  [/^Remove neurons until the answer has changed by so much$/, 'Neuronen entfernen, bis sich die Antwort um so viel geändert hat'],
  [/^What the words mean$/, 'Was die Wörter bedeuten'],
  [/^interpolated$/, 'dazwischen gemischt'], [/^more levels are coming …$/, 'weitere Stufen kommen …'],
  [/^([\d.,>]+\s?%) of all removed · (\S+) of (\S+) neurons left$/, '$1 von allen entfernt · noch $2 von $3 Neuronen'],
  [/^Change above ([\d.,>]+\s?%) → ([\d.,>]+\s?%) of the contributing removed$/, 'Änderung über $1 → $2 der beitragenden entfernt'],
  [/^Output change ([\d.,>]+\s?%)$/, 'Änderung der Antwort $1'], [/^Output change infinite$/, 'Änderung der Antwort unendlich'], [/^Probability of (.+) ([<>]?[\d.]+)$/, 'Wahrscheinlichkeit von $1: $2'],
  [/^Probability of (.+)$/, 'Wahrscheinlichkeit von $1'], [/^Another answer$/, 'Andere Antwort'], [/^now (.+)$/, 'jetzt $1'], [/^answer breaks$/, 'Antwort kippt'],
  [/^Picture$/, 'Bild'], [/^Map$/, 'Karte'], [/^Overlay( ?)$/, 'Überlagerung$1'], [/^Overlay opacity$/, 'Deckkraft der Überlagerung'],
  [/^logit per unit of normalised input$/, 'Logit je Einheit der normierten Eingabe'],
  [/^mean of several logits per unit of normalised input$/, 'Mittel mehrerer Logits je Einheit der normierten Eingabe'],
  [/^difference of two logits per unit of normalised input$/, 'Unterschied zweier Logits je Einheit der normierten Eingabe'],
  [/^one scale for all levels$/, 'eine Skala für alle Stufen'], [/^each level has its own scale$/, 'jede Stufe hat ihre eigene Skala'],
  [/^Full screen$/, 'Vollbild'], [/^Fill the screen, Escape to leave$/, 'Füllt den Bildschirm, Escape führt zurück'],
  [/^Zoom out$/, 'Kleiner'], [/^Zoom in$/, 'Größer'], [/^Reset zoom$/, 'Ganzes Bild'], [/^Colour scale$/, 'Farbskala'],
  [/^Threshold explorer$/, 'Schwellen-Erkunder'], [/^The slider sets$/, 'Der Regler stellt'], [/^Presets$/, 'Feste Stellen'], [/^Sparsity$/, 'Anteil entfernter Neuronen'],
  [/^Allowed output change$/, 'Erlaubte Änderung der Antwort'], [/^Maps at fixed levels$/, 'Karten an festen Stufen'],
  [/^silent only$/, 'nur stumme'], [/^zero map$/, 'Karte null'], [/^([\d.,>]+\s?%) mean change$/, 'im Mittel $1 Änderung'], [/^([\d.,>]+\s?%) here$/, '$1 hier'],
  [/^Every neuron kept: the plain gradient\.$/, 'Jedes Neuron ist da: der einfache Gradient.'],
  [/^Only the ([\d.,>]+\s?%) of neurons that contribute nothing to first order are removed: still the plain gradient\.$/, 'Nur die $1 Neuronen, die in erster Ordnung nichts beitragen, sind entfernt: noch der einfache Gradient.'],
  [/^Only the ([\d.,>]+\s?%) of neurons that contribute nothing to first order are removed: the map moves, for some are at work here\.$/, 'Nur die $1 Neuronen, die in erster Ordnung nichts beitragen, sind entfernt: Die Karte bewegt sich, denn einige tun hier etwas.'],
  [/^([\d.,>]+\s?%) of all removed: over many pictures the score changes by ([\d.,>]+\s?%) on average here; this picture's by ([\d.,>]+\s?%)\.$/, '$1 von allen entfernt: Im Mittel vieler Bilder ändert sich der Wert der Klasse hier um $2, bei diesem Bild um $3.'],
  [/^Where the output change of this picture first exceeds ([\d.,>]+\s?%); no calibration is stored\.$/, 'Wo sich die Antwort auf dieses Bild zuerst um mehr als $1 ändert; es ist keine Eichung gespeichert.'],
  [/^([\d.,>]+\s?%) of the contributing neurons removed\.$/, '$1 der beitragenden Neuronen entfernt.'],
  [/^([\d.,>]+\s?%) of all neurons removed\.$/, '$1 aller Neuronen entfernt.'],
  [/^([\d.,>]+\s?%) of all neurons removed, the papers' choice for ResNet-50\.$/, '$1 aller Neuronen entfernt, die Wahl der Artikel für ResNet-50.'],
  [/^: plus and minus zoom, arrows move, 0 resets; Ctrl and wheel zooms too$/, ': Plus und Minus vergrößern, Pfeile schieben, 0 stellt zurück; auch Strg und Rad'],
  [/^([\d.,>]+\s?%) removed, answer (.+), zero map$/, '$1 entfernt, Antwort $2, Karte null'], [/^([\d.,>]+\s?%) removed, zero map$/, '$1 entfernt, Karte null'],
  [/^([\d.,>]+\s?%) removed, answer (.+)$/, '$1 entfernt, Antwort $2'], [/^([\d.,>]+\s?%) removed$/, '$1 entfernt'],
  [/^(\S+) at (\d+), (\d+)$/, '$1 bei $2; $3'], [/^beyond (\S+) at (\d+), (\d+)$/, 'über $1 hinaus bei $2; $3'],
  [/^The map is zero everywhere\.$/, 'Die Karte ist überall null.'], [/^The map is negative or zero everywhere\.$/, 'Die Karte ist überall negativ oder null.'],
  [/^This browser cannot unpack the maps; please update it\.$/, 'Dieser Browser kann die Karten nicht auspacken; bitte erneuern.'],
];
const NOTES = [
  [/Shaded: ([\d.,>]+\s?%) of the (\S+) neurons contribute nothing to this answer, to first order\. They go all at once, and no map changes inside the shade\./, 'Schattiert: $1 der $2 Neuronen tragen in erster Ordnung nichts zu dieser Antwort bei. Sie gehen alle zugleich, und im Schatten ändert sich keine Karte.'],
  [/Shaded: ([\d.,>]+\s?%) of the (\S+) neurons contribute nothing to this answer, to first order\. They go all at once; some are at work, so the map moves\./, 'Schattiert: $1 der $2 Neuronen tragen in erster Ordnung nichts zu dieser Antwort bei. Sie gehen alle zugleich; einige tun etwas, also bewegt sich die Karte.'],
  [/Shaded: ([\d.,>]+\s?%) of the (\S+) neurons contribute nothing to this answer, to first order\. They go all at once\./, 'Schattiert: $1 der $2 Neuronen tragen in erster Ordnung nichts zu dieser Antwort bei. Sie gehen alle zugleich.'],
  [/Freezing keeps the answer by construction; the curve is that of removing them \(mode zero\)\./, 'Einfrieren lässt die Antwort, wie sie ist; die Kurve ist die des Entfernens (Null).'],
  [/Freezing keeps the answer by construction\./, 'Einfrieren lässt die Antwort, wie sie ist.'],
];

const PLACES = {
  centre: 'in der Mitte', top: 'oben', bottom: 'unten', 'centre-left': 'links', 'centre-right': 'rechts', 'top-left': 'oben links',
  'top-right': 'oben rechts', 'bottom-left': 'unten links', 'bottom-right': 'unten rechts',
};

// 1,234.5 -> 1.234,5
const germanNumber = text => NUMBER.test(text) ? text.replace(/[.,](?=\d)/g, sign => sign === '.' ? ',' : '.') : text;
const filled = (german, found) => german.replace(/\$(\d)/g, (_, place) => germanNumber(found[place]));

// An English text of the explorer in German; another text stays.
function germanOf(text) {
  if (MEANINGS.has(text)) return MEANINGS.get(text);
  for (const [english, german] of SEEN) {
    const found = text.match(english);
    if (found) return filled(german, found);
  }
  const sentence = text.match(/^(.* (?:the answer is|the answer still|the answer is now|it would become|it would still be) )(.+)( at [<>]?[\d.]+\.)(?: (.*))?$/)
    ?? text.match(/^(.*? (?:kept|removed), )(.+)( (?:is|would be) [\d.e+\u2212-]*\d(?: instead of [\d.e+\u2212-]*\d)?\.)(?: (.*))?$/);
  const curve = text.match(/^Output change and target (probability|value) against sparsity\. (.*)$/), map = text.match(/^(\S+) at ([\d.,>]+\s?%) removed\. (.*)$/);
  const group = text.match(/^(Picture|Map|Overlay)(: .*)$/), mass = text.match(/^([\d.,<>]+\s?%) of the positive mass in the (\S+) quarter(?:; ([\d.,<>]+\s?%) of all mass is negative)?\.$/);
  if (mass) return `${germanNumber(mass[1])} der positiven Masse im Viertel ${PLACES[mass[2]]}${mass[3] ? `; ${germanNumber(mass[3])} aller Masse sind negativ` : ''}.`;
  if (curve) return `Änderung und ${curve[1] === 'value' ? 'Wert' : 'Wahrscheinlichkeit'} gegen den Anteil entfernter Neuronen. ${germanOf(curve[2])}`;
  if (group) return germanOf(group[1]) + germanOf(group[2]);
  if (map) return `${germanOf(map[1])}, ${germanNumber(map[2])} entfernt. ${germanOf(map[3])}`;
  if (sentence) return germanOf(sentence[1]) + sentence[2] + germanOf(sentence[3]) + (sentence[4] ? ` ${germanOf(sentence[4])}` : '');
  if (NUMBER.test(text)) return germanNumber(text);
  return NOTES.reduce((known, [english, german]) => { const found = known.match(english); return found ? known.replace(found[0], filled(german, found)) : known; }, text);
}

const ATTRIBUTES = ['title', 'aria-label', 'aria-valuetext', 'placeholder', 'alt'];
// Node -> what stands there in German, by attribute: a German number read as English would turn for ever.
const WRITTEN = new WeakMap();

function write(node, place, text, put) {
  if (!WRITTEN.has(node)) WRITTEN.set(node, new Map());
  const written = WRITTEN.get(node);
  if (!text || written.get(place) === text) return;
  const german = germanOf(text);
  written.set(place, german);
  if (german !== text) put(german);
}

function translate(node) {
  if (node.nodeType === 3) return write(node, '', node.data, german => { node.data = german; });
  for (const name of ATTRIBUTES) write(node, name, node.getAttribute?.(name), german => node.setAttribute(name, german));
  for (const child of node.childNodes) if (child.nodeName !== 'STYLE') translate(child);
}

// The words that explain themselves, in German.
function explainInGerman({exact, glossary}) {
  for (const [english, german] of Object.entries(exact)) MEANINGS.set(english, german);
  globalThis.pruneattrGlossary = glossary;
}

// Before anything is painted: observers run between a script and the next frame.
function speakGerman(root) {
  translate(root);
  new MutationObserver(changes => {
    for (const {type, target, addedNodes} of changes) for (const node of type === 'childList' ? addedNodes : [target]) translate(node);
  }).observe(root, {subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES});
}

// The page of `data verify`. What the server says is shown as text only, never as HTML.
'use strict';

const ANSWERS = {y: 'yes', n: 'no', s: 'skip'};
const LOST = 'The server does not answer. Is conceptgraph still running? All answers so far are saved.';
const at = id => document.getElementById(id);
at("explorer").hidden = location.pathname === "/";
const pictures = new Map();  // by a label's key: those shown, and those shown next
const rows = new Map();  // of the list of concepts, by uid
const asked = new URLSearchParams(location.search);
let view = null;
let busy = true;  // a key counts only once the label is seen that it answers

function element(kind, name, text = '') {
  const made = document.createElement(kind);
  made.className = name;
  made.textContent = text;
  return made;
}

function percent(share) { return `${Math.round(100 * share)} %`; }

function counted(number, noun) { return `${number} ${noun}${number === 1 ? '' : 's'}`; }

function picture(path, key, text) {
  const image = new Image();
  image.alt = text;
  image.src = `${path}/${key}`;
  return image;
}

function load(label) {
  if (!pictures.has(label.key)) {
    const outlined = label.has_mask ? `, ${label.concept} outlined` : '';
    pictures.set(label.key, {
      whole: picture('picture', label.key, `${label.image}${outlined}`),
      crop: label.has_mask ? picture('crop', label.key, 'The part around what is outlined') : null,
    });
  }
  return pictures.get(label.key);
}

function question(label) {
  return label.has_mask ? ['Is this ', label.concept, '?'] : ['Is the tag ', label.concept, ' right for this picture?'];
}

function sourceText(of) {
  return of.source === 'people' ? 'labelled by people' : `labelled by ${of.source}`;
}

function nextText(label) {
  const of = view.concepts.find(one => one.uid === label.uid);
  return `${of.answered} of ${of.asked} answered. ${question(label).join('')}`;
}

async function showLabel(label) {
  const {whole, crop} = load(label);
  try {
    await Promise.all([whole, crop].filter(Boolean).map(image => image.decode()));
  } catch {
    pictures.delete(label.key);
    return false;
  }
  const [before, concept, after] = question(label);
  const name = document.createElement('em');
  name.append(Object.assign(document.createElement('bdi'), {textContent: concept}));
  at('question').replaceChildren(before, name, after);
  at('category').textContent = label.category;
  at('category').dataset.category = label.category;
  at('source').textContent = sourceText(label);
  at('round').textContent = label.round > 1 ? `· round ${label.round}: others have answered this` : '';
  at('whole').replaceChildren(whole);
  at('crop').replaceChildren(...[crop].filter(Boolean));
  at('crop').hidden = !crop;
  return true;
}

function showEnd() {
  const concepts = view.concepts.filter(of => !view.concept || of.uid === view.concept);
  const disputed = concepts.reduce((total, of) => total + of.disputed, 0);
  at('end').textContent = view.concept ? 'Nothing left to ask you about this concept.'
    : concepts.every(of => of.done) ? 'Done: there is nothing left to ask you.' : 'Nothing left to ask you.';
  at('next-step').textContent = 'All your answers are saved; you can close this page. '
    + (disputed ? `${counted(disputed, 'label')} ${disputed === 1 ? 'is' : 'are'} disputed (as many yes as no). Another person is needed, who answers `
      : 'Another person can answer the same labels ') + 'under a name of their own.';
  at('go-on').hidden = !view.concept;
}

function concept(of) {
  if (!rows.has(of.uid)) {
    const parts = {
      button: element('button', ''), name: element('span', 'name'), count: element('span', 'count'),
      kind: element('span', 'kind'), bar: element('progress', ''), share: element('span', 'share'),
    };
    const name = Object.assign(document.createElement('bdi'), {textContent: of.concept});
    parts.name.append(name);
    parts.bar.setAttribute('aria-hidden', 'true');
    const sameName = view.concepts.filter(one => one.concept === of.concept).length > 1;
    parts.kind.textContent = sameName ? `${of.category}, ${sourceText(of)}` : '';
    parts.button.append(parts.name, parts.count, parts.kind, parts.bar, parts.share);
    parts.button.addEventListener('click', () => choose(of.uid));
    const row = document.createElement('li');
    row.append(parts.button);
    at('concepts').append(row);
    rows.set(of.uid, parts);
  }
  return rows.get(of.uid);
}

function shareText(of) {
  const share = `${percent(of.yes / of.decided)} yes (${Math.round(100 * of.low)}–${percent(of.high)})`;
  return [
    of.decided ? share : '', of.done ? 'done' : '', of.needed ? `about ${of.needed} more` : '',
    of.disputed ? `${of.disputed} disputed: another person is needed` : '',
  ].filter(Boolean).join(' · ');
}

function showProgress() {
  for (const of of view.concepts) {
    const row = concept(of);
    row.count.textContent = `${of.answered} of ${of.asked}`;
    row.bar.max = Math.max(of.asked, 1);
    row.bar.value = of.answered;
    row.share.textContent = shareText(of);
    row.button.setAttribute('aria-pressed', String(view.concept === of.uid));
  }
  const sum = key => view.concepts.reduce((total, of) => total + of[key], 0);
  const done = view.concepts.filter(of => of.done).length;
  const pairs = sum('pairs');
  at('overall').textContent =
    `${sum('answered')} of ${counted(sum('asked'), 'label')} answered, ${view.mine} by you. `
    + `${done} of ${counted(view.concepts.length, 'concept')} done.`
    + (pairs ? ` Where two people answered, they agree in ${percent(sum('agreeing') / pairs)}.` : '')
    + (view.unreadable.length ? ` Left out, cannot be read: ${view.unreadable.join(', ')}.` : '');
  at('rule').textContent =
    `A concept is done when its share of yes is known to ± ${percent(view.margin)} (95 % interval), or all labels `
    + 'asked about have an answer, and none is disputed. Choose a concept to be asked about it alone.';
}

async function show(next, said) {
  view = next;
  at('folder').textContent = view.folder;
  document.title = `Verify ${view.folder}`;
  if (document.activeElement !== at('worker')) at('worker').value = view.worker;
  showProgress();
  const keys = [view.label, view.following].filter(Boolean).map(label => label.key);
  for (const key of pictures.keys()) if (!keys.includes(key)) pictures.delete(key);
  if (view.label && !await showLabel(view.label)) return ask('state', null, said);
  at('asking').hidden = !view.label;
  at('finished').hidden = Boolean(view.label);
  if (!view.label) showEnd();
  for (const name of ['yes', 'no', 'skip']) at(name).setAttribute('aria-disabled', String(!view.label));
  at('undo').setAttribute('aria-disabled', String(!view.mine));
  at('said').textContent = said ? `${said} ${view.label ? nextText(view.label) : at('end').textContent}` : '';
  busy = false;
  if (view.following) load(view.following);
  return undefined;
}

async function ask(what, body, said) {
  busy = true;
  const given = {worker: asked.get('worker') ?? '', concept: asked.get('concept') ?? '', ...body};
  let reply;
  try {
    reply = await (await fetch(body ? what : `${what}?${new URLSearchParams(given)}`, body && {
      method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(given),
    })).json();
  } catch {
    reply = {error: LOST};
  }
  at('error').textContent = reply.error ?? '';
  if (reply.error) {
    if (!view) at('worker').value = given.worker;  // it may be what is wrong
    busy = false;
    return undefined;
  }
  return show(reply, reply.unsaved ? reply.unsaved : what === 'undo' && !reply.undone ? 'Nothing to undo.' : said);
}

function answer(verified) {
  if (busy || !view?.label) return;
  ask('answer', {label: view.label.key, answer: verified},
    verified === 'skip' ? 'Skipped.' : `Saved: ${verified}.`);
}

function undo() {
  if (!busy && view) ask('undo', {}, 'Undone.');
}

function choose(uid) {
  if (busy) return;
  if (asked.get('concept') === uid) asked.delete('concept');
  else asked.set('concept', uid);
  history.replaceState(null, '', `?${asked}`);
  scrollTo({top: 0});  // on a phone the list is below the question
  ask('state', null, '');
}

for (const [key, verified] of Object.entries(ANSWERS)) {
  at(verified).addEventListener('click', () => answer(verified));
  at(verified).title = `Key ${key}`;
}
at('undo').addEventListener('click', undo);
at('go-on').addEventListener('click', () => choose(view.concept));
document.addEventListener('keydown', event => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target === at('worker')) return;
  const key = event.key.toLowerCase();
  if (key in ANSWERS) answer(ANSWERS[key]);
  else if (key === 'u') undo();
  else if (key === 'enter' && view?.concept && !view.label && !event.target.closest('form, #concepts')) {
    event.preventDefault();  // else it would press the button that has the focus, too
    choose(view.concept);
  }
});
ask('state', null, '');

// The sandbox's page: shows what one person sees in one channel and what Invent holds, as the server streams it, and sends back what is
// typed and clicked. Its address says who and where: ?as=ada&channel=support, and &conversation=chat_jane points at a row of Invent's.
import { draw, el, mrkdwn } from './blocks.js';

const $ = (id) => document.getElementById(id);
const address = new URLSearchParams(location.search);
const me = { as: address.get('as') ?? 'ada', channel: address.get('channel') ?? 'support' };
const pointedAt = address.get('conversation');
const invented = { OPEN: 'Open', SNOOZED: 'Snoozed', CLOSED: 'Resolved' };
const channelKinds = { whatsapp_bot: 'WhatsApp', email: 'Email', instagram_dm: 'Instagram', telegram_bot: 'Telegram', messenger_bot: 'Messenger', gmail: 'Gmail' };

let state; // as the server sent it last
let stream;
let warnings = {}; // what Slack shows below a message whose click failed, by ts
let notices = []; // what Slackbot told: { as, channel, ts, text }
const seen = {}; // ts of the newest message seen, by person and channel
const typed = []; // lines, for the arrow keys
let recalled = 0;

/** post does something on the server and answers what is to be said about it. */
async function post(what, body) {
  try {
    const response = await fetch(`/api/${what}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    return response.ok ? await response.json() : { said: await response.text() };
  } catch {
    return { said: 'The sandbox has ended: start it again.' };
  }
}

/** go shows the page as one person in one channel. */
function go(change) {
  Object.assign(me, change);
  history.replaceState(null, '', '?' + new URLSearchParams({ ...me, ...(pointedAt ? { conversation: pointedAt } : {}) }));
  stream?.close();
  drawn.clear();
  $('messages').replaceChildren();
  $('refusal').textContent = '';
  stream = new EventSource('/api/stream?' + new URLSearchParams(me));
  stream.onmessage = (event) => {
    state = JSON.parse(event.data);
    if (state.channels.length && !state.channels.some((c) => c.name === me.channel)) return go({ channel: state.channels[0].name });
    show();
  };
  stream.onopen = () => document.body.classList.remove('ended');
  stream.onerror = () => document.body.classList.add('ended');
}

/** put redraws a node only when what it shows is another, so that the focus and open menus stay where they are. */
function put(parent, key, make) {
  key = JSON.stringify(key);
  if (parent.dataset.shows === key) return;
  parent.dataset.shows = key;
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.testid ?? '' : undefined;
  parent.replaceChildren(...make());
  // What had the focus may be gone; the keyboard goes on from here, not from the top of the page.
  if (focused !== undefined) (parent.querySelector(`[data-testid="${CSS.escape(focused)}"]`) ?? parent).focus();
}

function show() {
  put($('people'), [state.people, me.as], () => state.people.map((p) => el('label', { class: 'person' },
    el('input', { type: 'radio', name: 'as', value: p.name, checked: p.name === me.as, 'data-testid': `as-${p.name}`, onchange: () => go({ as: p.name }) }),
    avatar(p.real), el('span', {}, p.real, el('small', {}, `@${p.name}, ${p.about}`)))));
  const here = state.channels.find((c) => c.name === me.channel);
  if (here) seen[`${me.as}/${here.name}`] = here.last;
  const fresh = (c) => c.last > (seen[`${me.as}/${c.name}`] ?? '');
  put($('channels'), [state.channels.map((c) => [c.name, fresh(c)]), me.channel], () => state.channels.map((c) => el('button', {
    type: 'button', class: fresh(c) ? 'fresh' : undefined, 'aria-current': c.name === me.channel ? 'page' : undefined,
    'data-testid': `channel-${c.name}`, onclick: () => { go({ channel: c.name }); if (c.name === 'home') post('home', me); },
  }, called(c.name), fresh(c) ? el('span', { class: 'hidden' }, ' (new messages)') : undefined)));
  $('channel-name').textContent = here ? called(here.name) : '';
  $('channel-about').textContent = here?.about ?? '';
  $('input').setAttribute('aria-label', $('input').placeholder = here ? `Message ${called(here.name)}: type /invent …` : '');
  showMessages();
  showInvent();
  showModal();
}

const called = (channel) => ({ invent: 'Invent (direct message)', home: 'Invent (Home tab)' }[channel] ?? `# ${channel}`);

// ——— messages ———

const drawn = new Map(); // article and what it shows, by ts

function showMessages() {
  const home = me.channel === 'home', closed = me.channel === 'invent';
  $('compose').hidden = home || closed;
  $('closed').hidden = !closed;
  $('intro').hidden = home || closed || state.messages.length > 1; // the first one is the bot's own
  $('home').hidden = !home;
  $('messages').hidden = home;
  if (home) { showHome(); return; }
  const list = $('messages');
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  const slackbot = notices.filter((n) => n.as === me.as && n.channel === me.channel).map((n) => ({ ts: n.ts, user: 'Slackbot', bot: true, text: n.text, private: true }));
  const messages = [...state.messages, ...slackbot].sort((a, b) => Number(a.ts) - Number(b.ts));
  const before = new Set(drawn.keys());
  messages.forEach((m, n) => {
    before.delete(m.ts);
    const key = JSON.stringify([m, warnings[m.ts]]);
    let known = drawn.get(m.ts);
    if (known?.key !== key) {
      const node = article(m);
      if (known) {
        const focused = known.node.contains(document.activeElement);
        known.node.replaceWith(node);
        node.classList.add('redrawn');
        if (focused) node.focus();
      }
      drawn.set(m.ts, (known = { key, node }));
    }
    if (list.children[n] !== known.node) list.insertBefore(known.node, list.children[n] ?? null);
  });
  for (const ts of before) { drawn.get(ts).node.remove(); drawn.delete(ts); }
  list.classList.toggle('empty', messages.length === 0);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function showHome() {
  const context = { names: state.names, act: (e, option) => click('home', e, option) };
  put($('home'), [state.home?.Blocks, warnings.home], () => [
    state.home ? draw(state.home.Blocks, context) : el('p', {}, 'Nothing was published here yet.'),
    warnings.home ? el('p', { class: 'error', role: 'alert' }, '⚠ ' + warnings.home) : undefined,
  ].flat().filter((n) => n !== undefined));
}

async function shortcut(ts) {
  const { said } = await post('shortcut', { ...me, ts });
  if (ts && said) { warnings[ts] = said; showMessages(); } else if (said) $('refusal').textContent = said;
}

function article(m) {
  const name = m.user === 'Slackbot' ? 'Slackbot' : state.names[m.user] ?? m.user;
  const at = new Date(Number(m.ts) * 1000);
  const context = { names: state.names, act: (e, option) => click(m.ts, e, option) };
  return el('article', { class: m.private ? 'message private' : 'message', 'data-ts': m.ts, 'data-private': m.private || undefined, tabindex: '-1', 'aria-label': `${name}: ${mrkdwn(m.text, context).textContent}` },
    m.private ? el('p', { class: 'only' }, eye(), 'Only visible to you') : undefined,
    avatar(name, m.bot),
    el('div', { class: 'content' },
      el('div', { class: 'by' }, el('b', {}, name), m.bot ? el('span', { class: 'app' }, 'APP') : undefined,
        el('time', { datetime: at.toISOString() }, at.toLocaleTimeString('en-US', { hour: 'numeric', minute: '2-digit' })),
        m.private || m.user === 'Slackbot' ? undefined : el('button', { type: 'button', class: 'shortcut', 'aria-label': 'Shortcut: Work on conversation', onclick: () => shortcut(m.ts) }, 'Work on conversation')),
      m.thread ? el('p', { class: 'thread' }, m.thread) : undefined,
      m.blocks ? draw(m.blocks, context) : el('div', { class: 'section' }, el('div', { class: 'body', dir: 'auto' }, mrkdwn(m.text, context))),
      (m.unfurls ?? []).map((u) => el('div', { class: 'unfurl', 'data-link': u.link }, draw(u.blocks, context))),
      warnings[m.ts] ? el('p', { class: 'error', role: 'alert' }, '⚠ ' + warnings[m.ts]) : undefined));
}

function avatar(name, bot) {
  const hue = [...name].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 6, 7);
  return el('span', { class: bot ? 'avatar bot' : `avatar hue${hue}`, 'aria-hidden': 'true' }, bot ? name[0] : name.split(' ').map((w) => w[0]).join('').slice(0, 2));
}

function eye() {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 20 20');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(svg.namespaceURI, 'path');
  path.setAttribute('d', 'M1 10s3.5-6 9-6 9 6 9 6-3.5 6-9 6-9-6-9-6Zm9-3a3 3 0 1 0 0 6 3 3 0 0 0 0-6Z');
  path.setAttribute('fill-rule', 'evenodd');
  svg.append(path);
  return svg;
}

async function click(ts, e, option) {
  const chosen = option ?? e;
  const { said } = await post('click', { ...me, ts, action: e.action_id ?? '', label: chosen.text.text, value: chosen.value ?? '' });
  if (ts === '') $('modal').querySelector('.warning').textContent = said ?? '';
  if (said) warnings[ts] = said; else delete warnings[ts];
  showMessages();
}

// ——— the line ———

$('compose').addEventListener('submit', async (event) => {
  event.preventDefault();
  const input = $('input'), line = input.value.trim();
  if (!line) return;
  const at = { ...me };
  typed.push(line);
  recalled = typed.length;
  input.value = '';
  $('refusal').textContent = '';
  const { said } = await post('type', { ...at, text: line });
  if (!said) return;
  if (!line.startsWith('/') || said.includes('not a valid')) {
    $('refusal').textContent = said;
    input.value ||= line;
    input.select();
  } else {
    notices.push({ ...at, ts: String(Date.now() / 1000), text: said });
    showMessages();
  }
});

$('input').addEventListener('keydown', (event) => {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!step || !typed.length) return;
  event.preventDefault();
  recalled = Math.min(Math.max(recalled + step, 0), typed.length);
  $('input').value = typed[recalled] ?? '';
});

/** insert puts a word into the line where the cursor is, and a command before it when there is none. */
function insert(word) {
  const input = $('input');
  const [from, to] = [input.selectionStart ?? input.value.length, input.selectionEnd ?? input.value.length];
  if (!input.value.trim()) input.value = `/invent take ${word}`;
  else input.setRangeText(/\s$/.test(input.value.slice(0, from)) || from === 0 ? word : ` ${word}`, from, to, 'end');
  input.focus();
}

for (const line of ['/invent take ', '/invent assign ', '/invent release ', '/invent show ', '/invent help']) {
  $('suggestions').append(el('button', { type: 'button', onclick: () => { $('input').value = line; $('input').focus(); } }, line.trim()));
}

$('first').addEventListener('click', (event) => { $('input').value = event.target.innerText; $('input').focus(); });

$('suggestions').append(el('button', { type: 'button', 'data-testid': 'take-one', onclick: () => shortcut('') }, 'Shortcut: Take a conversation'));

// ——— Invent ———

$('away').addEventListener('change', (event) => post('away', { away: event.target.checked }));

function showInvent() {
  $('away').checked = state.away;
  const members = [['', 'Nobody'], ...state.members.map((m) => [m.id, m.name])];
  rows($('chats'), state.chats.map((c) => [c.ID, c]), (c) => {
    const name = c.Customer || 'unnamed';
    const choose = (label, field, value, options) => el('select', {
      'aria-label': `${label} of ${c.ID}`, 'data-testid': `${field}-${c.ID}`, onchange: (e) => post('chat', { chat: c.ID, [field]: e.target.value }),
    }, options.map(([id, words]) => el('option', { value: id, selected: id === value }, words)));
    return [
      el('th', { scope: 'row' }, el('bdi', { class: c.Customer ? 'name' : 'name none', title: name }, name),
        el('span', { class: 'sub' }, el('button', { type: 'button', class: 'id', title: 'Put it into the line', 'data-testid': `id-${c.ID}`, onclick: () => insert(c.ID) }, c.ID),
          channelKinds[c.Channel] ?? c.Channel),
        el('span', { class: 'sub' }, el('button', { type: 'button', class: 'asks', 'data-testid': `asks-${c.ID}`, 'aria-label': `The customer of ${c.ID} asks for a human`, onclick: () => post('chat', { chat: c.ID, asks: true }) }, 'asks for a human'))),
      el('td', {}, choose('State', 'state', c.State, Object.entries(invented))),
      el('td', {}, el('input', { type: 'checkbox', class: 'switch', 'aria-label': `AI on ${c.ID}`, 'data-testid': `ai-${c.ID}`, checked: c.AIEnabled, onchange: (e) => post('chat', { chat: c.ID, ai: e.target.checked }) })),
      el('td', {}, choose('Assignee', 'assignee', c.AssigneeID, members)),
    ];
  }, [state.members]);
  rows($('members'), state.members.map((m) => [m.id, m]), (m) => [
    el('th', { scope: 'row' }, el('bdi', { class: 'name' }, m.name), el('span', { class: 'sub' }, m.email)),
    el('td', { class: 'role' }, m.role.toLowerCase()),
    el('td', {}, el('input', { type: 'checkbox', class: 'switch', 'aria-label': `${m.name} is active`, 'data-testid': `active-${m.id}`, checked: m.status === 'ACTIVE', onchange: (e) => post('member', { member: m.id, active: e.target.checked }) })),
  ], []);
  const complaints = $('complaints');
  complaints.hidden = !state.complaints.length;
  complaints.querySelector('summary').textContent = `The pretended Slack and Invent complain about the bot (${state.complaints.length})`;
  put(complaints.querySelector('ul'), state.complaints, () => state.complaints.map((c) => el('li', {}, c)));
}

/** rows draws a row for each [id, value], anew only where the value, or what all share, is another. */
function rows(body, list, cells, shared) {
  for (const [id, value] of list) {
    let row = [...body.children].find((r) => r.dataset.id === id);
    const first = !row;
    if (first) body.append((row = el('tr', { 'data-id': id, class: id === pointedAt ? 'pointed' : undefined })));
    const before = row.dataset.shows;
    put(row, [value, shared], () => cells(value));
    if (!first && before !== row.dataset.shows) row.classList.add('changed');
  }
}
document.addEventListener('animationend', (event) => event.target.closest('.changed, .redrawn')?.classList.remove('changed', 'redrawn'));

// ——— modals ———

function showModal() {
  const dialog = $('modal'), v = state.modal;
  if (!v) { if (dialog.open) dialog.close(); return; }
  put(dialog, [v.ID, v.Hash], () => {
    const fields = [];
    const context = {
      names: state.names, fields, act: (e, option) => click('', e, option),
      search: async (e, query) => (await post('options', { as: me.as, modal: v.ID, action: e.action_id, query })).choices ?? [],
    };
    const warning = el('p', { class: 'error warning', role: 'alert' });
    const close = () => post('close', { as: me.as, modal: v.ID });
    dialog.oncancel = (event) => { event.preventDefault(); close(); };
    return [el('form', { onsubmit: async (event) => {
      event.preventDefault();
      await Promise.all(fields.map((f) => f.settled?.()));
      const empty = fields.some((f) => f.required && !f.value().length);
      const values = Object.fromEntries(fields.filter((f) => f.value().length).map((f) => [f.id, f.value()]));
      warning.textContent = (empty ? 'Please fill in all that is not optional.' : (await post('submit', { as: me.as, modal: v.ID, values })).said) ?? '';
    } },
    el('h3', { id: 'modal-title' }, v.Title), draw(v.Blocks, context), warning,
    el('div', { class: 'choices' }, el('button', { type: 'button', class: 'button', onclick: close }, v.Close || 'Cancel'),
      v.Submit ? el('button', { type: 'submit', class: 'button primary' }, v.Submit) : undefined))];
  });
  for (const input of dialog.querySelectorAll('[data-block]')) { // what was filled in stays
    const error = v.Errors?.[input.dataset.block] ?? '';
    input.classList.toggle('wrong', error !== '');
    input.querySelector('.error').textContent = error;
  }
  if (!dialog.open) dialog.showModal();
}

go({});
if (me.channel === 'home') post('home', me);
$('input').focus({ preventScroll: true }); // in a narrow window it is further down

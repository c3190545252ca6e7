// Draws Block Kit, https://docs.slack.dev/reference/block-kit, as Slack would. Everything that comes from a message goes into the page
// as text, never as HTML.
//
// A drawing takes a context: names (of people and channels, by id) and act(element, option), called when something is clicked
// or chosen; in a modal also search(element, query) and fields, to which each input adds itself.

/** el makes an element; undefined attributes and children are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter((c) => c !== undefined && c !== null));
  return node;
}

const entities = { '&lt;': '<', '&gt;': '>', '&amp;': '&' };
const decode = (s) => s.replace(/&(lt|gt|amp);/g, (e) => entities[e]);

// One token of mrkdwn: code, something in angle brackets, or styled words. Styles want no letter outside and no space inside.
const tokens = /```([\s\S]+?)```|`([^`\n]+)`|<([^<>\n]+)>|(?<![\p{L}\p{N}*])\*(?=\S)([^*\n]*?[^\s*])\*(?![\p{L}\p{N}*])|(?<![\p{L}\p{N}_])_(?=\S)([^_\n]*?[^\s_])_(?![\p{L}\p{N}_])|(?<![\p{L}\p{N}~])~(?=\S)([^~\n]*?[^\s~])~(?![\p{L}\p{N}~])/gu;

/** mrkdwn draws Slack's own markup. */
export function mrkdwn(text, context) {
  const out = document.createDocumentFragment();
  let from = 0;
  for (const m of String(text).matchAll(tokens)) {
    plain(out, text.slice(from, m.index));
    from = m.index + m[0].length;
    const [, pre, code, tag, bold, italic, strike] = m;
    if (pre !== undefined) out.append(el('pre', {}, decode(pre.replace(/^\n/, ''))));
    else if (code !== undefined) out.append(el('code', {}, decode(code)));
    else if (tag !== undefined) out.append(angle(tag, context, m.index === 0 || text[m.index - 1] === '\n'));
    else if (bold !== undefined) out.append(el('b', {}, mrkdwn(bold, context)));
    else if (italic !== undefined) out.append(el('i', {}, mrkdwn(italic, context)));
    else out.append(el('s', {}, mrkdwn(strike, context)));
  }
  plain(out, text.slice(from));
  return out;
}

function plain(out, text) {
  decode(text).split('\n').forEach((line, n) => {
    if (n > 0) out.append(el('br'));
    if (line) out.append(line);
  });
}

/** angle draws what stands in angle brackets: mentions, dates, links. */
function angle(tag, context, startsLine) {
  const [what, label] = tag.split(/\|(.*)/s);
  const mention = (words) => el('span', { class: 'mention' }, words);
  switch (what[0]) {
    case '@': return mention('@' + (context.names[what.slice(1)] ?? what.slice(1)));
    case '#': return mention('#' + (context.names[what.slice(1)] ?? label ?? what.slice(1)));
    case '!':
      if (what.startsWith('!date^')) return date(what.split('^'), decode(label ?? ''), startsLine);
      return el('span', { class: 'mention loud' }, '@' + decode(label ?? what.slice(1)).replace(/^@/, ''));
  }
  const address = decode(what);
  const words = decode(label ?? what).replace(/^mailto:/, '');
  return /^(https?|mailto):/i.test(address) ? el('a', { href: address, target: '_blank', rel: 'noopener' }, words) : words;
}

/** date draws <!date^seconds^format|fallback> in the reader's zone. */
function date([, seconds, format, link], fallback, startsLine) {
  const at = new Date(Number(seconds) * 1000);
  if (!format || Number.isNaN(at.getTime())) return fallback;
  const days = Math.round((new Date(at).setHours(0, 0, 0, 0) - new Date().setHours(0, 0, 0, 0)) / 864e5);
  const near = { '-1': 'yesterday', 0: 'today', 1: 'tomorrow' }[days];
  const as = (options) => new Intl.DateTimeFormat('en-US', options).format(at);
  const year = at.getFullYear() === new Date().getFullYear() ? undefined : 'numeric';
  const known = {
    date_num: () => [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((n) => String(n).padStart(2, '0')).join('-'),
    date: () => as({ month: 'long', day: 'numeric', year }),
    date_short: () => as({ month: 'short', day: 'numeric', year: 'numeric' }),
    date_long: () => as({ weekday: 'long', month: 'long', day: 'numeric', year: 'numeric' }),
    time: () => as({ hour: 'numeric', minute: '2-digit' }),
    time_secs: () => as({ hour: 'numeric', minute: '2-digit', second: '2-digit' }),
  };
  let words = format.replace(/\{(\w+)\}/g, (all, name) => {
    const pretty = name.endsWith('_pretty');
    const make = known[pretty ? name.slice(0, -'_pretty'.length) : name];
    return pretty && near ? near : make ? make() : all;
  });
  if (startsLine) words = words[0].toUpperCase() + words.slice(1);
  const time = el('time', { datetime: at.toISOString(), title: at.toString() }, words);
  return link && /^https?:/i.test(link) ? el('a', { href: link, target: '_blank', rel: 'noopener' }, time) : time;
}

/** text draws a text object: {type, text}. */
function text(object, context) {
  if (!object) return undefined;
  if (object.type === 'mrkdwn') return mrkdwn(object.text, context);
  const out = document.createDocumentFragment();
  String(object.text).split('\n').forEach((line, n) => out.append(...(n ? [el('br')] : []), line));
  return out;
}

/** draw draws blocks, one below the other. */
export function draw(blocks, context) {
  return blocks.map((block) => {
    const node = (drawers[block.type] ?? unknown)(block, context);
    node.classList.add('block');
    return node;
  });
}

const drawers = {
  header: (b, c) => el('h3', { class: 'header', dir: 'auto' }, text(b.text, c)),
  divider: () => el('hr'),
  section: (b, c) => el('div', { class: 'section' },
    el('div', { class: 'body' },
      b.text && el('div', { dir: 'auto' }, text(b.text, c)),
      b.fields && el('div', { class: 'fields' }, b.fields.map((f) => el('div', { dir: 'auto' }, text(f, c))))),
    b.accessory && element(b.accessory, c, b)),
  context: (b, c) => el('div', { class: 'context' }, b.elements.map((e) => (e.type === 'image' ? image(e) : el('span', { dir: 'auto' }, text(e, c))))),
  actions: (b, c) => el('div', { class: 'actions' }, b.elements.map((e) => element(e, c, b))),
  image: (b) => image(b),
  input: (b, c) => {
    const label = el('span', { class: 'label' }, b.label.text, b.optional ? el('span', { class: 'hint' }, ' (optional)') : undefined);
    return el('label', { class: 'input', 'data-block': b.block_id },
      label, element(b.element, c, b), b.hint && el('span', { class: 'hint' }, b.hint.text), el('span', { class: 'error', role: 'alert' }));
  },
};

const unknown = (b) => el('div', { class: 'unknown' }, `The sandbox doesn't draw ${b.type} yet.`);

/** image stands for a picture: the page loads nothing. */
const image = (b) => el('span', { class: 'image', role: 'img', 'aria-label': b.alt_text }, b.title?.text ?? b.alt_text);

/** element draws what can be clicked or filled in. */
function element(e, context, block) {
  const shared = { 'data-action': e.action_id, 'aria-label': e.accessibility_label };
  const act = (option) => ask(e.confirm, context, () => context.act(e, option));
  const options = [...(e.options ?? []), ...(e.option_groups ?? []).flatMap((g) => g.options)];
  const read = (value, settled) => context.fields?.push({
    id: e.action_id, block: block.block_id, required: block.type === 'input' && !block.optional, value, settled,
  });
  const choose = (node) => { if (block.type !== 'input' || block.dispatch_action) node.addEventListener('change', () => act(options[node.selectedIndex - 1])); };
  switch (e.type) {
    case 'button': {
      const look = { ...shared, class: `button ${e.style ?? ''}` };
      if (e.url && /^https?:/i.test(e.url)) return el('a', { ...look, href: e.url, target: '_blank', rel: 'noopener', onclick: () => context.act(e) }, e.text.text);
      return el('button', { ...look, type: 'button', onclick: () => act() }, e.text.text);
    }
    case 'overflow':
      return el('details', { class: 'menu' }, el('summary', { class: 'button', 'aria-label': e.accessibility_label ?? 'More' }, '⋯'),
        el('div', {}, options.map((o) => el('button', { type: 'button', class: 'button', onclick: () => act(o) }, o.text.text))));
    case 'static_select': {
      const node = el('select', { ...shared, 'aria-label': shared['aria-label'] ?? e.placeholder?.text }, el('option', { value: '' }, e.placeholder?.text ?? 'Choose'),
        options.map((o) => el('option', { value: o.value, selected: e.initial_option?.value === o.value }, o.text.text)));
      choose(node);
      read(() => node.value);
      return node;
    }
    case 'external_select': {
      const list = el('datalist', { id: `choices-${e.action_id}` });
      const node = el('input', { ...shared, list: list.id, placeholder: e.placeholder?.text, value: e.initial_option?.text.text });
      let searches = 0;
      const search = async () => {
        const own = ++searches, found = await context.search(e, node.value === chosen ? '' : node.value);
        if (own === searches) list.replaceChildren(...found.map((o) => el('option', { value: o.Text }, o.Description))); // else it is out of date
      };
      const again = () => node.value === chosen && node.select(); // so that what is typed searches, instead of standing behind it
      node.addEventListener('focus', () => { again(); search(); });
      node.addEventListener('click', again);
      node.addEventListener('input', (event) => event.inputType !== 'insertReplacementText' && event.inputType && search());
      // As in Slack, only what is offered can be chosen: other words search, and are gone when one goes on.
      let chosen = node.value, settled = Promise.resolve();
      const offered = () => node.value === chosen || [...list.children].some((o) => o.value === node.value);
      const settle = async () => {
        if (node.value && !offered()) await search(); // typed faster than answered
        const error = node.closest('[data-block]')?.querySelector('.error');
        if (error) error.textContent = !node.value || offered() ? '' : `Nothing is called ${node.value}: choose from the list.`;
        if (node.value && !offered()) node.value = chosen;
        chosen = node.value;
      };
      node.addEventListener('change', () => { settled = settle(); });
      read(() => (offered() ? node.value : ''), () => settled);
      return el('span', {}, node, list);
    }
    case 'plain_text_input': case 'email_text_input': case 'url_text_input': case 'number_input': {
      const node = el(e.multiline ? 'textarea' : 'input', { ...shared, placeholder: e.placeholder?.text, maxlength: e.max_length, minlength: e.min_length });
      node.value = e.initial_value ?? '';
      read(() => node.value);
      return node;
    }
    case 'checkboxes': case 'radio_buttons': {
      const many = e.type === 'checkboxes';
      const on = (o) => (many ? (e.initial_options ?? []) : [e.initial_option]).some((i) => i?.value === o.value);
      const boxes = options.map((o) => el('input', { type: many ? 'checkbox' : 'radio', name: e.action_id, value: o.value, checked: on(o) }));
      const picked = () => boxes.filter((b) => b.checked).map((b) => b.value);
      read(() => (many ? picked() : picked()[0] ?? ''));
      return el('span', { class: 'boxes' }, boxes.map((b, n) => el('label', {}, b, ' ', text(options[n].text, context))));
    }
  }
  return unknown(e);
}

/** ask asks first where there is a confirm dialog, and does it then. */
function ask(confirm, context, then) {
  if (!confirm) return then();
  const dialog = document.getElementById('confirm');
  const close = (yes) => { dialog.close(); if (yes) then(); };
  dialog.replaceChildren(
    el('h3', { id: 'confirm-title' }, confirm.title.text),
    el('p', {}, text(confirm.text, context)),
    el('div', { class: 'choices' },
      el('button', { type: 'button', class: 'button', onclick: () => close(false) }, confirm.deny.text),
      el('button', { type: 'button', class: `button ${confirm.style ?? 'primary'}`, 'data-testid': 'confirm-yes', onclick: () => close(true) }, confirm.confirm.text)));
  dialog.showModal();
}

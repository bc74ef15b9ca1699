// What one side knows of one conversation, as plain values: no page, no clock, no line (P2, P3).
//
// A talk changes through `reduce` only. Every `at` is a moment in milliseconds on one steady clock of the caller's.
// The caller's round, once a second and after each frame:
//   for (const frame of due(talk, at)) line.send(frame);
//   talk = reduce(talk, {type: "tick", at});
// `line_back` makes everything unacknowledged due again, so a frame that the line did not take needs no care.

const RETRY = 2_000; // ms after `too_fast` or `unavailable`: the server means it, and the person should not wait long
const TYPING = 6_000; // ms that a `typing` stands: twice the pace at which the server passes it on
const WINDOW = 20; // messages on their way at once: below the burst that FRAME_RATE allows, whatever piled up
const TRY_AGAIN = new Set(["too_fast", "unavailable"]); // every other refusal is final

/** A conversation of which `author` ("chatter" or "employee") knows nothing yet; `resend` in seconds. */
export const empty = (author, resend = 8) => ({
  author,
  resend: resend * 1000,
  entries: [], // drawn, in order, without gaps from `first`
  early: [], // came while a number before them is missing
  outbox: [], // {id, text, at, due, state: "sending" | "late" | "sent", reason}; "sent" only while a number before it is missing
  last: 0, // highest number known to be in the log
  first: 1, // lowest number this side may see
  state: null, // {state, position, employee, peer, …}
  read: {chatter: 0, employee: 0},
  typing: 0, // when the other side last typed; 0: it does not
  hold: 0, // nothing is sent before this moment
  returned: null, // {id, text, code, detail} that the last event gave back to the box: look after every `reduce`
});

/** Why a text can't be sent, counted as the server counts: null, "empty" or "too_long". */
export function refusal(text, {text_characters, text_bytes}) {
  const composed = text.normalize("NFC");
  if (!composed.trim()) return "empty";
  const fits = [...composed].length <= text_characters && new TextEncoder().encode(composed).length <= text_bytes;
  return fits ? null : "too_long";
}

/** The highest number up to which everything is known: the `after` of the next `hello`. */
export const after = (talk) => (talk.first - 1 + talk.entries.length);

/** Is the log known to hold more than we have? Asked at a `pong`; the answer to yes is a new `hello` (P4). */
export const behind = (talk) => talk.last > after(talk);

/** The `send` frames to hand to the line now, in the order in which they were written. */
export function due(talk, at) {
  if (at < talk.hold) return [];
  return talk.outbox
    .filter((item) => item.state !== "sent")
    .slice(0, WINDOW)
    .filter((item) => item.due <= at)
    .map(({id, text}) => ({type: "send", id, text}));
}

/**
 * The talk after an event:
 * `{type: "written", id, text, at}` · `{type: "frame", frame, at}` · `{type: "line_back"}` · `{type: "tick", at}` ·
 * `{type: "line_closed", code}` when no answer can come any more.
 */
export function reduce(talk, event) {
  const now = {...talk, returned: null};
  switch (event.type) {
    case "written":
      return written(now, event);
    case "frame":
      return (FRAMES[event.frame.type] ?? same)(now, event.frame, event.at);
    case "line_back":
      return {...now, hold: 0, outbox: now.outbox.map((item) => ({...item, due: 0}))};
    case "tick":
      return tick(now, event.at);
    case "line_closed":
      return closed(now, event.code);
  }
  return now;
}

const FRAMES = {
  welcome,
  entry: (talk, {type, ...entry}) => stored(talk, entry),
  ack,
  refused,
  state: (talk, {type, ...state}) => ({...talk, state}),
  typing: (talk, {author}, at) => (author === talk.author ? talk : {...talk, typing: at}),
  read: (talk, {author, seq}) => ({...talk, read: {...talk.read, [author]: Math.max(talk.read[author] ?? 0, seq)}}),
  pong: (talk, {last_seq}) => ({...talk, last: Math.max(talk.last, last_seq)}),
};

const same = (talk) => talk;

function written(talk, {id, text, at}) {
  const item = {id, text: text.normalize("NFC"), at, due: at, state: "sending", reason: null};
  return {...talk, outbox: [...talk.outbox, item]};
}

function tick(talk, at) {
  const sent = new Set(due(talk, at).map(({id}) => id));
  const outbox = talk.outbox.map((item) => {
    const late = item.state === "sending" && at - item.at >= talk.resend;
    if (!late && !sent.has(item.id)) return item;
    return {...item, state: late ? "late" : item.state, due: sent.has(item.id) ? at + talk.resend : item.due};
  });
  return {...talk, outbox, typing: talk.typing && at - talk.typing < TYPING ? talk.typing : 0};
}

function welcome(talk, {state, first_seq, last_seq}) {
  return arranged(
    {
      ...talk,
      first: first_seq,
      last: Math.max(talk.last, last_seq),
      state: {position: null, employee: null, peer: null, ...talk.state, state},
    },
    [...talk.entries, ...talk.early],
  );
}

function ack(talk, {id, seq, at}) {
  const item = talk.outbox.find((one) => one.id === id);
  if (!item) return {...talk, last: Math.max(talk.last, seq)};
  return stored(talk, {seq, id, kind: "message", author: talk.author, name: null, text: item.text, at});
}

function stored(talk, entry) {
  const known = {
    ...talk,
    last: Math.max(talk.last, entry.seq),
    typing: entry.author === talk.author || entry.author === "system" ? talk.typing : 0,
    outbox: talk.outbox.map((item) => (is(entry, talk.author, item) ? {...item, state: "sent", reason: null} : item)),
  };
  return arranged(known, [...talk.entries, ...talk.early, entry], entry);
}

/** Draws what is complete, keeps the rest for later, and takes from the outbox what is drawn or may not be seen any more. */
function arranged(talk, known, newest = null) {
  const bySeq = new Map();
  for (const entry of known) if (entry.seq >= talk.first && !bySeq.has(entry.seq)) bySeq.set(entry.seq, entry);
  const entries = [];
  for (let seq = talk.first; bySeq.has(seq); seq++) {
    entries.push(bySeq.get(seq));
    bySeq.delete(seq);
  }
  const early = [...bySeq.values()].sort((a, b) => a.seq - b.seq);
  const outbox = talk.outbox.filter(
    (item) =>
      !entries.some((entry) => is(entry, talk.author, item)) &&
      !(newest && newest.seq < talk.first && is(newest, talk.author, item)),
  );
  return {...talk, entries, early, outbox};
}

const is = (entry, author, item) => entry.id === item.id && entry.author === author;

function refused(talk, {id, code, detail}, at) {
  const index = talk.outbox.findIndex((item) => item.id === id);
  if (index < 0) return talk;
  if (TRY_AGAIN.has(code)) {
    // The server refuses whatever follows until this very id comes again: everything from here on goes again, in order (P2).
    const outbox = talk.outbox.map((item, n) => {
      if (n < index || item.state === "sent") return item;
      return n === index ? {...item, due: 0, state: "late", reason: code} : {...item, due: 0};
    });
    return {...talk, outbox, hold: at + RETRY};
  }
  const {text} = talk.outbox[index];
  return {...talk, outbox: talk.outbox.filter((item) => item.id !== id), returned: {id, text, code, detail}};
}

function closed(talk, code) {
  const unsent = talk.outbox.filter((item) => item.state !== "sent");
  if (!unsent.length) return talk;
  const text = unsent.map((item) => item.text).join("\n\n");
  return {...talk, outbox: talk.outbox.filter((item) => item.state === "sent"), returned: {id: unsent[0].id, text, code, detail: ""}};
}

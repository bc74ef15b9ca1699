// What lies on one employee's desk, as plain values: the queue, duty, and every conversation held. No page, no clock, no line.
//
// A desk changes through `reduce` only; `outgoing` says what the line has to be given now. Each conversation's log and unsent
// messages are a talk of outbox.js; beside it stands its draft, so that what is typed for one person never reaches another (P3).
// `at` is a moment in milliseconds on the browser's steady clock, `wall` one on the server's.

import {after, behind, due, empty, reduce as reduceTalk} from "../p/outbox.js";

const BANDS = 6; // colours that tell conversations apart; the stylesheet has as many
const ANSWER = 8_000; // ms without an answer to `accept`, `end`, `transfer` or `phone` until the button may be pressed again
const GOOD_NEWS = 10_000; // ms that the word of a finished registration stands

/** A desk on which nothing lies yet; `resend` in seconds. */
export const fresh = (resend) => ({
  resend,
  line: {line: "connecting", since: 0, code: null},
  queue: null, // the last `queue` frame and when it came
  duty: null, // the last `duty` frame
  alarms: null, // the last `alarms` frame, each alarm with when it came here
  phoning: null, // when the switch of the telephone was asked to change, and to what: {busy, at}
  leaving: null, // what happens to what is held, since the employee wants to go: {then: "end" | "logout", conversations: [{id, …, how, colleague}]}
  held: {}, // by conversation, in the order of their arrival
  open: null, // the conversation in front
  asked: {}, // waiting conversations for which `accept` was sent: when
  noticed: {}, // waiting conversations that the employee has said to have seen: when, by the wall
  notices: [], // what has to be told in words until it is put away: {id, kind, …}
  leftovers: [], // texts that never arrived, of conversations that are gone: {id, of, nickname, ordinal, text}
  told: 0, // number of the newest notice or leftover
});

/** The `hello` frame: from where each conversation has to be read on. */
export const hello = (desk) => ({
  type: "hello",
  after: Object.fromEntries(Object.values(desk.held).map((one) => [one.id, after(one.talk)])),
});

/** The frames that the line has to be given now; the event `tick` says that this was done. */
export function outgoing(desk, at) {
  return Object.values(desk.held).flatMap((one) => [
    ...due(one.talk, at).map((frame) => addressed(one, frame)),
    ...(one.seen > one.said ? [addressed(one, {type: "read", seq: one.seen})] : []),
  ]);
}

/** A frame with the conversation it belongs to, and the assignment under which it was written (P8). */
export const addressed = (one, frame) => ({...frame, conversation: one.id, assignment: one.assignment});

/**
 * Does this `pong` show that something never reached us? Answers with what differs, so that the same difference is asked about once;
 * an empty text when all is well (P4).
 */
export function missed(desk, pong) {
  const theirs = Object.keys(pong.last_seq);
  return [
    ...theirs.filter((id) => !desk.held[id]),
    ...Object.keys(desk.held).filter((id) => !theirs.includes(id)),
    ...Object.values(desk.held).filter((one) => behind(one.talk)).map((one) => `${one.id}:${one.talk.last}`),
  ].sort().join();
}

export const running = (desk) => Object.values(desk.held).filter((one) => !isEnded(one));
export const toRegister = (desk) => Object.values(desk.held).filter(isEnded);
export const isEnded = (one) => one.talk.state?.state === "ended";

/** The colleague who is asked to take this conversation over, by id; null when nobody is. */
export const offeredTo = (one) => one.talk.state?.offered_to ?? null;

/** A colleague of the region who is on duty; undefined when no longer. */
export const colleague = (desk, id) => desk.duty?.colleagues.find((one) => one.id === id);

/** What was held since the employee wants to go, with what became of it: "still" | "ended" | as `gone` says. */
export function progress(desk) {
  const since = desk.leaving?.conversations ?? [];
  const news = running(desk).filter((one) => !since.some(({id}) => id === one.id));
  return [...since, ...news].map(({id, nickname, ordinal, how, colleague: by}) => {
    const one = desk.held[id];
    return {id, nickname, ordinal, one, colleague: by, how: how ?? (one && !isEnded(one) ? "still" : "ended")};
  });
}

/** Messages of the chatter that nobody here has looked at or answered. */
export function unseen(one) {
  const answered = one.talk.entries.findLast((entry) => entry.author === "employee")?.seq ?? 0;
  return one.talk.entries.filter((entry) => isTheirs(entry) && entry.seq > Math.max(one.seen, answered)).length;
}

/** My messages that the chatter was not shown yet: to be repeated when the line was lost (P6). */
export const unshown = (one) => one.talk.entries.filter((entry) => isMine(entry) && entry.seq > one.talk.read.chatter).length;

const isTheirs = (entry) => entry.author === "chatter" && entry.kind === "message";
const isMine = (entry) => entry.author === "employee" && entry.kind === "message";

/**
 * The desk after an event: `frame` {frame, at, wall} · `line` {status} · `tick` {at} · `opened` {conversation} ·
 * `drafted` {conversation, text} · `written` {conversation, id, at} · `seen` {conversation, seq} · `asked` {conversation, at, wall} ·
 * `ending` {conversation, at} · `noticed` {wall} · `told` {kind, …} · `left` {of, one, text} · `put_away` {id} ·
 * `noted` {conversation, text} · `passing` {conversation, to, at} · `note_away` {conversation} · `phoning` {busy, at} · `leaving` {then} · `staying`.
 */
export function reduce(desk, event) {
  return (EVENTS[event.type] ?? same)(desk, event);
}

const EVENTS = {
  frame: (desk, event) => (FRAMES[event.frame.type] ?? same)(desk, event.frame, event),
  line: (desk, {status}) => ({...desk, line: status}),
  tick,
  opened: (desk, {conversation}) => (desk.held[conversation] ? {...desk, open: conversation} : desk),
  drafted: (desk, {conversation, text}) => changed(desk, conversation, (one) => ({...one, draft: text, refusal: null})),
  written: (desk, {conversation, id, at}) =>
    changed(desk, conversation, (one) => ({
      ...one,
      draft: "",
      refusal: null,
      talk: reduceTalk(one.talk, {type: "written", id, text: one.draft, at}),
    })),
  seen: (desk, {conversation, seq}) => changed(desk, conversation, (one) => ({...one, seen: Math.max(one.seen, seq)})),
  asked: (desk, {conversation, at, wall}) => ({...noticed(desk, wall), asked: {...desk.asked, [conversation]: at}}),
  ending: (desk, {conversation, at}) => changed(desk, conversation, (one) => ({...one, ending: at, refusal: null})),
  noticed: (desk, {wall}) => noticed(desk, wall),
  told: (desk, {type, ...notice}) => told(desk, notice),
  left: (desk, {of, one, text}) => left(desk, of, one, text),
  put_away: (desk, {id}) => ({
    ...desk,
    notices: desk.notices.filter((one) => one.id !== id),
    leftovers: desk.leftovers.filter((one) => one.id !== id),
  }),
  noted: (desk, {conversation, text}) => changed(desk, conversation, (one) => ({...one, forColleague: text, notPassed: null})),
  passing: (desk, {conversation, to, at}) => changed(desk, conversation, (one) => ({...one, passing: {to, at, note: one.forColleague}, notPassed: null})),
  note_away: (desk, {conversation}) => changed(desk, conversation, (one) => ({...one, note: {...one.note, away: true}})),
  phoning: (desk, {busy, at}) => ({...desk, phoning: {busy, at}}),
  leaving: (desk, {then}) => ({...desk, leaving: {conversations: running(desk), ...desk.leaving, then}}),
  staying: (desk) => ({...desk, leaving: null}),
};

const FRAMES = {
  welcome,
  entry: (desk, frame, {at}) => changed(desk, frame.conversation, (one) => named(desk, heard(one, frame, at), frame)),
  ack: (desk, frame, {at}) => changed(desk, frame.conversation, (one) => heard(one, frame, at)),
  typing: (desk, frame, {at}) => changed(desk, frame.conversation, (one) => heard(one, frame, at)),
  read: (desk, frame, {at}) => changed(desk, frame.conversation, (one) => heard(one, frame, at)),
  state,
  refused,
  gone,
  pong: (desk, {last_seq}, {at}) =>
    Object.entries(last_seq).reduce(
      (now, [id, seq]) => changed(now, id, (one) => heard(one, {type: "pong", last_seq: seq}, at)),
      desk,
    ),
  queue: (desk, {type, ...queue}, {at, wall}) => ({...desk, queue: {...queue, at, wall}}),
  alarms,
  duty: (desk, {type, ...duty}) => ({
    ...desk,
    duty,
    phoning: desk.phoning?.busy === Boolean(duty.on_telephone) ? null : desk.phoning,
    leaving: duty.on_duty ? desk.leaving : null,
  }),
};

const same = (desk) => desk;

/** The desk with one conversation changed; a conversation that is not held stays unknown. */
function changed(desk, id, change) {
  const one = desk.held[id];
  return one ? {...desk, held: {...desk.held, [id]: change(one)}} : desk;
}

/** The employee has looked at the queue as it is now. */
function noticed(desk, wall) {
  return {...desk, noticed: Object.fromEntries((desk.queue?.waiting ?? []).map((waiting) => [waiting.conversation, wall]))};
}

/** What came before keeps when it came: a new line tells everything again. */
function alarms(desk, {standing}, {at}) {
  const before = (alarm) => desk.alarms?.find((one) => one.alarm === alarm);
  return {...desk, alarms: standing.map((one) => ({...one, came: before(one.alarm)?.came ?? at}))};
}

/** A notice; the same said again takes the place of the older one. */
function told(desk, notice) {
  const id = desk.told + 1;
  const others = desk.notices.filter((one) => one.kind !== notice.kind || one.kind === "gone");
  return {...desk, told: id, notices: [...others, {...notice, id}]};
}

function left(desk, of, {nickname, ordinal}, text) {
  const id = desk.told + 1;
  return {...desk, told: id, leftovers: [...desk.leftovers, {id, of, nickname, ordinal, text}]};
}

const heard = (one, frame, at) => returned({...one, talk: reduceTalk(one.talk, {type: "frame", frame: bare(frame), at})});

/** The frame as outbox.js knows it: it looks at one conversation only. */
function bare({conversation, assignment, ...frame}) {
  return frame;
}

/** What was refused for good goes back to the front of the box, with the reason. */
function returned(one) {
  const {returned: back} = one.talk;
  if (!back) return one;
  return {
    ...one,
    draft: one.draft.trim() ? `${back.text}\n\n${one.draft}` : back.text,
    refusal: {code: back.code, detail: back.detail},
  };
}

function welcome(desk, frame, {at}) {
  const id = frame.conversation;
  const offer = desk.queue?.waiting.find((waiting) => waiting.conversation === id) ?? {};
  const before = desk.held[id] ?? newcomer(desk, id, {...offer, ...frame});
  // Answers `hello` too: whatever the lost line may have swallowed goes again under the new one.
  const talk = reduceTalk(reduceTalk(before.talk, {type: "frame", frame: bare(frame), at}), {type: "line_back"});
  const {[id]: asked, ...others} = desk.asked;
  const note = frame.note && frame.note !== before.note?.text ? {text: frame.note, away: false} : before.note;
  const one = named(desk, {...before, talk, note, assignment: frame.assignment ?? before.assignment, said: 0}, {author: "chatter", name: frame.nickname || offer.nickname});
  const open = asked !== undefined || desk.open === null ? id : desk.open;
  const notices = desk.notices.filter((told) => told.kind !== "gone" || told.conversation !== id); // it is here again
  return {...desk, notices, held: {...desk.held, [id]: one}, asked: others, open};
}

function newcomer(desk, id, {role = "", region = null, municipality = "", since = null}) {
  return {
    id,
    talk: empty("employee", desk.resend),
    assignment: null,
    nickname: "",
    ordinal: freeOrdinal(desk, {id}, ""), // 2 for the second of the same name: two people can't be confused
    role,
    region,
    municipality,
    since, // when the chatter began
    band: freeBand(desk, id),
    draft: "",
    refusal: null, // why the server gave a message or a wish back: {code, detail}
    ending: null, // when `end` was sent
    note: null, // what the colleague who passed it on had to say: {text, away}
    forColleague: "", // what is typed for the colleague who is to take it over
    passing: null, // which colleague was asked, and is not known to have been: {to, at, note}
    passed: "", // what the colleague who is asked was told
    notPassed: null, // why nobody could be asked: {code, detail}
    peerSince: 0, // when we saw the chatter come, or go; 0: unknown
    seen: 0, // shown here up to this number
    said: 0, // of that, told the server on this line
  };
}

/** The colour that this conversation has by its id; the next one when a running one has it already. */
function freeBand(desk, id) {
  const taken = new Set(Object.values(desk.held).map((one) => one.band));
  const first = parseInt(id.slice(0, 8), 16) % BANDS || 0;
  const all = Array.from({length: BANDS}, (_, n) => (first + n) % BANDS);
  return all.find((band) => !taken.has(band)) ?? first;
}

/** A conversation with the name that the chatter gave, as soon as it is known. */
function named(desk, one, {author, name}) {
  if (author !== "chatter" || !name || name === one.nickname) return one;
  return {...one, nickname: name, ordinal: freeOrdinal(desk, one, name)};
}

function freeOrdinal(desk, one, name) {
  const taken = new Set(Object.values(desk.held).filter((other) => other.id !== one.id && other.nickname === name).map((other) => other.ordinal));
  let ordinal = 1;
  while (taken.has(ordinal)) ordinal++;
  return ordinal;
}

function state(desk, frame, {at}) {
  return changed(desk, frame.conversation, (one) => {
    const now = heard(one, frame, at);
    const before = one.talk.state?.peer ?? null;
    const asked = one.passing && frame.offered_to === one.passing.to;
    // What was so already when we came is told without a time: we do not know since when.
    return {
      ...now,
      peerSince: before === frame.peer ? one.peerSince : before === null ? 0 : at,
      ending: frame.state === "ended" ? null : one.ending,
      ...(asked && {passing: null, passed: one.passing.note}),
    };
  });
}

function refused(desk, frame, {at}) {
  const {conversation, code, detail} = frame;
  if (!conversation) return told({...desk, phoning: null}, {kind: "refused", code, detail});
  if (conversation in desk.asked) {
    const {[conversation]: gone, ...asked} = desk.asked;
    return told({...desk, asked}, {kind: "refused", code, detail});
  }
  return changed(desk, conversation, (one) => {
    if (frame.id) return heard(one, frame, at);
    if (one.passing) return {...one, passing: null, notPassed: {code, detail}};
    return {...one, ending: null, refusal: {code, detail}};
  });
}

function gone(desk, {conversation, reason, employee}, {at}) {
  const {[conversation]: one, ...held} = desk.held;
  if (!one) return desk;
  const open = desk.open === conversation ? next(held) : desk.open;
  const by = employee ?? colleague(desk, offeredTo(one))?.name ?? null;
  const {nickname, ordinal} = one;
  const leaving = desk.leaving && became(desk.leaving, {id: conversation, nickname, ordinal, how: reason, colleague: by});
  const without = told({...desk, held, open, leaving}, {kind: "gone", reason, at, conversation, colleague: by, nickname, ordinal});
  const unsent = [...one.talk.outbox.map((item) => item.text), one.draft].filter((text) => text.trim());
  const all = unsent.length ? left(without, "message", one, unsent.join("\n\n")) : without;
  return one.forColleague.trim() && one.forColleague !== one.passed ? left(all, "note", one, one.forColleague) : all;
}

/** What became of one conversation, in its place among those that have to be handed over. */
function became(leaving, what) {
  const known = leaving.conversations.some(({id}) => id === what.id);
  const conversations = known ? leaving.conversations.map((one) => (one.id === what.id ? what : one)) : [...leaving.conversations, what];
  return {...leaving, conversations};
}

function next(held) {
  const all = Object.values(held);
  return (all.find((one) => !isEnded(one)) ?? all[0])?.id ?? null;
}

function tick(desk, {at}) {
  const held = Object.fromEntries(
    Object.values(desk.held).map((one) => [
      one.id,
      {
        ...one,
        said: one.seen,
        talk: reduceTalk(one.talk, {type: "tick", at}),
        ending: one.ending !== null && at - one.ending < ANSWER ? one.ending : null,
        ...(one.passing && at - one.passing.at >= ANSWER && {passing: null, notPassed: {code: "no_answer", detail: ""}}),
      },
    ]),
  );
  const asked = Object.fromEntries(Object.entries(desk.asked).filter(([, since]) => at - since < ANSWER));
  // That a registration is done needs no hand to put it away.
  const notices = desk.notices.filter((one) => one.reason !== "registered" || at - one.at < GOOD_NEWS);
  const phoning = desk.phoning && at - desk.phoning.at < ANSWER ? desk.phoning : null;
  const unanswered = Object.keys(desk.asked).length > Object.keys(asked).length || (desk.phoning && !phoning);
  const now = {...desk, held, asked, phoning, notices};
  return unanswered ? told(now, {kind: "no_answer"}) : now;
}

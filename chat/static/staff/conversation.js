// The conversation in front: who it is, the log, and the box that writes to this person and to nobody else.

import {html, useState} from "./html.js";
import {colleague, isEnded, offeredTo, unshown} from "./desk.js";
import {Mark, Peer} from "./held.js";
import {Log} from "./log.js";
import {isForeign} from "./region.js";
import {boot, nameOf, regionName, roleName, say, wall} from "./words.js";

const {text_characters: most} = boot.numbers;
const sendsByEnter = matchMedia("(pointer: fine)"); // on a touch screen Enter makes a line
const COUNT_FROM = 0.8; // of the limit: before that nobody needs the number

const runningWords = (ms) => (ms < 60_000 ? say("just_begun") : say("minutes", {n: Math.floor(ms / 60_000)}));

const Facts = ({one}) => {
  const facts = [
    one.municipality || (one.region && regionName(one.region)),
    one.region && isForeign(one) && `◇ ${say("region_other")}`,
    one.role && roleName(one.role),
    one.since && !isEnded(one) && runningWords(wall() - Date.parse(one.since)),
  ].filter(Boolean);
  return html`<p class="talk-facts">${facts.map((fact) => html`<span>${fact}</span>`)}<${Peer} one=${one} /></p>`;
};

/** What the colleague who passed it on had to say; not part of the log. */
function Note({one, act}) {
  if (!one.note || one.note.away) return null;
  return html`<div class="note" role="note" aria-label=${say("note_title")}>
    <p class="note-head"><b>✉ ${say("note_title")}</b></p>
    <p class="note-text" tabindex="0">${one.note.text}</p>
    <button type="button" onClick=${() => act.putNoteAway(one.id)}>${say("note_away")}</button>
  </div>`;
}

/** Who is asked to take it over, and what holds until somebody has. */
function Offered({one, desk, act}) {
  const asked = colleague(desk, offeredTo(one));
  const words = !asked ? say("offered_off") : say(asked.connected ? "offered_waits" : "offered_lost", {colleague: asked.name, name: nameOf(one)});
  return html`<p class="trouble offered">→ ${words}
    <button type="button" onClick=${() => act.askWhom(one.id)}>${say("ask_another")}</button></p>`;
}

/** What is the matter with the other side or with our line, in words, between the log and the box. */
function Trouble({one, desk, act}) {
  const {line} = desk;
  const name = nameOf(one);
  const {peer, hidden} = one.talk.state ?? {};
  const lost = unshown(one);
  return html`<div role="status" class="troubles">
    ${line.line !== "here" && html`<p class="trouble">▲ ${say("box_no_line")}</p>`}
    ${!isEnded(one) && peer === "lost" && html`<p class="trouble">○ ${say("box_lost", {name})} ${lost > 0 && say("unshown", {n: lost, name})}</p>`}
    ${!isEnded(one) && peer === "left" && html`<p class="trouble">◇ ${say("box_left", {name})} ${lost > 0 && say("unshown", {n: lost, name})}</p>`}
    ${!isEnded(one) && offeredTo(one) !== null && html`<${Offered} one=${one} desk=${desk} act=${act} />`}
    ${hidden && html`<p class="trouble">${say("hidden", {name})}</p>`}
    ${one.refusal && html`<p class="trouble">▲ ${say("refused")} ${one.refusal.detail || say("failed")}</p>`}
    ${isEnded(one) && html`<p class="trouble ended">■ ${say("ended")}
      <button type="button" onClick=${() => act.show({area: "registration", focus: {on: "registration"}})}>${say("to_registration")}</button>
    </p>`}
  </div>`;
}

function Composer({one, act}) {
  const [why, setWhy] = useState(null);
  const length = [...one.draft].length;
  const left = one.talk.state?.peer === "left";
  const send = (event) => {
    event.preventDefault();
    setWhy(act.send(one.id));
  };
  const key = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && sendsByEnter.matches) send(event);
  };
  const ended = isEnded(one);
  if (ended && !one.draft.trim()) return null;
  return html`<form class=${`composer band-${one.band}`} onSubmit=${send}>
    <p class="composer-head">
      <${Mark} one=${one} /> <label for="box">${say("message")}</label>
      <b id="box-to">${say(ended ? "unsent_to" : "writing_to", {name: nameOf(one)})}</b>
      <span id="box-help" class="composer-help">
        ${why === "too_long" || length > most ? html`<b>${say("too_many", {n: Math.max(1, length - most)})}</b>`
          : length > most * COUNT_FROM ? html`<b>${say("count", {length, most})}</b>` : !ended && sendsByEnter.matches && say("enter_sends")}
      </span>
    </p>
    <textarea id="box" class="box" rows="3" aria-describedby="box-to box-help" readOnly=${ended}
      value=${one.draft} onInput=${(event) => { setWhy(null); act.draft(one.id, event.target.value); }} onKeyDown=${key}></textarea>
    ${!ended && html`<div class="composer-row">
      <button type="submit" class="primary" aria-disabled=${left}>${say("send")}</button>
      <button type="button" onClick=${() => act.askWhom(one.id)}>${say("transfer")}</button>
      <button type="button" class="finish" onClick=${() => act.show({dialog: {ask: "end", conversation: one.id}})}>
        ${one.ending ? say("finishing") : say("finish")}
      </button>
    </div>`}
  </form>`;
}

/** @param {object|null} one the conversation in front */
export function Conversation({one, desk, act}) {
  return html`<main class=${`talk ${one ? `band-${one.band}` : ""}`} key=${one.id} aria-labelledby="talk-name">
    <header class="talk-head">
      <${Mark} one=${one} />
      <h2 id="talk-name" tabindex="-1">${nameOf(one)}</h2>
      <${Facts} one=${one} />
    </header>
    <${Note} one=${one} act=${act} />
    <${Log} key=${`log-${one.id}`} one=${one} me=${boot.employee.name} seen=${act.seen} />
    <${Trouble} one=${one} desk=${desk} act=${act} />
    <${Composer} key=${`box-${one.id}`} one=${one} act=${act} />
  </main>`;
}

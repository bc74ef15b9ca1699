// Who waits: the list from which an employee takes conversations, and its age (P7).

import {html} from "./html.js";
import {lasted, nameOf, regionName, roleName, say, wall} from "./words.js";

const LONG = 60_000; // ms after which waiting is said louder
const VERY_LONG = 300_000;

export const waited = (waiting) => wall() - Date.parse(waiting.since);
export const isMine = (waiting) => ["own", "interrupted", "transfer"].includes(waiting.offer);


/** How loud somebody's waiting is said: 0 to 2, rising with the time. */
export const level = (waiting) => (waited(waiting) >= VERY_LONG ? 2 : waited(waiting) >= LONG ? 1 : 0);
export const LOUD = ["short", "long", "very"];
export const signs = (loud) => "▲".repeat(loud);

/** How long somebody waits, in words and in a shape that grows with it. */
function Wait({waiting}) {
  const loud = level(waiting);
  return html`<span class="wait" data-loud=${LOUD[loud]}>
    ${loud > 0 && html`<span aria-hidden="true">${signs(loud)} </span>`}${say(`wait_${LOUD[loud]}`)} <b>${lasted(waited(waiting))}</b>
  </span>`;
}

const SHAPES = {own: "▣", interrupted: "↻", transfer: "→", overflow: "◇", anywhere: "○"};

/** Where a waiting chat comes from, in words. */
export function offerWords({offer, region}) {
  if (offer === "own") return say("offer_own");
  if (offer === "interrupted") return say("offer_interrupted", {region: regionName(region)});
  if (offer === "transfer") return say("offer_transfer");
  return region ? say("offer_other", {region: regionName(region)}) : say("offer_anywhere");
}

function Waiting({waiting, room, asked, accept}) {
  return html`<li class="waiting" data-offer=${waiting.offer} data-mine=${isMine(waiting)} data-room=${room > 0} data-loud=${LOUD[level(waiting)]}>
    <p class="waiting-who"><span class="shape" aria-hidden="true">${SHAPES[waiting.offer] ?? "◇"}</span> <b class="name" id=${`waiting-${waiting.conversation}`}>${nameOf(waiting)}</b></p>
    <${Wait} waiting=${waiting} />
    <p class="waiting-what">${offerWords(waiting)}<span class="sep"> · </span>${roleName(waiting.role)}${peerWords(waiting.peer)}</p>
    ${waiting.note && html`<p class="waiting-note"><b>${say("note_title")}</b> ${waiting.note}</p>`}
    <button type="button" class="accept" aria-disabled=${asked} aria-describedby=${`waiting-${waiting.conversation}`}
      onClick=${() => accept(waiting.conversation)}>
      ${asked ? say("accepting") : say("accept")}
    </button>
  </li>`;
}

/** For how many of other regions there is room; one's own are offered whatever it says. */
const roomWords = (room) => (room > 0 ? say("room", {n: room}) : say("room_none"));

const peerWords = (peer) => (peer === "lost" || peer === "left" ? html` · <b>${say(`waiting_${peer}`)}</b>` : null);

/** The queue; when the list is too old to be true, words stand in its place. */
export function Queue({desk, act}) {
  const {queue} = desk;
  const waiting = queue?.waiting ?? [];
  const fresh = act.isQueueFresh();
  const age = queue ? wall() - queue.wall : 0;
  return html`<section class="queue part" aria-labelledby="queue-title">
    <h2 id="queue-title" tabindex="-1">${say("queue")} ${desk.duty?.on_duty && html`<span class="number">${fresh ? waiting.length : "?"}</span>`}
      ${fresh && desk.duty?.on_duty && html`<span class="room">${roomWords(queue.room)}</span>`}</h2>
    ${queue && !fresh && html`<div class="cover"><p><b>${say("stale")}</b></p><p>${say("stale_more")}</p></div>`}
    ${queue && !fresh && html`<p class="quiet cover-age">${say("list_age", {n: Math.floor(age / 1000)})}</p>`}
    <ul role="list" class="scroll" aria-label=${say("queue")}>
      ${fresh && waiting.map((one) => html`<${Waiting}
        key=${one.conversation} waiting=${one} room=${queue.room} asked=${one.conversation in desk.asked} accept=${act.accept} />`)}
    </ul>
    ${!queue && html`<p class="quiet">${say("list_coming")}</p>`}
    ${fresh && !waiting.length && html`<p class="quiet">
      ${desk.duty?.on_duty ? `${say("nobody_waits")} ${say("list_age", {n: Math.max(0, Math.floor(age / 1000))})}` : say("queue_off_duty")}
    </p>`}
  </section>`;
}
